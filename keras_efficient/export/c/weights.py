"""Weights as one stream of bits, in the order in which the C code reads them.

Only this module and `sparse_weights` know how weights are stored: a kernel is a list of `Group`s, and
`Group.cell_lines` adds x times the weights of one input cell to the sums and goes on to the next cell.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from keras_efficient.export.c.cells import index_type, integer_of, integer_type
from keras_efficient.export.c.text import as_index, braces, plus, times, wrapped
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

    @property
    def format(self) -> str:
        """The name of the encoding, as `storage.sparse` gives it."""
        return "dense"

    def __init__(self, codes: Codes, kernel: np.ndarray, first: int, width: int):
        """`kernel`: (places, channels, filters) of these filters."""
        super().__init__(codes, codes.indices(group_order(kernel, width)).astype(np.uint16))  # there may be millions
        self.first, self.filters, self.width = first, kernel.shape[2], width

    @property
    def in_bytes(self) -> bool:
        """Whether the weights of one input cell fill whole bytes: read by a pointer."""
        return self.width * self.codes.bits % BYTE == 0 and self.codes.bits in (2, 4, 8, 16)

    def declaration(self) -> str:
        """The variable `weight` that walks through the stream."""
        if self.in_bytes:
            return f"network_index weight = {self.start // BYTE};"
        return f"network_index weight = {self.start // (4 if self.codes.bits == 4 else 1)};"

    def advance(self, cells: int = 1) -> str:
        """The statement that skips the weights of so many input cells."""
        bits = cells * self.width * self.codes.bits
        unit = BYTE if self.in_bytes else 4 if self.codes.bits == 4 else 1
        return f"weight = (network_index)(weight + {bits // unit}u);"

    def cell_lines(self, sum_type: str) -> list[str]:
        """sum_0 += x times the first weight, and so on; `weight` goes on to the next cell."""
        return [*braces("if (x)", self._product_lines(sum_type)), self.advance()]

    def _product_lines(self, sum_type: str) -> list[str]:
        return self._byte_lines(sum_type) if self.in_bytes else self._bit_lines(sum_type)

    def _byte_lines(self, sum_type: str) -> list[str]:
        bits, lines = self.codes.bits, []
        for first_bit in range(0, self.width * bits, max(bits, BYTE)):
            byte = f"NETWORK_WEIGHT({plus('weight', first_bit // BYTE)})"
            if bits == 16:
                byte += f" | (uint16_t)NETWORK_WEIGHT({plus('weight', first_bit // BYTE + 1)}) << 8"
            lines.append(f"byte = {byte};" if bits <= BYTE else f"byte = (uint16_t)({byte});")
            for at in range(0, BYTE if bits <= BYTE else bits, bits):
                index = "byte" if bits >= BYTE else _part("byte", at, bits)
                lines.append(self.add(sum_type, (first_bit + at) // bits, index))
        return [f"{index_type(bits)} byte;", *lines]

    def _bit_lines(self, sum_type: str) -> list[str]:
        bits = self.codes.bits
        lines = []
        for number in range(self.width):
            if bits == 4:
                index = f"network_weight_4({as_index(plus('weight', number))})"
            else:
                index = f"network_weight_bits({as_index(plus('weight', number * bits))}, {bits})"
            lines.append(self.add(sum_type, number, index))
        return lines

    def add(self, sum_type: str, number: int, index: str) -> str:
        """The statement that adds x times a weight to a sum; `index` is the code of the weight."""
        weight = self.integer(index)
        weight = weight if self.has_signs else f"({integer_type(self.codes)})({weight})"
        factor = "x" if sum_type == "int16_t" else f"({sum_type})x"
        return f"sum_{number} = ({sum_type})(sum_{number} + {factor} * {weight});"


def _part(byte: str, at: int, bits: int) -> str:
    shifted = f"({byte} >> {at})" if at else byte
    return shifted if at + bits == BYTE else f"({shifted} & {2**bits - 1})"


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
