"""Memory that a sliding window needs beyond its input map: exact liveness, for every order.

Output pixels are made in strips that peel the output map from its top left corner: whole rows from
the top, whole columns from the left. An input pixel dies with the last window that reads it, and in
every such order that is the lowest and rightmost one. So the number of input pixels that die with
output pixel (i, j) is a product, deaths_rows[i] * deaths_columns[j], and the memory at every moment
follows from two short vectors, in time proportional to the pixels.

Source: the liveness simulation of the 2 KB network study; equal to it on all of its cases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from keras_efficient.checks import is_integer, one_of
from keras_efficient.kinds.fields import check_pair
from keras_efficient.kinds.windows import PADDINGS, window_output_size, zeros_around

CACHE_SIZE = 1 << 16
MAX_CELLS = 1 << 50
MAX_PIXELS = 1 << 24


class Axis(NamedTuple):
    """A window moving along one direction of a map."""

    size: int
    outputs: int
    kernel: int
    stride: int
    padding: str | tuple[int, int]


class Slacks(NamedTuple):
    """Peak beyond the input map for each order; negative where more is freed than made."""

    row: int
    column: int
    transpose: int
    herringbone: int

    def pick(self, order: str) -> tuple[int, str]:
        """(slack, name of the order); "best" is the first of the smallest."""
        if order == "best":
            order = min(self._fields, key=lambda name: getattr(self, name))
        return getattr(self, order), order


ORDERS = (*Slacks._fields, "best")


def exact_slack(
    input_shape: Sequence[int],
    output_shape: Sequence[int],
    kernel_size: int | Sequence[int],
    strides: int | Sequence[int],
    order: str = "best",
    padding: str = "valid",
) -> int:
    """Cells that a convolution needs beyond its input map, exactly.

    With output pixel t of the order stored (all its channels fb) before the inputs that die with it
    are freed:

        slack = max over t of  fb (t + 1) - fa (input pixels dead before t, and those that no window
        reads)

    Args:
        input_shape, output_shape: (rows, columns, channels); the output must be what the window
            gives.
        kernel_size, strides: one integer, or (rows, columns).
        order: "row" (row by row), "column", "transpose" (the best order with one switch between
            rows and columns), "herringbone" (each time the row or column that adds less) or "best"
            (the smallest of the four).
        padding: "valid" or "same" (zeros are not stored; their place is as in Keras).

    Returns:
        Cells; 0 or less where the order frees at least as much as it makes.

    Raises:
        ValueError: an argument out of range, or shapes that do not belong together.

    Source: liveness simulation of the 2 KB network study (2 KB network: 533, 149 and 46 cells).
    """
    one_of(order, "order", ORDERS)
    one_of(padding, "padding", PADDINGS)
    rows_in, columns_in, channels = _checked_map(input_shape, "input_shape")
    rows_out, columns_out, filters = _checked_map(output_shape, "output_shape")
    kernel = check_pair(kernel_size, "kernel_size")
    stride = check_pair(strides, "strides")
    fitting = tuple(
        window_output_size(*axis, padding) for axis in zip((rows_in, columns_in), kernel, stride, strict=True)
    )
    if fitting != (rows_out, columns_out):
        raise ValueError(
            f"output_shape must start with {fitting}: kernel_size {kernel}, strides {stride} and "
            f"padding {padding!r} on {rows_in} x {columns_in}. "
            f"Received: output_shape={(rows_out, columns_out, filters)}"
        )
    down = Axis(rows_in, rows_out, kernel[0], stride[0], padding)
    across = Axis(columns_in, columns_out, kernel[1], stride[1], padding)
    return window_slacks(down, across, made=filters, freed=channels).pick(order)[0]


def _checked_map(shape: Any, name: str) -> tuple[int, int, int]:
    is_map = hasattr(shape, "__len__") and not isinstance(shape, str) and len(shape) == 3
    if not is_map or not all(is_integer(size) and size >= 1 for size in shape):
        raise ValueError(f"{name} must be (rows, columns, channels), positive integers. Received: {shape!r}")
    rows, columns, channels = (int(size) for size in shape)
    return rows, columns, channels


def window_slacks(rows: Axis, columns: Axis, made: int, freed: int, release_first: bool = False) -> Slacks:
    """Peak memory beyond the input map, for each order.

    Args:
        rows, columns: the window's way down and across.
        made: what one output pixel (all its channels) occupies; any unit, such as cells or bits.
        freed: what one input pixel occupies, in the same unit.
        release_first: whether the inputs that die with an output pixel are freed before it is
            stored. True for layers that work channel by channel, whose result waits in a register.
    """
    unit = math.gcd(made, freed)
    slacks = _reduced_slacks(rows, columns, made // unit, freed // unit, release_first)
    return slacks if unit == 1 else Slacks(*(slack * unit for slack in slacks))


@lru_cache(maxsize=CACHE_SIZE)
def _reduced_slacks(rows: Axis, columns: Axis, made: int, freed: int, release_first: bool) -> Slacks:
    """`window_slacks` in the largest common unit: equal shapes at other widths hit the cache."""
    check_magnitude(rows, columns, made, freed)
    down, across = Deaths.along(rows), Deaths.along(columns)
    row_strips = strips_of(down, across, columns.kernel, made, freed, release_first)
    column_strips = strips_of(across, down, rows.kernel, made, freed, release_first)
    rows_first = switch_peaks(row_strips, column_strips, made, freed)
    columns_first = switch_peaks(column_strips, row_strips, made, freed)
    peaks = Slacks(
        row=int(rows_first[-1]),
        column=int(columns_first[-1]),
        transpose=int(min(rows_first.min(), columns_first.min())),
        herringbone=_herringbone_peak(row_strips, column_strips, made, freed),
    )
    # Pixels that no window reads are free from the start.
    never = freed * (rows.size * columns.size - int(down.before[-1] * across.before[-1]))
    return Slacks(*(peak - never for peak in peaks))


def check_magnitude(rows: Axis, columns: Axis, made: int, freed: int) -> None:
    """Refuse sizes whose sums could leave 64 bits, or whose tables could leave the memory."""
    pixels = max(rows.size * columns.size, rows.outputs * columns.outputs)
    if pixels > MAX_PIXELS or pixels * max(made, freed) > MAX_CELLS:
        raise ValueError(
            f"maps of {rows.size} x {columns.size} and {rows.outputs} x {columns.outputs} pixels "
            f"with {freed} and {made} units a pixel are too large; the limits are {MAX_PIXELS} "
            f"pixels and {MAX_CELLS} units"
        )


class Deaths(NamedTuple):
    """Input positions along one direction that die with each output position."""

    each: np.ndarray  # (outputs,)
    before: np.ndarray  # (outputs + 1,): sums of `each`, from 0

    @classmethod
    @lru_cache(maxsize=CACHE_SIZE)
    def along(cls, axis: Axis) -> Deaths:
        positions = np.arange(axis.size) + leading_padding(axis)
        last = np.minimum(positions // axis.stride, axis.outputs - 1)
        read = positions < last * axis.stride + axis.kernel
        each = np.bincount(last[read], minlength=axis.outputs)
        return cls(each, np.concatenate(([0], np.cumsum(each))))


def leading_padding(axis: Axis) -> int:
    """Zeros before the first position."""
    return zeros_around(*axis)[0]


class Strips(NamedTuple):
    """The rows, or the columns, of the output map as pieces of work."""

    across: Deaths  # from strip to strip
    along: Deaths  # from pixel to pixel of a strip
    reach: int  # input positions that a strip's window covers beyond its first
    climbs: np.ndarray  # [strip, first pixel]: highest level inside, above the level before it

    def left_of_strip(self, first: int) -> int:
        """Pixels of a strip that starts at pixel `first`."""
        return len(self.along.each) - first

    def rating(self, first: int, made: int, freed: int) -> int:
        """What a strip seems to add: L (made - freed) - reach freed, also for strides above 1."""
        return self.left_of_strip(first) * (made - freed) - self.reach * freed

    def change(self, strip: int, first: int, made: int, freed: int) -> int:
        """What a strip truly adds, once it is done."""
        dead = self.across.each[strip] * (self.along.before[-1] - self.along.before[first])
        return made * self.left_of_strip(first) - freed * int(dead)


def strips_of(across: Deaths, along: Deaths, kernel: int, made: int, freed: int, release_first: bool) -> Strips:
    """The strips with their climbs; `kernel` is the window's length along a strip."""
    stored = made * np.arange(len(along.each) + 1)
    released = np.multiply.outer(freed * across.each, along.before)
    highs = stored[1:] - (released[:, 1:] if release_first else released[:, :-1])
    highest_from_here = np.maximum.accumulate(highs[:, ::-1], axis=1)[:, ::-1]
    return Strips(across, along, kernel - 1, highest_from_here - (stored - released)[:, :-1])


def switch_peaks(first: Strips, second: Strips, made: int, freed: int) -> np.ndarray:
    """[x]: the peak when x strips of the first kind are followed by strips of the second kind.

    The last entry is the order without a switch.
    """
    count, length = first.climbs.shape
    dead_across, dead_along = first.across.before, first.along.before
    done = np.arange(count)
    starts = made * length * done - freed * dead_along[-1] * dead_across[:-1]
    peaks_first = np.maximum.accumulate(starts + first.climbs[:, 0])
    starts_second = (
        starts[:, None]
        + np.multiply.outer(count - done, made * np.arange(length))
        - np.multiply.outer(freed * (dead_across[-1] - dead_across[:-1]), dead_along[:-1])
    )
    peaks = np.append((starts_second + second.climbs.T).max(axis=1), peaks_first[-1])
    peaks[1:-1] = np.maximum(peaks[1:-1], peaks_first[:-1])
    return peaks


def _herringbone_peak(rows: Strips, columns: Strips, made: int, freed: int) -> int:
    """The peak when each next strip is the one rated lower; a row where both are equal."""
    i, j, level, peak = 0, 0, 0, -MAX_CELLS
    row_count, column_count = rows.climbs.shape
    while i < row_count and j < column_count:
        if rows.rating(j, made, freed) <= columns.rating(i, made, freed):
            peak = max(peak, level + int(rows.climbs[i, j]))
            level += rows.change(i, j, made, freed)
            i += 1
        else:
            peak = max(peak, level + int(columns.climbs[j, i]))
            level += columns.change(j, i, made, freed)
            j += 1
    return peak
