"""Pruned kernels in the stream of weights, as bitmasks or by relative indices where that takes fewer bits.

The encodings, their bits and which one is the smallest: `storage.sparse`.
"""

from __future__ import annotations

import numpy as np

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

    kernel_format = "NETWORK_MASKED"

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

    @property
    def starts(self) -> tuple[int, int]:
        return self.start + self.indices.size, self.start


class RelativeGroup(Group):
    """A group of which only the numbers that are not zero are stored, each after the count of zeros
    before it."""

    kernel_format = "NETWORK_GAPS"

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

    @property
    def starts(self) -> tuple[int, int]:
        return self.start, 0
