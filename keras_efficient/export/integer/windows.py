"""Sliding windows over integer maps, in numpy."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import product

import numpy as np

from keras_efficient.kinds.windows import Slide, along, spread_size
from keras_efficient.storage.liveness import Axis, leading_padding


@dataclass(frozen=True)
class Window:
    """The window `slide` over maps of (rows, columns)."""

    source: tuple[int, int]
    target: tuple[int, int]
    slide: Slide

    @property
    def sizes(self) -> tuple[int, int]:
        return self.slide.sizes

    @property
    def strides(self) -> tuple[int, int]:
        return self.slide.strides

    @property
    def dilation(self) -> tuple[int, int]:
        return self.slide.dilation

    @property
    def spread(self) -> tuple[int, int]:
        return self.slide.spread

    @property
    def spread_source(self) -> tuple[int, int]:
        """Rows and columns of the map with the zeros between its places."""
        rows, columns = map(spread_size, self.source, self.spread)
        return rows, columns

    @property
    def before(self) -> tuple[int, int]:
        """Zeros above and left of the map."""
        axes = zip(self.source, self.target, self.slide.extents, self.strides, strict=True)
        above, left = (leading_padding(Axis(*axis, along(self.slide.padding, d))) for d, axis in enumerate(axes))
        return above, left

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns from the first window's start to the last one's end."""
        axes = zip(self.target, self.strides, self.slide.extents, strict=True)
        down, across = ((target - 1) * stride + extent for target, stride, extent in axes)
        return down, across

    @property
    def covers_all(self) -> bool:
        """Whether no window reaches over an edge."""
        ends = zip(self.reach, self.spread_source, strict=True)
        return self.spread == (1, 1) and self.before == (0, 0) and all(reach <= size for reach, size in ends)

    @property
    def is_whole(self) -> bool:
        """Whether there is one window, and it is the whole map."""
        return self.target == (1, 1) and self.sizes == self.slide.extents == self.source and self.before == (0, 0)

    def offsets(self) -> Iterator[tuple[int, int]]:
        """Places within the window, row by row."""
        return product(range(self.sizes[0]), range(self.sizes[1]))

    def slices(self, x: np.ndarray, padding_value: int = 0) -> Iterator[np.ndarray]:
        """For each place within the window, the (n, target rows, target columns, channels) numbers
        that the windows read there; `padding_value` outside of the map."""
        top, left = self.before
        after = [max(r - b - size, 0) for r, b, size in zip(self.reach, (top, left), self.spread_source, strict=True)]
        if self.spread != (1, 1):
            places, x = x, np.zeros((len(x), *self.spread_source, x.shape[3]), x.dtype)
            x[:, :: self.spread[0], :: self.spread[1]] = places
        x = np.pad(x, ((0, 0), (top, after[0]), (left, after[1]), (0, 0)), constant_values=padding_value)
        (down, across), (rows, columns) = self.strides, self.target
        for place in self.offsets():
            row, column = (k * rate for k, rate in zip(place, self.dilation, strict=True))
            yield x[:, row : row + down * (rows - 1) + 1 : down, column : column + across * (columns - 1) + 1 : across]

    def counts(self) -> np.ndarray:
        """(target rows, target columns): how many places of each window lie on the map."""
        ones = np.ones((1, *self.source, 1), dtype=np.int64)
        return total(self.slices(ones))[0, :, :, 0]


def total(parts: Iterable[np.ndarray]) -> np.ndarray:
    """The sum of arrays of one shape, at least one."""
    return reduce(np.add, parts)
