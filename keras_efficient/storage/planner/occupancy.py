"""What a step needs in the arena: exact, for a given layout of its source and order of its target.

The model is that of `storage.prefix`, for all layouts: only a prefix of the source can be written over.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from keras_efficient.kinds.measures import FeatureMap
from keras_efficient.kinds.steps import CellStep, MoveStep, ResidualStep, Step, WholeStep, WindowStep
from keras_efficient.storage.planner.layouts import Layout
from keras_efficient.storage.prefix import axes, cells_need, last_readers, move_need, pixels_need, row_ring

CACHED_DEATHS = 64  # each is as large as a map
CACHED_NEEDS = 1 << 16


class Need(NamedTuple):
    """What one step asks of the arena.

    offset: bits from the start of the target to the start of the source, at least.
    kept: pixels of the source that count; what lies after them is never read.
    ring_pixels: of a residual step.
    """

    offset: int
    kept: int
    ring_pixels: int = 0

    def bits(self, step: Step, offset: int | None = None) -> int:
        """End of everything that the step touches, its source at `offset`, or as low as it may lie."""
        lowest = align(self.offset, step.source.bits)
        end = (lowest if offset is None else offset) + self.kept * step.source.pixel_bits
        if isinstance(step, ResidualStep):
            end = align(end, step.inner_bits) + self.ring_pixels * step.source.shape[-1] * step.inner_bits
        return max(end, step.target.total_bits)


def align(offset: int, cell_bits: int) -> int:
    """The next place for cells that must not straddle bytes: cells of 1, 2, 4, 8 and 16 bits."""
    unit = {1: 1, 2: 2, 4: 4, 8: 8, 16: 8}.get(cell_bits, 1)
    return -(-offset // unit) * unit


@lru_cache(maxsize=CACHED_NEEDS)
def step_need(step: Step, source: Layout, target: Layout, from_the_end: bool = False) -> Need:
    """What a step needs with its source in one layout and its target made in the order of another.
    `from_the_end`: everything is turned by half a turn, and peeled from the bottom right corner."""
    if isinstance(step, WholeStep):
        return Need(step.target.total_bits, source.rows * source.columns)
    if isinstance(step, CellStep):
        return Need(max(step.target.total_bits - step.source.total_bits, 0), source.rows * source.columns)
    if isinstance(step, MoveStep):
        offset, kept = move_need(step)
        return Need(offset, -(-kept // step.source.shape[-1]))
    if not isinstance(step, (WindowStep, ResidualStep)):
        raise TypeError(f"cannot plan a {type(step).__name__}")
    deaths = deaths_by_pixel(step, target, from_the_end)[source.order]
    kept = int(np.flatnonzero(deaths >= 0)[-1]) + 1
    cell_by_cell = isinstance(step, ResidualStep) or step.cell_by_cell
    offset = (cells_need if cell_by_cell else pixels_need)(step, deaths)
    return Need(max(offset, 0), kept, ring_pixels(target) if isinstance(step, ResidualStep) else 0)


@lru_cache(maxsize=CACHED_DEATHS)
def deaths_by_pixel(step: WindowStep | ResidualStep, target: Layout, from_the_end: bool = False) -> np.ndarray:
    """For each source pixel, by rows, the number of the target pixel with which it dies; -1: never
    read. A residual block reads a pixel last for the sum at its place: the inner map has passed it."""
    if isinstance(step, ResidualStep):
        return target.addresses.ravel()
    rows, columns = (last_readers(axis, from_the_end) for axis in axes(step))
    deaths = target.addresses[np.ix_(rows, columns)]
    deaths[rows < 0, :] = -1
    deaths[:, columns < 0] = -1
    return deaths.ravel()


def grid(feature_map: FeatureMap) -> tuple[int, int]:
    """Rows and columns; a vector is one pixel."""
    return tuple(feature_map.shape[:2]) if len(feature_map.shape) == 3 else (1, 1)


def ring_pixels(order: Layout) -> int:
    """How many inner pixels of a residual block are alive at once, at most."""
    lines = (order.rows, order.columns)
    return row_ring(*(lines if order.pattern == "row" else reversed(lines)))
