"""Random-basis layers: what is stored is the record of the flat file, not the kernel.

The kernel is made from the seed while the layer computes; its activations are floats.
"""

from __future__ import annotations

from collections.abc import Callable

from keras_efficient.storage.coordinate_file import record_bytes
from keras_efficient.storage.prices.base import (
    BITS_PER_BYTE,
    FLOAT_BITS,
    Config,
    FeatureMap,
    Price,
    Weights,
    Working,
    biases_of,
    float_bits,
    side_by_side,
)
from keras_efficient.storage.prices.windows import convolve, kernel_cells


def random_basis_price(
    outputs: str,
    working: Callable[[Config, FeatureMap, FeatureMap, str], Working],
    products: Callable[[Config, FeatureMap, FeatureMap], int],
) -> Price:
    """The price of a layer whose `outputs` (a key of its configuration) says how many biases there are."""

    def weights(config: Config, source: FeatureMap) -> Weights:
        coordinates, biases = config["dimensions"], biases_of(config, config[outputs])
        widths = [config.get(key) or FLOAT_BITS for key in ("coordinate_bits", "bias_bits")]
        return Weights(coordinates + biases, BITS_PER_BYTE * record_bytes(coordinates, widths[0], biases, widths[1]))

    return Price(output_bits=float_bits, working=working, weights=weights, products=products)


PRICES = {
    "RandomBasisDense": random_basis_price(
        "units", side_by_side, lambda config, source, target: source.cells * config["units"]
    ),
    "RandomBasisConv2D": random_basis_price(
        "filters", convolve, lambda config, source, target: target.cells * kernel_cells(config) * source.shape[2]
    ),
}
