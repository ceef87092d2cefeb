"""Dense layers: input and outputs at once."""

from __future__ import annotations

from collections.abc import Callable

from keras_efficient.storage.prices.base import (
    Config,
    FeatureMap,
    Price,
    Weights,
    Widths,
    Working,
    biases_of,
    float_widths,
    kernel_and_bias,
    quantized_widths,
    shifts_of,
    side_by_side,
)
from keras_efficient.storage.prices.windows import along_time, convolve


def dense_working(config: Config, source: FeatureMap, target: FeatureMap, order: str) -> Working:
    """A vector meets every output; on a map every place is a vector of its own, as in a 1x1 convolution."""
    if len(source.shape) == 1:
        return side_by_side(config, source, target, order)
    return (ALONG_TIME if len(source.shape) == 2 else convolve)({"kernel_size": 1}, source, target, order)


ALONG_TIME = along_time("kernel_size")


def dense_price(widths: Callable[[Config], Widths]) -> Price:
    def weights(config: Config, source: FeatureMap) -> Weights:
        units = config["units"]
        kernels = source.shape[-1] * units
        return kernel_and_bias(widths(config), kernels, biases_of(config, units), shifts_of(config, units))

    return Price(
        output_bits=lambda config, input_bits: widths(config).activation,
        working=dense_working,
        weights=weights,
        products=lambda config, source, target: source.cells * config["units"],
    )


PRICES = {"DenseQ": dense_price(quantized_widths), "Dense": dense_price(float_widths)}
