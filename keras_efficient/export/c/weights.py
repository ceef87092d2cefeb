"""Weights as one stream of bits, in the order in which the C code reads them.

Only this module, `sparse_weights` and the kernels weights.c know how they are stored: a kernel is a list of `Group`s.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_efficient.export.c.cells import integer_of
from keras_efficient.export.c.kernels import FORMATS
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.text import as_index, plus, times, wrapped
from keras_efficient.export.integer.codes import Codes
from keras_efficient.kinds.words import WORD_BITS
from keras_efficient.storage.sparse import group_order

BYTE, HALF_BYTE = 8, 4


@dataclass(eq=False)
class Segment:
    """Numbers of equal width that lie side by side in the stream, from bit `start` on."""

    codes: Codes
    indices: np.ndarray
    start: int = field(default=-1, init=False)

    @property
    def bits(self) -> int:
        return self.codes.bits * self.indices.size

    def bit_list(self) -> np.ndarray:
        """What the stream holds: bits, the lowest of each number first."""
        return bits_of(self.stored(self.indices), self.codes.bits)

    def read(self, number: str) -> str:
        """The integer of one number, as a C expression. `number` counts from 0."""
        bits = self.codes.bits
        unit = bits if bits == HALF_BYTE else BYTE if bits in (BYTE, 2 * BYTE) else 1
        place = plus(times(f"(network_index){wrapped(number)}", bits // unit), self.start // unit)
        if bits == BYTE:
            return self.integer(f"NETWORK_WEIGHT({place})")
        if unit > 1:
            return self.integer(f"network_weight_{bits}({as_index(place)})")
        return self.integer(f"network_weight_bits({as_index(place)}, {bits})")

    @property
    def has_signs(self) -> bool:
        """Whether the numbers lie in two's complement, which processors read at once."""
        return self.codes.signed and self.codes.bits in (BYTE, 2 * BYTE)

    def stored(self, indices: np.ndarray) -> np.ndarray:
        """What the stream holds for these indices."""
        return indices ^ 2 ** (self.codes.bits - 1) if self.has_signs else indices

    def integer(self, stored: str) -> str:
        """The integer of what the stream holds, as a C expression."""
        return f"(int{self.codes.bits}_t){wrapped(stored)}" if self.has_signs else integer_of(stored, self.codes)


@dataclass(eq=False)
class Group(Segment):
    """The kernels of filters `first` to `first + filters - 1`, `width` of them at once.

    Order of the numbers: block of `width` filters, place in the window, input channel, filter.
    """

    first: int
    filters: int
    width: int
    kernel_format, gap_bits = "NETWORK_DENSE", 0

    @property
    def format(self) -> str:
        """The name of the encoding, as `storage.sparse` gives it."""
        return "dense"

    @property
    def starts(self) -> tuple[int, int]:
        """Of weights and mask, in the unit in which they are read."""
        unit = BYTE if self.in_bytes else HALF_BYTE if self.codes.bits == HALF_BYTE else 1
        return self.start // unit, 0

    def __init__(self, codes: Codes, kernel: np.ndarray, first: int, width: int):
        """`kernel`: (places, channels, filters) of these filters."""
        super().__init__(codes, codes.indices(group_order(kernel, width)).astype(np.uint16))  # there may be millions
        self.first, self.filters, self.width = first, kernel.shape[2], width

    @property
    def in_bytes(self) -> bool:
        """Whether the weights of one input cell fill whole bytes: read by a pointer."""
        return self.width * self.codes.bits % BYTE == 0 and self.codes.bits in (2, 4, 8, 16)

    def kernel_lines(self, program: Program, number: str) -> list[str]:
        """The declaration of `kernel`, the same for all groups of one."""
        codes, low = self.codes, 0 if self.has_signs else self.codes.low
        program.uses("kernel->bits", codes.bits)
        program.uses("kernel->format", FORMATS.index(self.kernel_format))
        fields = (self.kernel_format, codes.bits, int(codes.midrise), self.gap_bits, low, 0)
        return [f"static const network_kernel kernel = {{{', '.join(map(str, fields))}}};"]

    def window_lines(self, finder: str) -> list[str]:
        """The declaration of what all groups of a kernel read of a window, if anything."""
        return []

    def filters_line(self, program: Program, sums: Any, finder: str, rounding: str) -> str:
        """The statement that computes these filters of a pixel, of `Sums`."""
        program.uses("network_in_bytes(kernel, width)", int(self.in_bytes))
        roundings = f"{rounding}, 0" if sums.beside is None else f"0, {rounding}"
        numbers = ", ".join(map(str, (*self.starts, self.first, self.first + self.filters, self.width)))
        arguments = f"&layer, {finder}, {roundings}, {numbers}, row, column, made, {sums.cell_beside(program)}"
        return f"network_filters_of_{sums.sum_bits}({arguments});"


def bits_of(numbers: np.ndarray, width: int) -> np.ndarray:
    """The bits of numbers of `width` bits, the lowest first."""
    in_bytes = np.asarray(numbers).astype("<u4")[:, None].view(np.uint8)
    return np.unpackbits(in_bytes, axis=1, count=width, bitorder="little").ravel()


def pack(segments: Iterable[Segment]) -> np.ndarray:
    """Give every segment its place and return the bytes.

    Segments of whole words of 32 bits come first, then those of whole bytes, so that all of them start at one; then
    those of whole half-bytes, then the others, without gaps: at most 7 bits are lost in all.
    """
    once = dict.fromkeys(segments)  # layers may share them
    ordered = sorted(once, key=lambda segment: [segment.bits % unit != 0 for unit in (WORD_BITS, BYTE, HALF_BYTE)])
    starts = itertools.accumulate((segment.bits for segment in ordered), initial=0)
    for segment, start in zip(ordered, starts, strict=False):  # the last start is the end
        segment.start = start
    parts = [_packed([segment]) for segment in ordered if segment.bits % BYTE == 0]
    return np.concatenate([*parts, _packed([segment for segment in ordered if segment.bits % BYTE])])


def _packed(segments: Iterable[Segment]) -> np.ndarray:
    bits = [segment.bit_list() for segment in segments]
    return np.packbits(np.concatenate([np.zeros(0, np.uint8), *bits]), bitorder="little")
