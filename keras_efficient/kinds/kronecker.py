"""Layers whose kernel is made of factors: what the factors hold, and the sums that pass between them.

Where these have grids of their own (`kinds.stages`) the layer is priced as its stages. Elsewhere sums between two
factors are accumulators of 32 bits. A single vector passes step by step, so that two neighbours in the chain input,
sums, outputs are alive at once. Of several vectors (inputs of rank 3) all inputs and outputs are counted, and the sums
of one.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from keras_efficient.kinds.factors import (
    BlockSizes,
    FactorSizes,
    dual_products,
    factor_sizes,
    is_dual_cheaper,
    is_low_rank_cheaper,
    is_second_first,
    low_rank_products,
    monarch_sizes,
    sum_products,
    taylor_sizes,
)
from keras_efficient.kinds.fields import OPTIONAL_BITS, check_size
from keras_efficient.kinds.kind import Kind, Price, in_stages
from keras_efficient.kinds.kronecker_stages import (
    convolution_stages,
    dual_low_rank_stages,
    low_rank_stages,
    monarch_stages,
    one_low_rank_stages,
    sum_stages,
)
from keras_efficient.kinds.measures import (
    FLOAT_BITS,
    Config,
    FeatureMap,
    Shape,
    WeightCount,
    biases_of,
    kernel_and_bias,
    optional_output_bits,
    optional_widths,
)
from keras_efficient.kinds.products import KERNEL, convolution_shape, dense_shape
from keras_efficient.kinds.stages import check_inner_bits, has_inner_grids
from keras_efficient.kinds.steps import CellStep, Step, WholeStep
from keras_efficient.kinds.windows import read_window, window_step

GRIDS = {**OPTIONAL_BITS, "inner_bits": check_inner_bits}
RANK = {**GRIDS, "rank": check_size}


def _divided(
    check: Callable[[Config, int, int], object], shape_of: Callable[[Config, Shape], Shape] = dense_shape
) -> Callable[[Config, Shape], Shape]:
    """The shape of a layer whose factors must divide: `check` (configuration, outputs, inputs) refuses others."""

    def shape(config: Config, shape: Shape) -> Shape:
        after = shape_of(config, shape)
        if shape[-1] is not None:
            check(config, after[-1], shape[-1])
        return after

    return shape


def _check_factors(config: Config, outputs: int, inputs: int) -> FactorSizes:
    return factor_sizes(outputs, inputs, config.get("p"), config.get("q"))


def _check_taylor(config: Config, outputs: int, inputs: int) -> FactorSizes:
    settings = {key: config[key] for key in ("p", "q", "order", "layout") if key in config}
    return taylor_sizes(outputs, inputs, **settings)


def _check_blocks(config: Config, outputs: int, inputs: int) -> BlockSizes:
    return monarch_sizes(outputs, inputs, config.get("blocks"))


class LayerCounts(NamedTuple):
    """What one layer holds and does: numbers in its factors, the fewest that the same functions
    need, products per sample, and the sums per sample between the factors, step by step."""

    stored: int
    minimal: int
    products: int
    between: tuple[int, ...]


def pair(rows: int, columns: int, rank: int) -> tuple[int, int]:
    """Numbers in two factors of a matrix: stored, and the fewest for the same matrices."""
    stored = rank * (rows + columns)
    return stored, min(stored, rows * columns)


def _is_tinybig(config: Config) -> bool:
    return config.get("layout") == "tinybig"


def _sum_between(sizes: FactorSizes, terms: int = 1) -> tuple[int, ...]:
    p, q, s, t = sizes
    return (terms * (s * q if is_second_first(sizes) else p * t),)


def _sum_plan(config: Config, inputs: int) -> LayerCounts:
    sizes, terms = _check_factors(config, config["units"], inputs), config.get("terms", 1)
    stored = terms * (sizes.p * sizes.q + sizes.s * sizes.t)
    if _is_tinybig(config):
        return LayerCounts(stored, stored, *_tinybig_steps(sizes, inputs, None))
    return LayerCounts(stored, stored, sum_products(sizes, terms), _sum_between(sizes, terms))


def _low_rank_steps(sizes: FactorSizes, rank: int) -> tuple[int, tuple[int, ...]]:
    """Products, and sums between the factors, of A kron (S T')."""
    if is_low_rank_cheaper(sizes, rank):
        return low_rank_products(sizes, rank), (rank * sizes.q, rank * sizes.p)
    return sum_products(sizes), _sum_between(sizes)


def _low_rank_plan(config: Config, inputs: int) -> LayerCounts:
    sizes, rank = _check_factors(config, config["units"], inputs), config["rank"]
    stored, minimal = pair(sizes.s, sizes.t, rank)
    if _is_tinybig(config):
        steps = _tinybig_steps(sizes, inputs, None)
    elif has_inner_grids(config):
        steps = low_rank_products(sizes, rank), ()
    else:
        steps = _low_rank_steps(sizes, rank)
    first = sizes.p * sizes.q
    return LayerCounts(first + stored, first + minimal, *steps)


def _dual_steps(sizes: FactorSizes, rank: int) -> tuple[int, tuple[int, ...]]:
    """Products, and sums between the factors, of (P Q') kron (S T')."""
    if is_dual_cheaper(sizes, rank):
        return dual_products(sizes, rank), (rank * sizes.q, rank * rank, rank * sizes.p)
    return _low_rank_steps(sizes, rank)


def _dual_counts(sizes: FactorSizes, rank: int) -> tuple[int, int]:
    left, right = pair(sizes.p, sizes.q, rank), pair(sizes.s, sizes.t, rank)
    return left[0] + right[0], left[1] + right[1]


def _dual_plan(config: Config, inputs: int) -> LayerCounts:
    sizes, rank = _check_factors(config, config["units"], inputs), config["rank"]
    if _is_tinybig(config):
        steps = _tinybig_steps(sizes, inputs, rank)
    elif has_inner_grids(config):
        steps = dual_products(sizes, rank), ()
    else:
        steps = _dual_steps(sizes, rank)
    return LayerCounts(*_dual_counts(sizes, rank), *steps)


def _matrix_plan(config: Config, inputs: int) -> LayerCounts:
    """A plain matrix of low rank."""
    rank = config["rank"]
    counts = pair(config["units"], inputs, rank)
    return LayerCounts(*counts, counts[0], (rank,))


def _monarch_plan(config: Config, inputs: int) -> LayerCounts:
    """Two block-diagonal matrices: each number takes part in one product per sample."""
    sizes = _check_blocks(config, config["units"], inputs)
    return LayerCounts(sizes.stored, sizes.minimal, sizes.stored, (sizes.blocks * sizes.inner,))


def _tinybig_steps(sizes: FactorSizes, products: int, rank: int | None) -> tuple[int, tuple[int, ...]]:
    """Products and sums in tinyBIG's layout. `products`: those that K B' takes, where s divides q of
    the one row of B that each column of K meets, else of all s rows. `rank`: of P Q', None of A."""
    p, q, s, _ = sizes
    columns, spread = (p, 0) if rank is None else (rank, rank * p * s)
    if q % s == 0:
        return products + q * columns + spread, (q // s, s * columns)
    return s * (products + q * columns) + spread, (q * s, s * columns)


def _taylor_plan(config: Config, inputs: int) -> LayerCounts:
    rank, order, layout = config["rank"], config.get("order", 2), config.get("layout", "tinybig")
    sizes = _check_taylor(config, config["units"], inputs)
    p, q, s, _ = sizes
    if layout == "tinybig":
        # Correlations as direct sums, as a device computes them: a term for each pair of inputs.
        pairs = inputs * (inputs + 1) + 2 * inputs if q == inputs else q * (inputs + 1)
        products, between = _tinybig_steps(sizes, pairs, rank)
    elif order == 1:
        products, between = _dual_steps(sizes, rank)
    else:
        products, between = rank * (q + inputs + p + s) + p * s, (2 * rank, p + s)
    # The LayerNorm squares the inputs and scales the outputs.
    products += inputs + p * s if config.get("normalize") else 0
    return LayerCounts(*_dual_counts(sizes, rank), products, between)


def _factored_price(plan: Callable[[Config, int], LayerCounts], default_bias: bool = True) -> Price:
    def weights(config: Config, source: FeatureMap) -> WeightCount:
        has_bias = config.get("use_bias", default_bias)
        return _weights_of(config, plan(config, source.shape[-1]), config["units"] if has_bias else 0)

    def steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
        between = [FeatureMap((count,), FLOAT_BITS) for count in plan(config, source.shape[-1]).between]
        if source.cells > source.shape[-1]:
            return (WholeStep(source, target, scratch=max(sums.total_bits for sums in between)),)
        return tuple(WholeStep(*maps) for maps in pairwise([source, *between, target]))

    def products(config: Config, source: FeatureMap, target: FeatureMap) -> int:
        return source.cells // source.shape[-1] * plan(config, source.shape[-1]).products

    return Price(optional_output_bits, steps, weights, products)


def _weights_of(config: Config, plan: LayerCounts, biases: int) -> WeightCount:
    minimal = None if plan.minimal == plan.stored else plan.minimal + biases
    return kernel_and_bias(optional_widths(config), plan.stored, biases)._replace(minimal=minimal)


def _convolution_sizes(config: Config, source: FeatureMap) -> tuple[FactorSizes, int, int]:
    """The sizes of the factors, the terms, and the taps of the kernel."""
    sizes = _check_factors(config, config["filters"], source.shape[-1])
    rows, columns = read_window(config, "kernel_size").sizes
    return sizes, config.get("terms", 1), rows * columns


def _convolution_weights(config: Config, source: FeatureMap) -> WeightCount:
    (p, q, s, t), terms, taps = _convolution_sizes(config, source)
    stored = terms * (p * q + taps * s * t)
    return _weights_of(config, LayerCounts(stored, stored, 0, ()), biases_of(config, config["filters"]))


def _convolution_steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    sizes, terms, taps = _convolution_sizes(config, source)
    window = KERNEL[3](config, source.shape)
    if is_second_first(sizes, taps):
        scratch = FLOAT_BITS * terms * sizes.s * sizes.q
        return (window_step(window, source, target, by_channel=False, scratch=scratch),)
    mixed = FeatureMap((*source.shape[:2], terms * sizes.p * sizes.t), FLOAT_BITS)
    return CellStep(source, mixed), window_step(window, mixed, target, by_channel=False)


def _convolution_products(config: Config, source: FeatureMap, target: FeatureMap) -> int:
    sizes, terms, taps = _convolution_sizes(config, source)
    p, q, s, t = sizes
    new_pixels = target.cells // target.shape[-1]
    if is_second_first(sizes, taps):
        return new_pixels * sum_products(sizes, terms, taps)
    return terms * p * t * (q * (source.cells // source.shape[-1]) + taps * s * new_pixels)


OWN = {
    "PHMDense": in_stages(
        sum_stages, _factored_price(_sum_plan), shape=_divided(_check_factors), settings={**GRIDS, "terms": check_size}
    ),
    "LPHMDense": in_stages(
        one_low_rank_stages,
        _factored_price(_low_rank_plan),
        shape=_divided(_check_factors),
        settings=RANK,
        required=("rank",),
    ),
    "DualLPHMDense": in_stages(
        dual_low_rank_stages,
        _factored_price(_dual_plan),
        shape=_divided(_check_factors),
        settings=RANK,
        required=("rank",),
    ),
    "LowRankDense": in_stages(
        low_rank_stages, _factored_price(_matrix_plan), shape=dense_shape, settings=RANK, required=("rank",)
    ),
    "MonarchDense": in_stages(
        monarch_stages, _factored_price(_monarch_plan), shape=_divided(_check_blocks), settings=GRIDS
    ),
    "TaylorDualLPHM": Kind(
        shape=_divided(_check_taylor),
        settings=RANK,
        required=("rank",),
        price=_factored_price(_taylor_plan, default_bias=False),
        why_no_form="its features are products of its inputs, which no grid of a layer holds",
    ),
    "PHMConv2D": in_stages(
        convolution_stages,
        Price(optional_output_bits, _convolution_steps, _convolution_weights, _convolution_products),
        shape=_divided(_check_factors, convolution_shape(3)),
        settings={**GRIDS, "terms": check_size},
    ),
}
