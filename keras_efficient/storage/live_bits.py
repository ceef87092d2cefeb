"""Bits that are alive at the worst moment of a step, wherever they lie.

A residual block needs beyond its input map, for two 3x3 convolutions in place:

    y = conv1(x), z = conv2(y) + x, both with padding "same"

Output pixel (r, c) of either reads rows r-1 to r+1 and columns c-1 to c+1. y is made in row order; each z as soon as
the last y that it reads is there. A pixel is stored before anything is freed. x dies with the z at its place (the
second convolution runs one row and one pixel after the first, so the window of the first is already past); y dies with
the last z that reads it. For the usual sizes, with equal widths, the peak is (2 columns + 4) pixels: two rows and three
pixels of y, and one z.

Source: pixel-pipelined simulation of the 2 KB network study.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from keras_efficient.kinds.steps import CellStep, MoveStep, ResidualStep, Step, WindowStep
from keras_efficient.storage.liveness import CACHE_SIZE, Axis, check_magnitude, window_slacks
from keras_efficient.storage.prefix import axes, move_need


class Working(NamedTuple):
    """Bits of input and output that are alive at once at the worst moment, and the order of the
    output pixels if it matters."""

    bits: int
    order: str | None = None


def live_bits(step: Step, order: str = "best") -> Working:
    """Exact liveness of a step whose output pixels are made in one of `liveness.ORDERS`."""
    working = _live_maps(step, order)
    return working._replace(bits=working.bits + step.scratch)


def _live_maps(step: Step, order: str) -> Working:
    """The same without what the step works in beside its maps."""
    source, target = step.source, step.target
    if isinstance(step, WindowStep):
        slacks = window_slacks(*axes(step), target.pixel_bits, source.pixel_bits, step.cell_by_cell)
        slack, chosen = slacks.pick(order)
        return Working(source.total_bits + max(slack, 0), chosen if target.shape[:2] != (1, 1) else None)
    if isinstance(step, ResidualStep):
        rows, columns, channels = source.shape
        inner = channels * step.inner_bits
        slack, chosen = residual_slack(rows, columns, inner, target.pixel_bits, source.pixel_bits, order)
        return Working(source.total_bits + max(slack, 0), chosen)
    if isinstance(step, CellStep):  # cells replace cells: where they widen, from the end of the map
        return Working(max(source.total_bits, target.total_bits))
    if isinstance(step, MoveStep):
        need = move_need(step)
        return Working(max(source.total_bits, target.total_bits, need.offset + need.kept * source.bits))
    return Working(source.total_bits + target.total_bits)


def residual_slack(rows: int, columns: int, inner: int, made: int, freed: int, order: str) -> tuple[int, str]:
    """(peak memory beyond the input map, name of the order that gives it).

    Args:
        rows, columns: size of the maps.
        inner, made, freed: what a pixel of y, of z and of x occupies; any unit.
        order: "row", "column" (the same, transposed), or any other of `ORDERS`: the smaller of the
            two.
    """
    by_row = _row_slack(rows, columns, inner, made, freed)
    by_column = _row_slack(columns, rows, inner, made, freed)
    if order == "row" or (order != "column" and by_row <= by_column):
        return by_row, "row"
    return by_column, "column"


def _row_slack(rows: int, columns: int, inner: int, made: int, freed: int) -> int:
    """`residual_slack` in row order."""
    unit = math.gcd(inner, made, freed)
    return unit * _reduced_row_slack(rows, columns, inner // unit, made // unit, freed // unit)


@lru_cache(maxsize=CACHE_SIZE)
def _reduced_row_slack(rows: int, columns: int, inner: int, made: int, freed: int) -> int:
    check_magnitude(Axis(rows, rows, 3, 1, "same"), Axis(columns, columns, 3, 1, "same"), inner + made, freed)
    inner_stored, outer_stored = _event_times(rows, columns)
    # What dies with an event is gone only for the next one.
    change = np.zeros(2 * rows * columns + 1, dtype=np.int64)
    change[inner_stored] += inner
    change[outer_stored] += made
    change[outer_stored + 1] -= freed
    np.subtract.at(change, _last_reader(outer_stored) + 1, inner)
    return int(np.cumsum(change[:-1]).max())


def _event_times(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows, columns) times at which the pixels of y and of z are stored."""
    places = np.arange(rows * columns).reshape(rows, columns)
    last_read = _last_reader(places)
    # Right after the last y that it reads; where several wait for the same y, in row order.
    waits_for = np.concatenate([places.ravel(), last_read.ravel()])
    turn = np.concatenate([np.full(places.size, -1), places.ravel()])
    times = np.empty(waits_for.size, dtype=np.int64)
    times[np.lexsort((turn, waits_for))] = np.arange(waits_for.size)
    return times[: places.size].reshape(rows, columns), times[places.size :].reshape(rows, columns)


def _last_reader(times: np.ndarray) -> np.ndarray:
    """For each place, the entry of `times` one row down and one column right, within the map."""
    rows, columns = (np.minimum(np.arange(size) + 1, size - 1) for size in times.shape)
    return times[np.ix_(rows, columns)]
