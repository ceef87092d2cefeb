"""ACDC and its kin: diagonals or blocks, and fast transforms that store nothing.

A random permutation is made from its seed and costs no bytes; the tables of a transform are code.
Products of one layer of N entries in g groups of m = N / g: 2 N for the diagonals and
2 N + 5 N log2 m for both transforms by FFT ("dct"), or 2 N (n1 + n2) by two small products each
way ("dct2d", m = n1 n2); but never more than a dense matrix would take.
"""

import math
from collections.abc import Callable

from keras_efficient.kinds.acdc_stages import convolution_stages, dense_stages, padded_size, square_stages
from keras_efficient.kinds.cosine import grid_shape
from keras_efficient.kinds.elementwise import unchanged_shape
from keras_efficient.kinds.fields import OPTIONAL_BITS, check_size
from keras_efficient.kinds.kind import Kind, Price, in_stages
from keras_efficient.kinds.measures import (
    Config,
    FeatureMap,
    Shape,
    WeightCount,
    kernel_and_bias,
    optional_output_bits,
    optional_widths,
)
from keras_efficient.kinds.products import dense_shape, read_filters
from keras_efficient.kinds.stages import check_inner_bits
from keras_efficient.kinds.steps import Step, WholeStep
from keras_efficient.kinds.windows import sliding, window_step

COMPARED = "it is there to compare the other structured layers with, in Keras"
COMPLEX = "its transforms compute with complex numbers, which LiteRT does not have"
GRIDS = {**OPTIONAL_BITS, "inner_bits": check_inner_bits}
STACK = {**GRIDS, "depth": check_size, "groups": check_size}
KERNEL = sliding("kernel_size", 1, rank=3)  # 1x1 where a configuration does not say


def _grouped_shape(default: int) -> Callable[[Config, Shape], Shape]:
    """Of the square layers of equal groups: `groups` divides the inputs."""

    def shape(config: Config, shape: Shape) -> Shape:
        groups = check_size(config.get("groups", default), "groups")
        if not shape or (shape[-1] is not None and shape[-1] % groups):
            raise ValueError(f"groups={groups} must divide the inputs. Received: {shape}")
        return shape

    return shape


def _convolution_shape(config: Config, shape: Shape) -> Shape:
    """Of a convolution whose groups need not divide anything."""
    return (*KERNEL(config, shape).places(shape), read_filters({**config, "groups": 1}, shape))


def _side_by_side(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    """Every output reads every input: both are alive at once."""
    return (WholeStep(source, target),)


def stored(config: Config, kernels: int, biases: int) -> WeightCount:
    return kernel_and_bias(optional_widths(config), kernels, biases)


def layer_products(size: int, transform: str = "dct", groups: int = 1) -> int:
    """Multiplications of one ACDC layer, for one row."""
    block = size // groups
    if transform == "dct2d":
        return 2 * size + 2 * size * sum(grid_shape(block))
    return round(fourier_products(size, groups))


def fourier_products(size: int, groups: int = 1) -> float:
    """The same with transforms by FFT, before it is rounded: 4 N + 5 N log2(N / groups)."""
    return 4 * size + 5 * size * math.log2(size // groups)


def _stack_weights(config: Config, source: FeatureMap, outputs: int, depth: int) -> WeightCount:
    entries = depth * padded_size(config, source.shape[-1], outputs)
    return stored(config, 2 * entries, 0 if config.get("bias", "output") is None else entries)


def _stack_products(config: Config, source: FeatureMap, outputs: int, depth: int) -> int:
    """For one row. A linear stack never takes more than its matrix."""
    size = padded_size(config, source.shape[-1], outputs)
    layer = min(layer_products(size, config.get("transform", "dct"), config.get("groups", 1)), size * size)
    linear = config.get("activation", "relu") in (None, "linear")
    return min(depth * layer, source.shape[-1] * outputs) if linear else depth * layer


def _stack_price(steps: Callable[[Config, FeatureMap, FeatureMap], tuple[Step, ...]], sizes: Callable) -> Price:
    """Of a stack for each row. `sizes`: (configuration, source) -> outputs, layers."""
    return Price(
        optional_output_bits,
        steps,
        lambda config, source: _stack_weights(config, source, *sizes(config, source)),
        lambda config, source, target: (
            source.cells // source.shape[-1] * _stack_products(config, source, *sizes(config, source))
        ),
    )


def _depth_of(config: Config) -> int:
    return config.get("depth", 12)


def _dense_steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    """Two rows of N entries are alive at once between the layers."""
    row = FeatureMap((padded_size(config, source.shape[-1], config["units"]),), optional_widths(config).activation)
    between = (WholeStep(row, row),) if _depth_of(config) > 1 else ()
    return (WholeStep(source, target), *between)


def _window_cells(config: Config) -> int:
    """Cells of the depthwise kernel of a channel; a 1x1 convolution has none."""
    cells = math.prod(KERNEL(config, (1, 1, 1)).sizes)
    return 0 if cells == 1 else cells


def _convolution_weights(config: Config, source: FeatureMap) -> WeightCount:
    stack = _stack_weights(config, source, config["filters"], _depth_of(config))
    window = stored(config, _window_cells(config) * source.shape[2], 0)
    return WeightCount(stack.parameters + window.parameters, stack.bits + window.bits)


def _convolution_products(config: Config, source: FeatureMap, target: FeatureMap) -> int:
    pixels = math.prod(target.shape[:2])
    stack = _stack_products(config, source, config["filters"], _depth_of(config))
    return pixels * (_window_cells(config) * source.shape[2] + stack)


def _convolution_steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    """A pixel is gathered, goes through the stack, and is stored before its inputs are freed."""
    entries = padded_size(config, source.shape[2], config["filters"])  # of the two rows between which the stack works
    scratch = 2 * entries * optional_widths(config).activation
    return (window_step(KERNEL(config, source.shape), source, target, by_channel=False, scratch=scratch),)


def _factor_price(
    numbers_per_factor: Callable[[int, int], int], transforms: int, complex_parts: int, default_bias: bool
) -> Price:
    """Two factors of so many numbers (of N and the groups) with transforms in between.

    `transforms` counts them in transforms of real numbers.
    """

    def weights(config: Config, source: FeatureMap) -> WeightCount:
        size = source.shape[-1]
        numbers = 2 * complex_parts * numbers_per_factor(size, config.get("groups", 2))
        return stored(config, numbers, size if config.get("use_bias", default_bias) else 0)

    def products(config: Config, source: FeatureMap, target: FeatureMap) -> int:
        size = source.shape[-1]
        numbers = numbers_per_factor(size, config.get("groups", 2))
        # A complex factor meets real numbers first, complex ones then.
        multiplied = numbers * (complex_parts + complex_parts**2)
        both_ways = round(2 * size + 5 * size * math.log2(size))
        row = multiplied + transforms * both_ways // 2
        return source.cells // size * min(row, size * size)

    return Price(optional_output_bits, _side_by_side, weights, products)


def _shuffle_numbers(config: Config, source: FeatureMap) -> int:
    """Numbers in the kernels of a `GroupedShuffleDense`."""
    groups, depth = config.get("groups", 2), config.get("depth", 2)
    sizes = [-(-size // groups) for size in (source.shape[-1], *[config["units"]] * depth)]
    return sum(groups * sizes[k] * sizes[k + 1] for k in range(depth))


OWN = {
    "ACDC": in_stages(
        square_stages,
        _stack_price(_side_by_side, lambda config, source: (source.shape[-1], 1)),
        shape=_grouped_shape(1),
        settings=GRIDS,
        shares_matrices=True,
    ),
    "ACDCDense": in_stages(
        dense_stages,
        _stack_price(_dense_steps, lambda config, source: (config["units"], _depth_of(config))),
        shape=dense_shape,
        settings=STACK,
        shares_matrices=True,
    ),
    "ACDCConv2D": in_stages(
        convolution_stages,
        Price(optional_output_bits, _convolution_steps, _convolution_weights, _convolution_products),
        shape=_convolution_shape,
        settings=STACK,
        shares_matrices=True,
    ),
    "AFDF": Kind(
        shape=unchanged_shape,
        settings=OPTIONAL_BITS,
        price=_factor_price(lambda size, groups: size, 4, 2, default_bias=False),
        why_no_form=COMPARED,
        why_no_litert=COMPLEX,
    ),
    "BlockACDC": Kind(
        shape=_grouped_shape(2),
        settings=OPTIONAL_BITS,
        price=_factor_price(lambda size, groups: size * size // groups, 2, 1, default_bias=True),
        why_no_form=COMPARED,
        why_no_litert=COMPLEX,
    ),
    "BlockAFDF": Kind(
        shape=_grouped_shape(2),
        settings=OPTIONAL_BITS,
        price=_factor_price(lambda size, groups: size * size // groups, 4, 2, default_bias=False),
        why_no_form=COMPARED,
        why_no_litert=COMPLEX,
    ),
    "GroupedShuffleDense": Kind(
        shape=dense_shape,
        settings=STACK,
        price=Price(
            optional_output_bits,
            _side_by_side,
            lambda config, source: stored(
                config, _shuffle_numbers(config, source), config["units"] if config.get("use_bias", True) else 0
            ),
            lambda config, source, target: source.cells // source.shape[-1] * _shuffle_numbers(config, source),
        ),
        why_no_form=COMPARED,
    ),
}
