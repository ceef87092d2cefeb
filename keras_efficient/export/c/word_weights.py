"""Kernels in words: how `target="dsp"` stores them, for the kernels word_windows.c, words.c and products.c.

Which layers, and in which form: `kinds.words`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_efficient.export.c.convolution import StoredWeights, Sums, bias_and_shifts
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.weights import BYTE, HALF_BYTE, Segment
from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.operations import Convolution
from keras_efficient.kinds.words import WORD_BITS, KernelShape, Words, words_of
from keras_efficient.storage.planner.layouts import Layout
from keras_efficient.storage.sparse import filter_groups

_BYTES = Codes(BYTE, False, 0)


def words_of_layer(layer: Convolution) -> Words | None:
    """How the layer's kernel is read, or None."""
    (rows, columns, channels, filters), groups = layer.products.kernel.shape, layer.groups
    by_channel = layer.depthwise or groups > 1
    if by_channel and not groups == filters == layer.source.shape[2]:
        return None
    places, channels = (1, layer.source.cells) if layer.is_whole else (rows * columns, channels)
    kernel = KernelShape(places, channels, filters, layer.products.kernel_codes.bits, by_channel)
    return words_of(kernel, layer.source.codes.bits)


def _pairs(bits: int, chunk: int) -> list[tuple[int, int]]:
    """The numbers of a chunk that come out of words of `bits` as pairs, in their order."""
    count = WORD_BITS // bits
    return [(word + k, word + k + count // 2) for word in range(0, chunk, count) for k in range(count // 2)]


def _pack(indices: np.ndarray, bits: int, order: list[tuple[int, int]]) -> np.ndarray:
    """Chunks (..., numbers) as bytes of words: pair number k of the words is pair k of the order."""
    in_word = WORD_BITS // bits // 2
    places = np.array(order).reshape(-1, in_word, 2)
    at = bits * np.arange(in_word)[:, None] + np.array([0, WORD_BITS // 2])
    words = (indices[..., places].astype(np.uint64) << at.astype(np.uint64)).sum((-1, -2))
    return words.astype("<u4").reshape(-1).view(np.uint8)


@dataclass(eq=False)
class WordGroup(Segment):
    """The kernels of filters `first` to `first + filters - 1`, `width` of them at once.

    Order: block of filters, chunk, filter; of a kernel by channels: word of channels, place.
    """

    kernel: Codes
    copied: int  # cells of a window that is copied first; 0: none is
    first: int
    filters: int
    width: int
    format: str = "dense, in words"

    def __init__(self, kernel: Codes, copied: int, first: int, filters: int, width: int, stored: np.ndarray):
        super().__init__(_BYTES, stored)
        self.kernel, self.copied, self.first, self.filters, self.width = kernel, copied, first, filters, width

    def kernel_lines(self, program: Program, number: str) -> list[str]:
        """The declaration of `kernel`."""
        codes = self.kernel
        fields = f"NETWORK_DENSE, {codes.bits}, {int(codes.midrise)}, 0, {codes.low}, 0"
        return [f"static const network_kernel kernel = {{{fields}}};"]

    def window_lines(self, finder: str) -> list[str]:
        """The declaration of `window`, which all groups read."""
        patch = [f"uint8_t patch[{self.copied}];"] if self.copied else []
        call = f"network_open(&window, {'patch' if self.copied else 0}, {self.copied}, &layer, {finder}, row, column);"
        return [*patch, "network_window window;", call]

    def filters_line(self, program: Program, sums: Sums, finder: str, rounding: str) -> str:
        """The statement that computes these filters of a pixel."""
        block, shifts = self.indices.size * self.width // self.filters, sums.weights.shifts
        at = 0 if shifts is None else shifts.start // HALF_BYTE + 1
        numbers = (self.start // BYTE, block, at, self.first, self.first + self.filters, self.width)
        arguments = f"&layer, {finder}, {rounding}, &window, {', '.join(map(str, numbers))}, row, column, made"
        return f"network_word_filters({arguments});"


def store_words(layer: Convolution, words: Words, source_layout: Layout) -> StoredWeights:
    """The weights in the order of words; of a dense layer in the order of its source map."""
    products, codes = layer.products, layer.products.kernel_codes
    kernel = products.kernel.reshape(-1, *products.kernel.shape[2:])
    if layer.is_whole:
        kernel = kernel[np.argsort(source_layout.addresses, axis=None)]
    in_twos_complement = codes.bits == BYTE
    indices = codes.indices(kernel) ^ (2 ** (BYTE - 1) if in_twos_complement else 0)
    cell_bits = BYTE if words.form == "patch" else layer.source.codes.bits
    order = _pairs(cell_bits, words.chunk)
    groups, copied = [], words.numbers if words.form == "patch" else 0
    if words.form == "channels":
        chunks = indices.reshape(len(indices), -1, words.chunk).swapaxes(0, 1)
        stored = _pack(chunks, codes.bits, order)
        groups.append(WordGroup(codes, copied, 0, kernel.shape[2], words.chunk, stored))
    else:
        numbers = indices.reshape(-1, kernel.shape[2])
        filled = np.pad(numbers, ((0, words.numbers - len(numbers)), (0, 0)))  # times cells of 0
        for first, count, width in filter_groups(kernel.shape[2], BYTE):
            part = filled[:, first : first + count].reshape(-1, words.chunk, count // width, width)
            chunks = part.transpose(2, 0, 3, 1)
            groups.append(WordGroup(codes, copied, first, count, width, _pack(chunks, codes.bits, order)))
    return StoredWeights(groups, *bias_and_shifts(layer), by_words=True)
