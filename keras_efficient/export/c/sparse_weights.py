"""Pruned kernels in the stream of weights, as bitmasks or by relative indices where that takes fewer bits.

The encodings, their bits and which one is the smallest: `storage.sparse`.
"""

from __future__ import annotations

import numpy as np

from keras_efficient.export.c.text import braces
from keras_efficient.export.c.weights import WEIGHT_BITS, Group, bits_of
from keras_efficient.export.integer.codes import Codes
from keras_efficient.storage.sparse import best_encoding, filter_groups, group_order, relative_entries


def group_filters(codes: Codes, kernel: np.ndarray, pruned: bool = False, groups: int = 1) -> list[Group]:
    """A kernel (places, channels of one of `groups`, filters) in parts of one encoding: a pruned one's smallest. A grid
    without a zero stays dense."""
    parts = [
        (kernel[:, :, first : first + count], first, width)
        for first, count, width in filter_groups(kernel.shape[2], codes.bits, groups)
    ]
    if pruned and not codes.midrise:
        best = best_encoding([group_order(part, width) for part, _, width in parts], codes.bits)
        if best.name == "bitmask":
            return [BitmaskGroup(codes, *part) for part in parts]
        if best.name == "relative index":
            return [RelativeGroup(codes, *part, best.gap_bits) for part in parts]
    return [Group(codes, *part) for part in parts]


class BitmaskGroup(Group):
    """A group of which zeros take one bit: a bit for each number, then the numbers that are not zero."""

    @property
    def format(self) -> str:
        return "bitmask"

    @property
    def bits(self) -> int:
        return self.indices.size + self.codes.bits * self._stored.size

    def __init__(self, codes: Codes, kernel: np.ndarray, first: int, width: int):
        super().__init__(codes, kernel, first, width)
        self._kept = self.indices != codes.indices(0)
        self._stored = self.indices[self._kept]

    def bit_list(self) -> np.ndarray:
        return np.concatenate([bits_of(self._kept, 1), bits_of(self._stored, self.codes.bits)])

    def helpers(self) -> dict[str, list[str]]:
        return {"weight_bits": WEIGHT_BITS, "weight_bit": WEIGHT_BIT, "bitmask_skip": BITMASK_SKIP}

    def declaration(self) -> str:
        start = self.start + self.indices.size
        return f"network_index mask = {self.start}, weight = {start}; /* bits that say where weights are; weights */"

    def advance(self, cells: int = 1) -> str:
        return f"network_skip_masked(&mask, &weight, {cells * self.width}, {self.codes.bits});"

    def cell_lines(self, sum_type: str) -> list[str]:
        lines = []
        for number in range(self.width):
            stored = [
                self.add(sum_type, number, f"network_weight_bits(weight, {self.codes.bits})"),
                f"weight = (network_index)(weight + {self.codes.bits}u);",
            ]
            lines += [*braces("if (network_weight_bit(mask))", stored), "mask++;"]
        return lines


class RelativeGroup(Group):
    """A group of which only the numbers that are not zero are stored, each behind the count of zeros
    before it."""

    def __init__(self, codes: Codes, kernel: np.ndarray, first: int, width: int, gap_bits: int):
        super().__init__(codes, kernel, first, width)
        self.gap_bits = gap_bits
        zero = codes.indices(0)
        self._gaps, places = relative_entries(self.indices != zero, gap_bits)
        self._entries = np.where(places < 0, zero, self.indices[places])

    @property
    def format(self) -> str:
        return f"relative index, {self.gap_bits}-bit gaps"

    @property
    def bits(self) -> int:
        return self._gaps.size * self._entry_bits + self.gap_bits

    @property
    def _entry_bits(self) -> int:
        return self.gap_bits + self.codes.bits

    def bit_list(self) -> np.ndarray:
        entries = bits_of(self._gaps | self._entries << self.gap_bits, self._entry_bits)
        return np.concatenate([entries, np.ones(self.gap_bits, np.uint8)])

    def helpers(self) -> dict[str, list[str]]:
        return {"weight_bits": WEIGHT_BITS, "relative_skip": RELATIVE_SKIP}

    def declaration(self) -> str:
        gap = f"uint8_t gap = (uint8_t)network_weight_bits({self.start}, {self.gap_bits});"
        return f"network_index weight = {self.start}; {gap} /* zeros before the next weight */"

    def advance(self, cells: int = 1) -> str:
        return f"network_skip_relative(&weight, &gap, {cells * self.width}, {self.codes.bits}, {self.gap_bits});"

    def cell_lines(self, sum_type: str) -> list[str]:
        lines = []
        for number in range(self.width):
            stored = [
                self.add(
                    sum_type,
                    number,
                    f"network_weight_bits((network_index)(weight + {self.gap_bits}u), {self.codes.bits})",
                ),
                f"weight = (network_index)(weight + {self._entry_bits}u);",
                f"gap = (uint8_t)network_weight_bits(weight, {self.gap_bits});",
            ]
            lines += [*braces("if (gap)", ["gap--;"]), *braces("else", stored)]
        return lines


WEIGHT_BIT = """static uint8_t network_weight_bit(network_index place)
{
    return (uint8_t)(NETWORK_WEIGHT(place >> 3) >> (place & 7) & 1);
}""".splitlines()

BITMASK_SKIP = """/* Passes over so many weights, of which those with a bit in the mask are stored. */
NETWORK_INLINE void network_skip_masked(network_index *mask, network_index *weight, network_index count, uint8_t bits)
{
    for (; count; count--, (*mask)++)
        if (network_weight_bit(*mask))
            *weight = (network_index)(*weight + bits);
}""".splitlines()

RELATIVE_SKIP = """/* Passes over so many weights, of which those behind a gap that is used up are stored. */
NETWORK_INLINE void network_skip_relative(network_index *weight, uint8_t *gap, network_index count, uint8_t bits,
                                          uint8_t gap_bits)
{
    for (; count; count--) {
        if (*gap) {
            (*gap)--;
        } else {
            *weight = (network_index)(*weight + gap_bits + bits);
            *gap = (uint8_t)network_weight_bits(*weight, gap_bits);
        }
    }
}""".splitlines()
