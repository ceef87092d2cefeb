"""`PHMConv2D` as stages: groups of channels that pass through one small convolution."""

from __future__ import annotations

import math
from typing import NamedTuple

from keras_efficient.kinds.factor_costs import is_second_first
from keras_efficient.kinds.factors import factor_sizes
from keras_efficient.kinds.kronecker_stages import bias_of, finished
from keras_efficient.kinds.measures import Config, Shape
from keras_efficient.kinds.stages import Stage, down_columns, has_inner_grids, moved
from keras_efficient.kinds.windows import Slide, read_window


def convolution_stages(config: Config, shape: Shape) -> tuple[Stage, ...]:
    """Of `PHMConv2D`: factors A (terms, p, q), B (terms, s, t, rows, columns).

    The q (or p) groups of channels pass through one small convolution. For that they are stacked, one image below the
    other, with as many rows of zeros between as keep windows apart; what windows between two images give is dropped.
    """
    if not has_inner_grids(config):
        return ()
    rows, columns, channels = shape
    sizes = factor_sizes(config["filters"], channels, config.get("p"), config.get("q"))
    window, terms = read_window(config, "kernel_size"), config.get("terms", 1)
    after_rows, after_columns = window.places(shape)
    p, q, s, t = sizes
    pixels = after_rows * after_columns
    if is_second_first(sizes, math.prod(window.sizes)):
        stack = Stack.of(window, shape, q)
        apart = [moved((rows * columns, q, t), (q, stack.height * columns, t), 1, 0, 2)] if q > 1 else []
        each = stack.convolution(t, s * terms, (3, 4, 2, 1, 0))
        wide = stack.windows * after_columns
        mixed = down_columns(1, q, wide * s, terms, p, 0, (2, 0, 1))
        is_moved = wide != pixels or min(p, s) > 1
        back = [moved((wide, s, p), (pixels, p, s), 0, 2, 1)] if is_moved else []
        bias = bias_of(config, wide, (p, s), (1, 0))
        return finished(config, [*apart, each, mixed, *bias, *back])
    stack = Stack.of(window, shape, p)
    mixed = down_columns(rows * columns, q, t, 1, p * terms, 0, (2, 1, 0))
    apart = [moved((rows * columns * t, p, terms), (p, stack.height * columns * t, terms), 1, 0, 2)] if p > 1 else []
    each = stack.convolution(t * terms, s, (3, 4, 2, 0, 1))
    back = [moved((p, stack.windows * after_columns, s), (pixels, p, s), 1, 0, 2)] if p > 1 else []
    bias = bias_of(config, pixels, (p, s)) if p > 1 else []
    return finished(config, [mixed, *apart, each, *back, *bias])


class Stack(NamedTuple):
    """Images of `columns` columns below each other in one map, and the window over all of them.

    height: Rows from one image to the next. windows: Rows of windows from one image to the next. across: Windows side
    by side.
    """

    images: int
    height: int
    columns: int
    window: Slide
    windows: int
    across: int

    @classmethod
    def of(cls, window: Slide, shape: Shape, images: int) -> Stack:
        """Of `images` images of the rows and columns of `shape`. One stays as it is."""
        (rows, columns, _), (down, across) = shape, window.places(shape)
        if images == 1:
            return cls(images, rows, columns, window, down, across)
        ((above, _), sides), stride, extent = window.border(shape), window.strides[0], window.extents[0]
        # No window of an image reads rows of the next, nor of the one before.
        apart = max(rows + above, (down - 1) * stride + extent - above, down * stride)
        height = -(-apart // stride) * stride
        window = window._replace(padding=((above, max(extent - stride - above, 0)), sides))
        return cls(images, height, columns, window, height // stride, across)

    def convolution(self, channels: int, filters: int, axes: tuple[int, ...]) -> Stage:
        source = (self.images * self.height, self.columns, channels)
        target = (self.images * self.windows, self.across, filters)
        return Stage("Convolution", source, target, 1, axes, slide=self.window)
