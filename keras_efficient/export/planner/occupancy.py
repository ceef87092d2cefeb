"""What a step needs in the arena: exact, for a given layout of its source and order of its target.

The target grows from bit 0 while the source, further up, dies. Nothing may be written over a source
pixel before its last reader is done. With deaths[i], the number of the target pixel (as they are
made) with which the i-th source pixel in memory dies, the source must start at

    max over i of: what is made until deaths[i] - what lies before source pixel i

So a dead pixel behind a live one is no use: only a prefix of the source can be written over.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from keras_efficient.export.planner.layouts import Layout
from keras_efficient.export.planner.steps import CellStep, ResidualStep, Step, WholeStep, WindowStep
from keras_efficient.storage.liveness import Axis, leading_padding
from keras_efficient.storage.prices import FeatureMap

CACHED_DEATHS = 64  # each is as large as a map
CACHED_NEEDS = 1 << 16


class Need(NamedTuple):
    """What one step asks of the arena.

    offset: bits from the start of the target to the start of the source, at least.
    kept: pixels of the source that count; what lies behind them is never read.
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
    if not isinstance(step, (WindowStep, ResidualStep)):
        raise TypeError(f"cannot plan a {type(step).__name__}")
    deaths = deaths_by_pixel(step, target, from_the_end)[source.order]
    kept = int(np.flatnonzero(deaths >= 0)[-1]) + 1
    cell_by_cell = isinstance(step, ResidualStep) or step.cell_by_cell
    offset = (cells_need if cell_by_cell else pixels_need)(step, deaths)
    return Need(max(offset, 0), kept, ring_pixels(target) if isinstance(step, ResidualStep) else 0)


def pixels_need(step: Step, deaths: np.ndarray) -> int:
    """All channels of a target pixel are stored before the source pixels that die with it are free:
    made (deaths[i] + 1) - freed i."""
    made, freed = step.target.pixel_bits, step.source.pixel_bits
    return int((made * (deaths + 1) - freed * np.arange(len(deaths))).max())


def cells_need(step: Step, deaths: np.ndarray) -> int:
    """Channel c of a target pixel is stored when channels 0 to c of the source pixels that die with it
    are free: the first channel of pixel i waits for what is made before deaths[i], channel c + 1 for
    c + 1 more cells, with as many source cells before it."""
    made, freed, channels = step.target.pixel_bits, step.source.pixel_bits, step.target.shape[-1]
    wider = step.target.bits - step.source.bits
    return int((made * deaths - freed * np.arange(len(deaths))).max()) + max(wider, 0) * (channels - 1)


@lru_cache(maxsize=CACHED_DEATHS)
def deaths_by_pixel(step: Step, target: Layout, from_the_end: bool = False) -> np.ndarray:
    """For each source pixel, by rows, the number of the target pixel with which it dies; -1: never
    read. A residual block reads a pixel last for the sum at its place: the inner map has passed it."""
    if isinstance(step, ResidualStep):
        return target.addresses.ravel()
    rows, columns = (last_readers(axis, from_the_end) for axis in axes(step))
    deaths = target.addresses[np.ix_(rows, columns)]
    deaths[rows < 0, :] = -1
    deaths[:, columns < 0] = -1
    return deaths.ravel()


def axes(step: WindowStep) -> tuple[Axis, Axis]:
    """The window's way down and across."""
    return tuple(
        Axis(step.source.shape[d], step.target.shape[d], step.kernel_size[d], step.strides[d], step.padding)
        for d in (0, 1)
    )


def grid(feature_map: FeatureMap) -> tuple[int, int]:
    """Rows and columns; a vector is one pixel."""
    return tuple(feature_map.shape[:2]) if len(feature_map.shape) == 3 else (1, 1)


@lru_cache(maxsize=CACHED_NEEDS)
def last_readers(axis: Axis, from_the_end: bool = False) -> np.ndarray:
    """For each position, the last output that reads it; -1: none does. `from_the_end`: positions and
    outputs are counted from the far end.

    In every strip order the last window over a pixel is the lowest and rightmost one.
    """
    before = leading_padding(axis)
    if from_the_end:
        before = (axis.outputs - 1) * axis.stride + axis.kernel - axis.size - before
    positions = np.arange(axis.size) + before
    last = np.minimum(positions // axis.stride, axis.outputs - 1)
    return np.where((last >= 0) & (positions < last * axis.stride + axis.kernel), last, -1)


def ring_pixels(order: Layout) -> int:
    """How many inner pixels of a residual block are alive at once, at most.

    In row order inner pixel (i, j) is stored when the sums up to (i - 1, j - 2) are done; the next
    one reads back to (i - 2, j - 2): two rows and three pixels. The sums of the last row are made
    last and read the last two rows.
    """
    across, along = (order.rows, order.columns) if order.pattern == "row" else (order.columns, order.rows)
    return min(along, 3) if across == 1 else min(across * along, 2 * along + min(along, 3))
