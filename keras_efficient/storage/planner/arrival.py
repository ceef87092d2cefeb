"""What the arena holds while the input arrives: the first map, and what waits for the rest of its windows.

Pooling without overlap sums up pixels as they come: one row of sums waits until its windows are complete. A convolution
needs the last lines of its input, as many as its window has: rows, or, of an input of one row, pixels.
"""

import math

from keras_efficient.kinds.measures import BITS_PER_BYTE, FeatureMap, whole_bytes
from keras_efficient.kinds.steps import WindowStep

SUM_BITS = (16, 32, 64)


def sum_bits(cell_bits: int, window_cells: int) -> int:
    """Width of a running sum: one that holds the sum of any window, signed or not. Of grids of one or two signed bits
    the integers are odd, and as large as with three bits."""
    return next(bits for bits in SUM_BITS if window_cells << max(cell_bits, 3) <= 1 << bits)


def line_bits(cell_bits: int, window_cells: int, pooled: FeatureMap) -> int:
    """Room for a row of running sums of the map `pooled`."""
    return sum_bits(cell_bits, window_cells) * math.prod(pooled.shape[1:])


def line_axis(source: FeatureMap) -> int:
    """The axis of an image along which lines follow each other: 0, or 1 where it has one row."""
    return int(source.shape[0] == 1)


def kept_lines(step: WindowStep) -> int:
    """How many lines of its input a window needs at once."""
    axis = line_axis(step.source)
    return min(step.kernel_size[axis], step.source.shape[axis])


def kept_bits(step: WindowStep) -> int:
    """Room for these lines, whole bytes."""
    line = math.prod(step.source.shape[line_axis(step.source) + 1 :]) * step.source.bits
    return filled_up(kept_lines(step) * line)


def arrival_bits(first: FeatureMap, line_bits: int, offset: int = 0) -> int:
    """End of the first map, from `offset` on, and of what waits, which starts at a whole byte after it."""
    end = offset + first.total_bits
    return filled_up(end) + line_bits if line_bits else end


def filled_up(bits: int) -> int:
    """The bits of whole bytes that hold so many."""
    return BITS_PER_BYTE * whole_bytes(bits)
