"""Dense layers: input and outputs at once."""

from __future__ import annotations

from collections.abc import Callable

from keras_efficient.storage.prices.base import (
    Config,
    FeatureMap,
    Price,
    Weights,
    Widths,
    biases_of,
    float_widths,
    kernel_and_bias,
    quantized_widths,
    shifts_of,
    side_by_side,
)


def dense_price(widths: Callable[[Config], Widths]) -> Price:
    def weights(config: Config, source: FeatureMap) -> Weights:
        units = config["units"]
        kernels = source.shape[-1] * units
        return kernel_and_bias(widths(config), kernels, biases_of(config, units), shifts_of(config, units))

    return Price(
        output_bits=lambda config, input_bits: widths(config).activation,
        working=side_by_side,
        weights=weights,
        products=lambda config, source, target: source.cells * config["units"],
    )


PRICES = {"DenseQ": dense_price(quantized_widths), "Dense": dense_price(float_widths)}
