"""Layers with Kronecker, thin and block-diagonal factors as stages.

x is a row of q t numbers, read as K (q, t), and y one of p s. All maps lie so that the next product finds its rows, but
for A (K B'), whose outputs come out as (s, p) and are moved; with one vector at a place of a map, for each place.
"""

from __future__ import annotations

import math

from keras_efficient.kinds.factor_costs import is_second_first
from keras_efficient.kinds.factors import FactorSizes, factor_sizes, monarch_sizes
from keras_efficient.kinds.measures import Config, Shape, as_image
from keras_efficient.kinds.stages import (
    Stage,
    added_bias,
    blocks_of_channels,
    down_columns,
    each_place,
    has_inner_grids,
    moved,
    with_bias_at_end,
    with_inner_grids,
)


def low_rank_stages(config: Config, shape: Shape) -> tuple[Stage, ...]:
    """Of `LowRankDense`, x B A': factors A (units, rank), B (inputs, rank)."""
    if not has_inner_grids(config):
        return ()
    rows, columns, inputs = as_image(shape)
    first = each_place((rows, columns, inputs), config["rank"], 1, (0, 1))
    return finished(config, [first, each_place(first.target, config["units"], 0, (1, 0))])


def sum_stages(config: Config, shape: Shape) -> tuple[Stage, ...]:
    """Of `PHMDense`, sum_i A_i K B_i': factors A (terms, p, q), B (terms, s, t)."""
    if not _has_stages(config):
        return ()
    places, sizes = _places_and_sizes(config, shape)
    p, q, s, t = sizes
    terms = config.get("terms", 1)
    if not is_second_first(sizes):
        first = down_columns(places, q, t, 1, p * terms, 0, (2, 1, 0))
        second = down_columns(places, t, p, terms, s, 1, (2, 0, 1))
        return finished(config, [first, second, *bias_of(config, places, (p, s))])
    first = each_place((1, places * q, t), s * terms, 1, (2, 1, 0))
    second = down_columns(places, q, s, terms, p, 0, (2, 0, 1))
    back = [moved((places, s, p), (places, p, s), 0, 2, 1)] if min(p, s) > 1 else []
    bias = bias_of(config, places, (p, s), (1, 0))
    return finished(config, [first, second, *bias, *back])


def one_low_rank_stages(config: Config, shape: Shape) -> tuple[Stage, ...]:
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
    return finished(config, [*products, *bias_of(config, places, (p, s))])


def dual_low_rank_stages(config: Config, shape: Shape) -> tuple[Stage, ...]:
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
    return finished(config, [*products, *bias_of(config, places, (p, s))])


def monarch_stages(config: Config, shape: Shape) -> tuple[Stage, ...]:
    """Of `MonarchDense`: factors L (blocks, inputs / blocks, h / blocks), R (blocks, h / blocks, units / blocks)."""
    if not has_inner_grids(config):
        return ()
    places, inputs = math.prod(shape[:-1]), shape[-1]
    blocks, _, inner, after = monarch_sizes(config["units"], inputs, config.get("blocks"))
    left = blocks_of_channels((1, places, inputs), blocks * inner, blocks, 0, (1, 0, 2))
    shuffle = [moved((places, blocks, inner), (places, inner, blocks), 0, 2, 1)] if min(blocks, inner) > 1 else []
    right = blocks_of_channels((1, places, blocks * inner), blocks * after, blocks, 1, (1, 0, 2))
    return finished(config, [left, *shuffle, right])


def finished(config: Config, stages: list[Stage]) -> tuple[Stage, ...]:
    """The stages with their grids, and the bias at the end."""
    return with_bias_at_end(config, with_inner_grids(config, stages))


def _has_stages(config: Config) -> bool:
    """tinyBIG's layout has none."""
    return has_inner_grids(config) and config.get("layout", "kronecker") == "kronecker"


def _places_and_sizes(config: Config, shape: Shape) -> tuple[int, FactorSizes]:
    """How many vectors a map holds, and the sizes of the factors."""
    sizes = factor_sizes(config["units"], shape[-1], config.get("p"), config.get("q"))
    return math.prod(shape[:-1]), sizes


def bias_of(config: Config, vectors: int, sizes: tuple[int, int], axes: tuple[int, int] = (0, 1)) -> list[Stage]:
    """A product gives some of the outputs of each of several places: its bias would be one for each place."""
    if not config.get("use_bias", True) or sizes[axes[0]] == 1:
        return []
    return [added_bias(vectors, sizes, axes)]
