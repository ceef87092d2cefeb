"""Random-basis layers: what is stored is the seed, the coordinates and the biases, not the kernel.

The kernel is made from the seed while the layer computes. With `kernel_bits`, what the C stores is counted: a seed of
32 bits, coordinates, biases; else the record of the flat file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_efficient.kinds.coordinate_file import record_bytes
from keras_efficient.kinds.fields import OPTIONAL_BITS, check_optional_bits, check_size
from keras_efficient.kinds.kind import Kind, Price
from keras_efficient.kinds.measures import (
    BITS_PER_BYTE,
    FLOAT_BITS,
    Config,
    FeatureMap,
    Shape,
    Weights,
    biases_of,
    optional_output_bits,
)
from keras_efficient.kinds.products import (
    KERNEL,
    by_lines,
    convolution_shape,
    convolution_steps,
    dense_shape,
    dense_steps,
    kernel_cells,
)
from keras_efficient.kinds.steps import Step

SEED_BITS = 32
COORDINATE_BITS = 8  # where `kernel_bits` are given, and no others


def random_basis(
    outputs: str,
    shape: Callable[[Config, Shape], Shape],
    steps: Callable[[Config, FeatureMap, FeatureMap], tuple[Step, ...]],
    products: Callable[[Config, FeatureMap, FeatureMap], int],
    **entry: Any,
) -> Kind:
    """A layer whose `outputs` (a key of its configuration) says how many biases there are."""

    def weights(config: Config, source: FeatureMap) -> Weights:
        coordinates, biases = config["dimensions"], biases_of(config, config[outputs])
        if config.get("kernel_bits") is not None:
            coordinate_bits = config.get("coordinate_bits") or COORDINATE_BITS
            bias_bits = config.get("bias_bits") or FLOAT_BITS
            return Weights(coordinates + biases, SEED_BITS + coordinates * coordinate_bits + biases * bias_bits)
        widths = [config.get(key) or FLOAT_BITS for key in ("coordinate_bits", "bias_bits")]
        return Weights(coordinates + biases, BITS_PER_BYTE * record_bytes(coordinates, widths[0], biases, widths[1]))

    return Kind(
        shape=shape,
        settings={**OPTIONAL_BITS, "coordinate_bits": check_optional_bits, "dimensions": check_size},
        required=("dimensions",),
        price=Price(optional_output_bits, steps, weights, products, streams=by_lines),
        form="Convolution",
        makes_kernel=True,
        **entry,
    )


OWN = {
    "RandomBasisDense": random_basis(
        "units", dense_shape, dense_steps, lambda config, source, target: source.cells * config["units"]
    ),
    "RandomBasisConv2D": random_basis(
        "filters",
        convolution_shape(3),
        convolution_steps(3),
        lambda config, source, target: target.cells * kernel_cells(config) * source.shape[2],
        window=KERNEL[3],
    ),
}
