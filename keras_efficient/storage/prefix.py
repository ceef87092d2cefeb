"""How far a map must start after the one that is written over it: the prefix model.

The target grows from its first bit while the source, further up, dies. Nothing may be written over a
source pixel before its last reader is done. With deaths[i], the number of the target pixel (as they
are made) with which the i-th source pixel in memory dies, the source must start at

    max over i of: what is made until deaths[i] - what lies before source pixel i

So a dead pixel after a live one is no use: only a prefix of the source can be written over.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from keras_efficient.kinds.measures import Shape
from keras_efficient.kinds.steps import MoveStep, Step, Way, WindowStep
from keras_efficient.kinds.windows import along
from keras_efficient.storage.liveness import CACHE_SIZE, Axis, leading_padding


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


def axes(step: WindowStep) -> tuple[Axis, Axis]:
    """The window's way down and across."""
    down, across = (
        Axis(step.source.shape[d], step.target.shape[d], step.kernel_size[d], step.strides[d], along(step.padding, d))
        for d in (0, 1)
    )
    return down, across


@lru_cache(maxsize=CACHE_SIZE)
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


def row_ring(across: int, along: int) -> int:
    """How many inner pixels of a residual block are alive at once, at most, in lines of `along` pixels.

    In row order inner pixel (i, j) is stored when the sums up to (i - 1, j - 2) are done; the next
    one reads back to (i - 2, j - 2): two rows and three pixels. The sums of the last row are made
    last and read the last two rows.
    """
    return min(along, 3) if across == 1 else min(across * along, 2 * along + min(along, 3))


CACHED_MAPS = 64  # each is as large as a map


class MoveNeed(NamedTuple):
    """Bits from the start of the target to the start of the source, at least; cells of the source that count."""

    offset: int
    kept: int


@lru_cache(maxsize=CACHED_MAPS)
def source_cells(ways: tuple[Way, Way, Way] | None, source: Shape, target: Shape) -> np.ndarray:
    """For each cell of the target, in order, the cell of the source that it comes from; -1: it is filled."""
    if ways is None:
        return np.arange(int(np.prod(target)))
    strides = (source[1] * source[2], source[2], 1)
    cells, inside = np.zeros(target, np.int64), np.ones(target, bool)
    for axis, (way, size) in enumerate(zip(ways, target, strict=True)):
        places = way.first + np.arange(size) // way.repeat * way.step
        along = [1, 1, 1]
        along[axis] = size
        cells += (places * strides[way.source]).reshape(along)
        inside &= ((places >= 0) & (places < source[way.source])).reshape(along)
    return np.where(inside, cells, -1).ravel()


@lru_cache(maxsize=CACHE_SIZE)
def move_need(step: MoveStep) -> MoveNeed:
    """What a move needs that makes the target cell by cell: none may lie over a cell that is still to be read."""
    cells = source_cells(step.ways, step.source.shape, step.target.shape)
    nothing = step.source.cells
    read = np.where(cells < 0, nothing, cells)
    first_after = np.append(np.minimum.accumulate(read[::-1])[::-1][1:], nothing)
    made = np.arange(1, len(cells) + 1) * step.target.bits
    waits = first_after < nothing
    offset = int((made - first_after * step.source.bits)[waits].max(initial=0))
    return MoveNeed(max(offset, 0), int(cells.max()) + 1)
