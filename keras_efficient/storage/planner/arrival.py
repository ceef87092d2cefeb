"""What the arena holds while the input arrives: the first map, and the running sums of average pooling.

Pooling without overlap sums up pixels as they come: one row of sums waits until its windows are complete.
"""

from __future__ import annotations

import math

from keras_efficient.kinds.measures import BITS_PER_BYTE, FeatureMap, whole_bytes

SUM_BITS = (16, 32, 64)


def sum_bits(cell_bits: int, window_cells: int) -> int:
    """Width of a running sum: one that holds the sum of any window, signed or not. Of grids of one or two signed bits
    the integers are odd, and as large as with three bits."""
    return next(bits for bits in SUM_BITS if window_cells << max(cell_bits, 3) <= 1 << bits)


def line_bits(cell_bits: int, window_cells: int, pooled: FeatureMap) -> int:
    """Room for a row of running sums of the map `pooled`."""
    return sum_bits(cell_bits, window_cells) * math.prod(pooled.shape[1:])


def arrival_bits(first: FeatureMap, line_bits: int, offset: int = 0) -> int:
    """End of the first map, from `offset` on, and of the running sums, which start at a whole byte after it."""
    end = offset + first.total_bits
    return filled_up(end) + line_bits if line_bits else end


def filled_up(bits: int) -> int:
    """The bits of whole bytes that hold so many."""
    return BITS_PER_BYTE * whole_bytes(bits)
