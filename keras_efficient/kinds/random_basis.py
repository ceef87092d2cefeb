"""Random-basis layers: what is stored is the seed, the coordinates and the biases, not the kernel.

The kernel is made from the seed while the layer computes. With `kernel_bits`, what the C stores is counted: a seed of
32 bits, coordinates, biases; else its record in a flat file (`write_coordinates`), little-endian: mark (1 byte),
version (1), coordinate bits (1), exponent of the coordinates' scale (1, signed), bias bits (1), exponent of the biases'
scale (1, signed), seed (4), number of coordinates (4), number of biases (4), check sum (2); then the coordinates and
the biases, each packed from the least significant bit on and filled up to a whole byte.
"""

from collections.abc import Callable
from typing import Any

from keras_efficient.kinds.fields import OPTIONAL_BITS, check_optional_bits, check_size
from keras_efficient.kinds.kind import Kind, Price
from keras_efficient.kinds.measures import (
    BITS_PER_BYTE,
    FLOAT_BITS,
    Config,
    FeatureMap,
    Shape,
    WeightCount,
    biases_of,
    optional_output_bits,
    whole_bytes,
)
from keras_efficient.kinds.products import (
    KERNEL,
    by_lines,
    convolution_shape,
    dense_shape,
    dense_steps,
    kernel_cells,
    window_steps,
)
from keras_efficient.kinds.steps import Step

HEADER_FORMAT = "<BBBbBbIIIH"
HEADER_BYTES = 20
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

    def weights(config: Config, source: FeatureMap) -> WeightCount:
        coordinates, biases = config["dimensions"], biases_of(config, config[outputs])
        if config.get("kernel_bits") is not None:
            coordinate_bits = config.get("coordinate_bits") or COORDINATE_BITS
            bias_bits = config.get("bias_bits") or FLOAT_BITS
            return WeightCount(coordinates + biases, SEED_BITS + coordinates * coordinate_bits + biases * bias_bits)
        widths = [config.get(key) or FLOAT_BITS for key in ("coordinate_bits", "bias_bits")]
        packed = (whole_bytes(count * bits) for count, bits in zip((coordinates, biases), widths, strict=True))
        return WeightCount(coordinates + biases, BITS_PER_BYTE * (HEADER_BYTES + sum(packed)))

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
        window_steps(3),
        lambda config, source, target: target.cells * kernel_cells(config) * source.shape[2],
        window=KERNEL[3],
    ),
}
