"""Layers that multiply by a kernel: dense layers, convolutions and the residual block.

A convolution stores all channels of an output pixel before it frees the inputs that die with it. A depthwise
convolution of multiplier 1 works channel by channel: the result waits in a register while its inputs are freed, so
most of them run in place.
"""

import math
from collections.abc import Callable
from functools import partial

from keras_efficient.kinds.fields import QUANTIZER_BITS, check_bits, check_size, required
from keras_efficient.kinds.kind import FILTERS, THIN, Kind, Price
from keras_efficient.kinds.measures import (
    Config,
    FeatureMap,
    Shape,
    WeightCount,
    Widths,
    biases_of,
    float_widths,
    kernel_and_bias,
    quantized_output_bits,
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


KERNEL = {rank: sliding("kernel_size", rank=rank) for rank in (2, 3)}


def convolution_shape(rank: int) -> Callable[[Config, Shape], Shape]:
    def shape(config: Config, shape: Shape) -> Shape:
        return (*KERNEL[rank](config, shape).places(shape), read_filters(config, shape))

    return shape


def _depthwise_shape(rank: int) -> Callable[[Config, Shape], Shape]:
    def shape(config: Config, shape: Shape) -> Shape:
        places = KERNEL[rank](config, shape).places(shape)
        return (*places, None if shape[-1] is None else shape[-1] * _multiplier_of(config))

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


def _multiplier_of(config: Config) -> int:
    return check_size(config.get("depth_multiplier", 1), "depth_multiplier")


def kernel_cells(config: Config, rank: int = 3) -> int:
    read = read_signal_window if rank == 2 else read_window
    return math.prod(read(config, "kernel_size").sizes)


# (configuration, channels of the source) -> filters, channels that each reads, whether each is computed from one alone.
Filters = Callable[[Config, int], tuple[int, int, bool]]
Steps = Callable[[Config, FeatureMap, FeatureMap], tuple[Step, ...]]
WidthsOf = Callable[[Config], Widths]


def _dense_filters(config: Config, channels: int) -> tuple[int, int, bool]:
    return config["units"], channels, False


def _convolution_filters(config: Config, channels: int) -> tuple[int, int, bool]:
    groups = config.get("groups", 1)
    return config["filters"], channels // groups, 1 < groups == channels


def _depthwise_filters(config: Config, channels: int) -> tuple[int, int, bool]:
    return channels * _multiplier_of(config), 1, True


def window_steps(rank: int, filters: Filters = _convolution_filters) -> Steps:
    def steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
        by_channel = filters(config, source.shape[-1])[2]
        return (window_step(KERNEL[rank](config, source.shape), source, target, by_channel),)

    return steps


def _kernel_price(
    widths: WidthsOf, filters: Filters, steps: Steps, cells: Callable[[Config], int] = lambda config: 1
) -> Price:
    """Of a layer whose `filters` (configuration, channels of the source) see so many `cells` of a map at once."""

    def weights(config: Config, source: FeatureMap) -> WeightCount:
        count, channels, _ = filters(config, source.shape[-1])
        kernels = cells(config) * channels * count
        return kernel_and_bias(widths(config), kernels, biases_of(config, count), shifts_of(config, count))

    def kernel(config: Config, source: FeatureMap) -> KernelShape | None:
        count, channels, by_channel = filters(config, source.shape[-1])
        if source.shape[-1] != (count if by_channel else channels):
            return None
        return KernelShape(cells(config), channels, count, widths(config).kernel, by_channel)

    return Price(
        bits=lambda config, input_bits: widths(config).activation,
        steps=steps,
        weights=weights,
        products=lambda config, source, target: target.cells * cells(config) * filters(config, source.shape[-1])[1],
        kernel=kernel,
        streams=by_lines,
    )


def _dense_price(widths: WidthsOf) -> Price:
    return _kernel_price(widths, _dense_filters, dense_steps)


def convolution_price(rank: int, filters: Filters = _convolution_filters) -> Callable[[WidthsOf], Price]:
    """The price by the widths."""
    steps = window_steps(rank, filters)
    return lambda widths: _kernel_price(widths, filters, steps, lambda config: kernel_cells(config, rank))


depthwise_price = partial(convolution_price, filters=_depthwise_filters)


def _separable_price(rank: int) -> Price:
    """A depthwise convolution without bias, its float map, and a convolution of one place."""
    widths = float_widths({})

    def between(config: Config, source: FeatureMap, target: FeatureMap) -> FeatureMap:
        return FeatureMap((*target.shape[:-1], source.shape[-1] * _multiplier_of(config)), widths.activation)

    def weights(config: Config, source: FeatureMap) -> WeightCount:
        channels, filters = source.shape[-1] * _multiplier_of(config), config["filters"]
        return kernel_and_bias(widths, channels * (kernel_cells(config, rank) + filters), biases_of(config, filters))

    def steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
        middle = between(config, source, target)
        first = window_step(KERNEL[rank](config, source.shape), source, middle, by_channel=True)
        return (first, window_step(ONE_PLACE, middle, target, by_channel=False))

    def products(config: Config, source: FeatureMap, target: FeatureMap) -> int:
        return between(config, source, target).cells * (kernel_cells(config, rank) + config["filters"])

    return Price(lambda config, input_bits: widths.activation, steps, weights, products)


def _residual_weights(config: Config, source: FeatureMap) -> WeightCount:
    channels = source.shape[2]
    kernels = RESIDUAL_CONVOLUTIONS * RESIDUAL_CELLS * channels * channels
    return kernel_and_bias(quantized_widths(config), kernels, biases_of(config, RESIDUAL_CONVOLUTIONS * channels))


RESIDUAL = Price(
    bits=quantized_output_bits,
    steps=lambda config, source, target: (
        ResidualStep(source.as_image, target.as_image, quantized_widths(config).activation),
    ),
    weights=_residual_weights,
    products=lambda config, source, target: RESIDUAL_CONVOLUTIONS * RESIDUAL_CELLS * source.cells * source.shape[2],
)
TAKES_IN = ("batch_norm", "relu")
WINDOWS_TAKE_IN = ("padding", *TAKES_IN)
# A layer of Keras: its twin here, their shape, price and window, what pruning may do, and what the twin takes in.
_PAIRS: dict[str, tuple] = {
    "Dense": ("DenseQ", dense_shape, _dense_price, None, FILTERS, TAKES_IN),
    **{
        name: (twin, convolution_shape(rank), convolution_price(rank), KERNEL[rank], FILTERS, WINDOWS_TAKE_IN)
        for name, rank, twin in (("Conv1D", 2, "Conv1DQ"), ("Conv2D", 3, "ConvQ"))
    },
    **{
        name: (twin, _depthwise_shape(rank), depthwise_price(rank), KERNEL[rank], THIN, WINDOWS_TAKE_IN)
        for name, rank, twin in (("DepthwiseConv1D", 2, "DepthwiseConv1DQ"), ("DepthwiseConv2D", 3, "DepthwiseConvQ"))
    },
}
OWN = {
    **{
        twin: Kind(
            shape=shape,
            settings=QUANTIZED,
            price=price(quantized_widths),
            form="Convolution",
            window=window,
            prunes=prunes,
        )
        for twin, shape, price, window, prunes, _ in _PAIRS.values()
    },
    "ResidualQ": Kind(shape=unchanged_image, settings=QUANTIZED, price=RESIDUAL, form="Residual"),
}
LAYERS = {
    **{
        name: Kind(shape=shape, price=price(float_widths), twin=twin, absorbs=absorbs, prunes=prunes)
        for name, (twin, shape, price, _, prunes, absorbs) in _PAIRS.items()
    },
    "Conv3D": Kind(prunes=FILTERS),
    **{
        name: Kind(
            shape=convolution_shape(rank),
            settings={"depth_multiplier": check_size},
            price=_separable_price(rank),
            twin=twin,
            absorbs=WINDOWS_TAKE_IN,
        )
        for name, rank, twin in (("SeparableConv1D", 2, "Conv1DQ"), ("SeparableConv2D", 3, "ConvQ"))
    },
}
