"""Cells that move to other places: where each comes from, and what that needs."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from keras_efficient.kinds.measures import Shape
from keras_efficient.kinds.steps import MoveStep, Way
from keras_efficient.storage.liveness import CACHE_SIZE

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
