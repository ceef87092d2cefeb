"""Layers that multiply by a kernel: dense layers, convolutions and the residual block.

A convolution stores all channels of an output pixel before it frees the inputs that die with it. A depthwise
convolution of multiplier 1 works channel by channel: the result waits in a register while its inputs are freed, so
most of them run in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from keras_efficient.kinds.fields import QUANTIZER_BITS, check_bits, check_size, required
from keras_efficient.kinds.kind import FILTERS, THIN, Kind, Price
from keras_efficient.kinds.measures import (
    Config,
    FeatureMap,
    Shape,
    Weights,
    Widths,
    biases_of,
    float_widths,
    kernel_and_bias,
    quantized_widths,
    shifts_of,
)
from keras_efficient.kinds.steps import ResidualStep, Step, WholeStep
from keras_efficient.kinds.windows import (
    ONE_PLACE,
    read_signal_window,
    read_window,
    sliding,
    unchanged_image,
    window_step,
)
from keras_efficient.kinds.words import KernelShape

QUANTIZED = dict.fromkeys(QUANTIZER_BITS, check_bits)
RESIDUAL_CELLS, RESIDUAL_CONVOLUTIONS = 9, 2


def dense_shape(config: Config, shape: Shape) -> Shape:
    if not shape:
        raise ValueError("the layer needs an input (features,). Received: ()")
    return (*shape[:-1], check_size(required(config, "units"), "units"))


def dense_steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    """A vector meets every output; on a map every place is a vector of its own."""
    if len(source.shape) == 1:
        return (WholeStep(source.as_image, target.as_image),)
    return (window_step(ONE_PLACE, source, target, by_channel=False),)


def by_lines(config: Config) -> str:
    """A window is computed when its last line is there."""
    return "lines"


def dense_price(widths: Callable[[Config], Widths]) -> Price:
    def weights(config: Config, source: FeatureMap) -> Weights:
        units = config["units"]
        kernels = source.shape[-1] * units
        return kernel_and_bias(widths(config), kernels, biases_of(config, units), shifts_of(config, units))

    return Price(
        bits=lambda config, input_bits: widths(config).activation,
        steps=dense_steps,
        weights=weights,
        products=lambda config, source, target: source.cells * config["units"],
        kernel=lambda config, source: KernelShape(1, source.shape[-1], config["units"], widths(config).kernel),
        streams=by_lines,
    )


KERNEL = {rank: sliding("kernel_size", rank=rank) for rank in (2, 3)}


def convolution_shape(rank: int) -> Callable[[Config, Shape], Shape]:
    def shape(config: Config, shape: Shape) -> Shape:
        return (*KERNEL[rank](config, shape).places(shape), read_filters(config, shape))

    return shape


def read_filters(config: Config, shape: Shape) -> int:
    """The filters of a convolution, whose `groups` divide them and the channels."""
    filters = check_size(required(config, "filters"), "filters")
    groups = check_size(config.get("groups", 1), "groups")
    if filters % groups or (shape[-1] is not None and shape[-1] % groups):
        raise ValueError(
            f"groups must divide the {shape[-1]} channels and the {filters} filters. Received: groups={groups}"
        )
    return filters


def kernel_cells(config: Config, rank: int = 3) -> int:
    read = read_signal_window if rank == 2 else read_window
    return math.prod(read(config, "kernel_size").sizes)


def convolution_steps(rank: int = 3) -> Callable[[Config, FeatureMap, FeatureMap], tuple[Step, ...]]:
    def steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
        by_channel = 1 < config.get("groups", 1) == source.shape[-1]
        return (window_step(KERNEL[rank](config, source.shape), source, target, by_channel),)

    return steps


def convolution_price(widths: Callable[[Config], Widths], rank: int) -> Price:
    def kernels_per_filter(config: Config, source: FeatureMap) -> int:
        return kernel_cells(config, rank) * source.shape[-1] // config.get("groups", 1)

    def weights(config: Config, source: FeatureMap) -> Weights:
        filters = config["filters"]
        kernels = kernels_per_filter(config, source) * filters
        return kernel_and_bias(widths(config), kernels, biases_of(config, filters), shifts_of(config, filters))

    def kernel(config: Config, source: FeatureMap) -> KernelShape | None:
        groups, filters, channels = config.get("groups", 1), config["filters"], source.shape[-1]
        if groups == 1 or groups == filters == channels:
            by_channel = groups > 1
            return KernelShape(
                kernel_cells(config, rank), channels // groups, filters, widths(config).kernel, by_channel
            )
        return None

    return Price(
        bits=lambda config, input_bits: widths(config).activation,
        steps=convolution_steps(rank),
        weights=weights,
        products=lambda config, source, target: target.cells * kernels_per_filter(config, source),
        kernel=kernel,
        streams=by_lines,
    )


def depthwise_shape(rank: int) -> Callable[[Config, Shape], Shape]:
    def shape(config: Config, shape: Shape) -> Shape:
        places = KERNEL[rank](config, shape).places(shape)
        return (*places, None if shape[-1] is None else shape[-1] * multiplier_of(config))

    return shape


def multiplier_of(config: Config) -> int:
    return check_size(config.get("depth_multiplier", 1), "depth_multiplier")


def depthwise_step(rank: int, config: Config, source: FeatureMap, target: FeatureMap) -> Step:
    return window_step(KERNEL[rank](config, source.shape), source, target, by_channel=True)


def depthwise_price(widths: Callable[[Config], Widths], rank: int) -> Price:
    def weights(config: Config, source: FeatureMap) -> Weights:
        outputs = source.shape[-1] * multiplier_of(config)
        kernels = kernel_cells(config, rank) * outputs
        return kernel_and_bias(widths(config), kernels, biases_of(config, outputs), shifts_of(config, outputs))

    def kernel(config: Config, source: FeatureMap) -> KernelShape | None:
        if multiplier_of(config) > 1:
            return None
        return KernelShape(kernel_cells(config, rank), 1, source.shape[-1], widths(config).kernel, by_channel=True)

    return Price(
        bits=lambda config, input_bits: widths(config).activation,
        steps=lambda config, source, target: (depthwise_step(rank, config, source, target),),
        weights=weights,
        products=lambda config, source, target: target.cells * kernel_cells(config, rank),
        kernel=kernel,
        streams=by_lines,
    )


def separable_price(rank: int) -> Price:
    """A depthwise convolution without bias, its float map, and a convolution of one place."""
    widths = float_widths({})

    def between(config: Config, source: FeatureMap, target: FeatureMap) -> FeatureMap:
        return FeatureMap((*target.shape[:-1], source.shape[-1] * multiplier_of(config)), widths.activation)

    def weights(config: Config, source: FeatureMap) -> Weights:
        channels, filters = source.shape[-1] * multiplier_of(config), config["filters"]
        return kernel_and_bias(widths, channels * (kernel_cells(config, rank) + filters), biases_of(config, filters))

    def steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
        middle = between(config, source, target)
        first = depthwise_step(rank, config, source, middle)
        return (first, window_step(ONE_PLACE, middle, target, by_channel=False))

    def products(config: Config, source: FeatureMap, target: FeatureMap) -> int:
        return between(config, source, target).cells * (kernel_cells(config, rank) + config["filters"])

    return Price(lambda config, input_bits: widths.activation, steps, weights, products)


def residual_weights(config: Config, source: FeatureMap) -> Weights:
    channels = source.shape[2]
    kernels = RESIDUAL_CONVOLUTIONS * RESIDUAL_CELLS * channels * channels
    return kernel_and_bias(quantized_widths(config), kernels, biases_of(config, RESIDUAL_CONVOLUTIONS * channels))


def residual_steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    return (ResidualStep(source.as_image, target.as_image, quantized_widths(config).activation),)


RESIDUAL = Price(
    bits=lambda config, input_bits: quantized_widths(config).activation,
    steps=residual_steps,
    weights=residual_weights,
    products=lambda config, source, target: RESIDUAL_CONVOLUTIONS * RESIDUAL_CELLS * source.cells * source.shape[2],
)
TAKES_IN = ("batch_norm", "relu")
CONVOLUTIONS_TAKE_IN = ("padding", *TAKES_IN)
OWN = {
    "DenseQ": Kind(
        shape=dense_shape, settings=QUANTIZED, price=dense_price(quantized_widths), form="Convolution", prunes=FILTERS
    ),
    **{
        name: Kind(
            shape=convolution_shape(rank),
            settings=QUANTIZED,
            price=convolution_price(quantized_widths, rank),
            form="Convolution",
            window=KERNEL[rank],
            prunes=FILTERS,
        )
        for name, rank in (("Conv1DQ", 2), ("ConvQ", 3))
    },
    **{
        name: Kind(
            shape=depthwise_shape(rank),
            settings=QUANTIZED,
            price=depthwise_price(quantized_widths, rank),
            form="Convolution",
            window=KERNEL[rank],
            prunes=THIN,
        )
        for name, rank in (("DepthwiseConv1DQ", 2), ("DepthwiseConvQ", 3))
    },
    "ResidualQ": Kind(shape=unchanged_image, settings=QUANTIZED, price=RESIDUAL, form="Residual"),
}
LAYERS = {
    "Dense": Kind(shape=dense_shape, price=dense_price(float_widths), twin="DenseQ", absorbs=TAKES_IN, prunes=FILTERS),
    **{
        name: Kind(
            shape=convolution_shape(rank),
            price=convolution_price(float_widths, rank),
            twin=twin,
            absorbs=CONVOLUTIONS_TAKE_IN,
            prunes=FILTERS,
        )
        for name, rank, twin in (("Conv1D", 2, "Conv1DQ"), ("Conv2D", 3, "ConvQ"))
    },
    "Conv3D": Kind(prunes=FILTERS),
    **{
        name: Kind(
            shape=depthwise_shape(rank),
            price=depthwise_price(float_widths, rank),
            twin=twin,
            absorbs=CONVOLUTIONS_TAKE_IN,
            prunes=THIN,
        )
        for name, rank, twin in (("DepthwiseConv1D", 2, "DepthwiseConv1DQ"), ("DepthwiseConv2D", 3, "DepthwiseConvQ"))
    },
    **{
        name: Kind(
            shape=convolution_shape(rank),
            settings={"depth_multiplier": check_size},
            price=separable_price(rank),
            twin=twin,
            absorbs=CONVOLUTIONS_TAKE_IN,
        )
        for name, rank, twin in (("SeparableConv1D", 2, "Conv1DQ"), ("SeparableConv2D", 3, "ConvQ"))
    },
}
