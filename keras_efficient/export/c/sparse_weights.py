"""Pruned kernels in the stream of weights, as bitmasks or by relative indices where that takes fewer bits.

The encodings, their bits and which one is the smallest: `storage.sparse`.
"""

from __future__ import annotations

import numpy as np

from keras_efficient.export.c.text import braces
from keras_efficient.export.c.weights import Group, bits_of
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
        return self.indices.size + self.codes.bits * self._kept_indices.size

    def __init__(self, codes: Codes, kernel: np.ndarray, first: int, width: int):
        super().__init__(codes, kernel, first, width)
        self._kept = self.indices != codes.indices(0)
        self._kept_indices = self.indices[self._kept]

    def bit_list(self) -> np.ndarray:
        return np.concatenate([bits_of(self._kept, 1), bits_of(self.stored(self._kept_indices), self.codes.bits)])

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
        self._entries = self.stored(np.where(places < 0, zero, self.indices[places]))

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
