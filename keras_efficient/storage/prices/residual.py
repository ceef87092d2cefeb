"""The residual block: two 3x3 convolutions and the sum, in place."""

from __future__ import annotations

from keras_efficient.storage.prices.base import (
    Config,
    FeatureMap,
    Price,
    Weights,
    Working,
    biases_of,
    kernel_and_bias,
    quantized_output_bits,
    quantized_widths,
)
from keras_efficient.storage.residual_slack import residual_slack

KERNEL_CELLS = 9
CONVOLUTIONS = 2


def weights(config: Config, source: FeatureMap) -> Weights:
    channels = source.shape[2]
    kernels = CONVOLUTIONS * KERNEL_CELLS * channels * channels
    return kernel_and_bias(quantized_widths(config), kernels, biases_of(config, CONVOLUTIONS * channels))


def working(config: Config, source: FeatureMap, target: FeatureMap, order: str) -> Working:
    rows, columns, channels = source.shape
    inner = channels * quantized_widths(config).activation
    slack, chosen = residual_slack(rows, columns, inner, target.pixel_bits, source.pixel_bits, order)
    return Working(source.total_bits + max(slack, 0), chosen)


PRICES = {
    "ResidualQ": Price(
        output_bits=quantized_output_bits,
        working=working,
        weights=weights,
        products=lambda config, source, target: CONVOLUTIONS * KERNEL_CELLS * source.cells * source.shape[2],
    )
}
