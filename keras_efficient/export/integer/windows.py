"""Sliding windows over integer maps, in numpy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np

from keras_efficient.storage.liveness import Axis, leading_padding


@dataclass(frozen=True)
class Window:
    """A window that slides over maps of (rows, columns): sizes, strides, padding "valid" or "same"."""

    source: tuple[int, int]
    target: tuple[int, int]
    sizes: tuple[int, int]
    strides: tuple[int, int]
    padding: str

    @property
    def before(self) -> tuple[int, int]:
        """Zeros above and left of the map."""
        axes = zip(self.source, self.target, self.sizes, self.strides, strict=True)
        above, left = (leading_padding(Axis(*axis, self.padding)) for axis in axes)
        return above, left

    @property
    def covers_all(self) -> bool:
        """Whether no window reaches over an edge."""
        last = ((t - 1) * s + k for t, s, k in zip(self.target, self.strides, self.sizes, strict=True))
        return self.before == (0, 0) and all(end <= size for end, size in zip(last, self.source, strict=True))

    def offsets(self) -> Iterator[tuple[int, int]]:
        """Places within the window, row by row."""
        for row in range(self.sizes[0]):
            for column in range(self.sizes[1]):
                yield row, column

    def slices(self, x: np.ndarray, padding_value: int = 0) -> Iterator[np.ndarray]:
        """For each place within the window, the (n, target rows, target columns, channels) numbers
        that the windows read there; `padding_value` outside of the map."""
        top, left = self.before
        reach = [(t - 1) * s + k for t, s, k in zip(self.target, self.strides, self.sizes, strict=True)]
        after = [max(r - b - size, 0) for r, b, size in zip(reach, (top, left), self.source, strict=True)]
        x = np.pad(x, ((0, 0), (top, after[0]), (left, after[1]), (0, 0)), constant_values=padding_value)
        (down, across), (rows, columns) = self.strides, self.target
        for row, column in self.offsets():
            yield x[:, row : row + down * (rows - 1) + 1 : down, column : column + across * (columns - 1) + 1 : across]

    def counts(self) -> np.ndarray:
        """(target rows, target columns): how many places of each window lie on the map."""
        ones = np.ones((1, *self.source, 1), dtype=np.int64)
        return total(self.slices(ones))[0, :, :, 0]


def total(parts: Iterable[np.ndarray]) -> np.ndarray:
    """The sum of arrays of one shape, at least one."""
    return reduce(np.add, parts)
