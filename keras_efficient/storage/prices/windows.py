"""Layers that slide a window over an image: convolutions, depthwise convolutions and pooling.

Working memory is the input map and the exact slack of the order, in bits. A convolution stores all
channels of an output pixel before it frees the inputs that die with it. Pooling, and a depthwise
convolution with multiplier 1, work channel by channel: the result waits in a register while its
inputs are freed, so most of them run in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from keras_efficient.descriptions.fields import check_pair
from keras_efficient.descriptions.windows import read_signal_window, read_window
from keras_efficient.storage.liveness import Axis, window_slacks
from keras_efficient.storage.prices.base import (
    Config,
    FeatureMap,
    Price,
    Weights,
    Widths,
    Working,
    biases_of,
    declared_bits,
    float_bits,
    float_widths,
    kernel_and_bias,
    quantized_output_bits,
    quantized_widths,
    same_bits,
    shifts_of,
)


def sliding(window: tuple, source: FeatureMap, target: FeatureMap, order: str, release_first: bool) -> Working:
    """Bits alive at the worst moment. `window` is (size, strides, padding), as `read_window`
    returns it."""
    sizes, strides, padding = window
    rows, columns = (Axis(source.shape[d], target.shape[d], sizes[d], strides[d], padding) for d in (0, 1))
    slacks = window_slacks(rows, columns, target.pixel_bits, source.pixel_bits, release_first)
    slack, chosen = slacks.pick(order)
    return Working(source.total_bits + max(slack, 0), chosen)


def convolve(config: Config, source: FeatureMap, target: FeatureMap, order: str) -> Working:
    return sliding(read_window(config, "kernel_size"), source, target, order, release_first=False)


def convolve_depthwise(config: Config, source: FeatureMap, target: FeatureMap, order: str) -> Working:
    one_to_one = config.get("depth_multiplier", 1) == 1
    return sliding(read_window(config, "kernel_size"), source, target, order, release_first=one_to_one)


def pool(config: Config, source: FeatureMap, target: FeatureMap, order: str) -> Working:
    return sliding(read_window(config, "pool_size", default=2), source, target, order, release_first=True)


def kernel_cells(config: Config) -> int:
    return math.prod(check_pair(config["kernel_size"], "kernel_size"))


def signal_kernel_cells(config: Config) -> int:
    return read_signal_window(config, "kernel_size")[0]


def convolution_price(
    widths: Callable[[Config], Widths],
    cells_of: Callable[[Config], int] = kernel_cells,
    working: Callable[..., Working] = convolve,
) -> Price:
    def kernels_per_filter(config: Config, source: FeatureMap) -> int:
        return cells_of(config) * source.shape[-1] // config.get("groups", 1)

    def weights(config: Config, source: FeatureMap) -> Weights:
        filters = config["filters"]
        kernels = kernels_per_filter(config, source) * filters
        return kernel_and_bias(widths(config), kernels, biases_of(config, filters), shifts_of(config, filters))

    return Price(
        output_bits=lambda config, input_bits: widths(config).activation,
        working=working,
        weights=weights,
        products=lambda config, source, target: target.cells * kernels_per_filter(config, source),
    )


def depthwise_price(widths: Callable[[Config], Widths]) -> Price:
    def weights(config: Config, source: FeatureMap) -> Weights:
        outputs = source.shape[2] * config.get("depth_multiplier", 1)
        kernels = kernel_cells(config) * outputs
        return kernel_and_bias(widths(config), kernels, biases_of(config, outputs), shifts_of(config, outputs))

    return Price(
        output_bits=lambda config, input_bits: widths(config).activation,
        working=convolve_depthwise,
        weights=weights,
        products=lambda config, source, target: target.cells * kernel_cells(config),
    )


def separable_price() -> Price:
    """A depthwise convolution without bias, its float map, and a 1x1 convolution."""
    widths = float_widths({})
    pointwise = {"kernel_size": 1}

    def middle(config: Config, source: FeatureMap, target: FeatureMap) -> FeatureMap:
        channels = source.shape[2] * config.get("depth_multiplier", 1)
        return FeatureMap((*target.shape[:2], channels), widths.activation)

    def weights(config: Config, source: FeatureMap) -> Weights:
        channels, filters = source.shape[2] * config.get("depth_multiplier", 1), config["filters"]
        return kernel_and_bias(widths, channels * (kernel_cells(config) + filters), biases_of(config, filters))

    def working(config: Config, source: FeatureMap, target: FeatureMap, order: str) -> Working:
        between = middle(config, source, target)
        return max(
            convolve_depthwise(config, source, between, order),
            convolve(pointwise, between, target, order),
        )

    def products(config: Config, source: FeatureMap, target: FeatureMap) -> int:
        between = middle(config, source, target)
        return between.cells * (kernel_cells(config) + config["filters"])

    return Price(float_bits, working, weights, products)


def along_time(size_key: str, default: int | None = None, release_first: bool = False) -> Callable[..., Working]:
    """Windows over signals: images of one row."""

    def working(config: Config, source: FeatureMap, target: FeatureMap, order: str) -> Working:
        size, stride, padding = read_signal_window(config, size_key, default)
        source, target = (FeatureMap((1, *each.shape), each.bits) for each in (source, target))
        return sliding(((1, size), (1, stride), padding), source, target, order, release_first)

    return working


POOL_ALONG = along_time("pool_size", 2, release_first=True)


def pool_means(config: Config, source: FeatureMap, target: FeatureMap, order: str) -> Working:
    return (POOL_ALONG if len(source.shape) == 2 else pool)(config, source, target, order)


def signal_pooling_streams(config: Config) -> str:
    size, stride, _ = read_signal_window(config, "pool_size", default=2)
    return "windows" if stride >= size else "no"


def pooling_streams(config: Config) -> str:
    """Without overlap every pixel belongs to one output at most, so pixels can be summed up as they
    come."""
    size, strides, _ = read_window(config, "pool_size", default=2)
    return "windows" if strides[0] >= size[0] and strides[1] >= size[1] else "no"


def mean_streams(config: Config) -> str:
    """Sums of codes are wider than the mean that is stored."""
    return "sums" if pooling_streams(config) == "windows" else "no"


PRICES = {
    "ConvQ": convolution_price(quantized_widths),
    "Conv1DQ": convolution_price(quantized_widths, signal_kernel_cells, along_time("kernel_size")),
    "Conv1D": convolution_price(float_widths, signal_kernel_cells, along_time("kernel_size")),
    "MeanPoolingQ": Price(quantized_output_bits, pool_means),
    "AveragePooling1D": Price(float_bits, POOL_ALONG, streams=signal_pooling_streams),
    "MaxPooling1D": Price(same_bits, POOL_ALONG, streams=signal_pooling_streams),
    "Conv2D": convolution_price(float_widths),
    "DepthwiseConvQ": depthwise_price(quantized_widths),
    "DepthwiseConv2D": depthwise_price(float_widths),
    "SeparableConv2D": separable_price(),
    "AveragePoolingQ": Price(declared_bits, pool, streams=mean_streams),
    "AveragePooling2D": Price(float_bits, pool, streams=pooling_streams),
    "MaxPooling2D": Price(same_bits, pool, streams=pooling_streams),
}
