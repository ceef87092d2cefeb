"""Layers with Kronecker, thin and block-diagonal factors as stages.

x is a row of q t numbers, read as K (q, t), and y one of p s. All maps lie so that the next product finds its rows, but
for A (K B'), whose outputs come out as (s, p) and are moved; with one vector at a place of a map, for each place.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from keras_efficient.kinds.factors import FactorSizes, factor_sizes, is_second_first, monarch_sizes
from keras_efficient.kinds.measures import Config, Shape, as_image
from keras_efficient.kinds.stages import (
    ProductStage,
    down_columns,
    each_place,
    has_inner_grids,
    moved,
    with_inner_grids,
)
from keras_efficient.kinds.windows import Slide, read_window


def low_rank_stages(config: Config, shape: Shape) -> tuple[ProductStage, ...]:
    """Of `LowRankDense`, x B A': factors A (units, rank), B (inputs, rank)."""
    if not has_inner_grids(config):
        return ()
    rows, columns, inputs = as_image(shape)
    first = each_place((rows, columns, inputs), config["rank"], 1, (0, 1))
    return finished(config, [first, each_place(first.target, config["units"], 0, (1, 0))])


def sum_stages(config: Config, shape: Shape) -> tuple[ProductStage, ...]:
    """Of `PHMDense`, sum_i A_i K B_i': factors A (terms, p, q), B (terms, s, t)."""
    if not _has_stages(config):
        return ()
    places, sizes = _places_and_sizes(config, shape)
    p, q, s, t = sizes
    terms = config.get("terms", 1)
    if not is_second_first(sizes):
        first = down_columns(places, q, t, 1, p * terms, 0, (2, 1, 0))
        second = down_columns(places, t, p, terms, s, 1, (2, 0, 1))
        return finished(config, [first, second, *_bias_of(config, places, (p, s))])
    first = each_place((1, places * q, t), s * terms, 1, (2, 1, 0))
    second = down_columns(places, q, s, terms, p, 0, (2, 0, 1))
    back = [moved((places, s, p), (places, p, s), 0, 2, 1)] if min(p, s) > 1 else []
    bias = _bias_of(config, places, (p, s), (1, 0))
    return finished(config, [first, second, *bias, *back])


def one_low_rank_stages(config: Config, shape: Shape) -> tuple[ProductStage, ...]:
    """Of `LPHMDense`, A K T S': factors A (p, q), S (s, rank), T (t, rank)."""
    if not _has_stages(config):
        return ()
    places, (p, q, s, t) = _places_and_sizes(config, shape)
    rank = config["rank"]
    products = [
        each_place((1, places * q, t), rank, 2, (0, 1)),
        down_columns(places, q, rank, 1, p, 0, (1, 0)),
        down_columns(places, rank, p, 1, s, 1, (1, 0)),
    ]
    return finished(config, [*products, *_bias_of(config, places, (p, s))])


def dual_low_rank_stages(config: Config, shape: Shape) -> tuple[ProductStage, ...]:
    """Of `DualLPHMDense`, P Q' K T S': factors P (p, rank), Q (q, rank), S (s, rank), T (t, rank)."""
    if not _has_stages(config):
        return ()
    places, (p, q, s, t) = _places_and_sizes(config, shape)
    rank = config["rank"]
    products = [
        each_place((1, places * q, t), rank, 3, (0, 1)),
        down_columns(places, q, rank, 1, rank, 1, (0, 1)),
        each_place((1, places * rank, rank), p, 0, (1, 0)),
        down_columns(places, rank, p, 1, s, 2, (1, 0)),
    ]
    return finished(config, [*products, *_bias_of(config, places, (p, s))])


def monarch_stages(config: Config, shape: Shape) -> tuple[ProductStage, ...]:
    """Of `MonarchDense`: factors L (blocks, inputs / blocks, h / blocks), R (blocks, h / blocks, units / blocks)."""
    if not has_inner_grids(config):
        return ()
    places, inputs = math.prod(shape[:-1]), shape[-1]
    blocks, _, inner, after = monarch_sizes(config["units"], inputs, config.get("blocks"))
    left = each_place((1, places, inputs), blocks * inner, 0, (1, 0, 2))._replace(groups=blocks)
    shuffle = [moved((places, blocks, inner), (places, inner, blocks), 0, 2, 1)] if min(blocks, inner) > 1 else []
    right = each_place((1, places, blocks * inner), blocks * after, 1, (1, 0, 2))._replace(groups=blocks)
    return finished(config, [left, *shuffle, right])


def finished(config: Config, stages: list[ProductStage]) -> tuple[ProductStage, ...]:
    """The stages with their grids, and the bias, where there is one, at the last that computes."""
    last = max(number for number, stage in enumerate(stages) if stage.computes)
    stages[last] = stages[last]._replace(has_bias=config.get("use_bias", True))
    return with_inner_grids(config, stages)


def _has_stages(config: Config) -> bool:
    """tinyBIG's layout has none."""
    return has_inner_grids(config) and config.get("layout", "kronecker") == "kronecker"


def _places_and_sizes(config: Config, shape: Shape) -> tuple[int, FactorSizes]:
    """How many vectors a map holds, and the sizes of the factors."""
    sizes = factor_sizes(config["units"], shape[-1], config.get("p"), config.get("q"))
    return math.prod(shape[:-1]), sizes


def _bias_of(
    config: Config, vectors: int, sizes: tuple[int, int], axes: tuple[int, int] = (0, 1)
) -> list[ProductStage]:
    """A product gives some of the outputs of each of several places: its bias would be one for each place."""
    if not config.get("use_bias", True) or sizes[axes[0]] == 1:
        return []
    cells = (1, vectors, math.prod(sizes))
    order = np.arange(cells[2]).reshape(sizes).transpose(axes).ravel()
    return [ProductStage("Scale", cells, cells, order=tuple(order.tolist()))]


def convolution_stages(config: Config, shape: Shape) -> tuple[ProductStage, ...]:
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
        bias = _bias_of(config, wide, (p, s), (1, 0))
        return finished(config, [*apart, each, mixed, *bias, *back])
    stack = Stack.of(window, shape, p)
    mixed = down_columns(rows * columns, q, t, 1, p * terms, 0, (2, 1, 0))
    apart = [moved((rows * columns * t, p, terms), (p, stack.height * columns * t, terms), 1, 0, 2)] if p > 1 else []
    each = stack.convolution(t * terms, s, (3, 4, 2, 0, 1))
    back = [moved((p, stack.windows * after_columns, s), (pixels, p, s), 1, 0, 2)] if p > 1 else []
    bias = _bias_of(config, pixels, (p, s)) if p > 1 else []
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

    def convolution(self, channels: int, filters: int, axes: tuple[int, ...]) -> ProductStage:
        source = (self.images * self.height, self.columns, channels)
        target = (self.images * self.windows, self.across, filters)
        return ProductStage("Convolution", source, target, 1, axes, slide=self.window)
