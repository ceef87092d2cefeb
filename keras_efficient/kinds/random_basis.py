"""Random-basis layers: what is stored is the record of the flat file, not the kernel.

The kernel is made from the seed while the layer computes; its activations are floats.
"""

from __future__ import annotations

from collections.abc import Callable

from keras_efficient.kinds.coordinate_file import record_bytes
from keras_efficient.kinds.fields import check_optional_bits, check_size
from keras_efficient.kinds.kind import Kind, Price
from keras_efficient.kinds.measures import (
    BITS_PER_BYTE,
    FLOAT_BITS,
    Config,
    FeatureMap,
    Shape,
    Weights,
    biases_of,
    float_bits,
)
from keras_efficient.kinds.products import (
    convolution_shape,
    convolution_steps,
    dense_shape,
    dense_steps,
    kernel_cells,
)
from keras_efficient.kinds.steps import Step


def random_basis(
    outputs: str,
    shape: Callable[[Config, Shape], Shape],
    steps: Callable[[Config, FeatureMap, FeatureMap], tuple[Step, ...]],
    products: Callable[[Config, FeatureMap, FeatureMap], int],
) -> Kind:
    """A layer whose `outputs` (a key of its configuration) says how many biases there are."""

    def weights(config: Config, source: FeatureMap) -> Weights:
        coordinates, biases = config["dimensions"], biases_of(config, config[outputs])
        widths = [config.get(key) or FLOAT_BITS for key in ("coordinate_bits", "bias_bits")]
        return Weights(coordinates + biases, BITS_PER_BYTE * record_bytes(coordinates, widths[0], biases, widths[1]))

    return Kind(
        shape=shape,
        settings={"coordinate_bits": check_optional_bits, "bias_bits": check_optional_bits, "dimensions": check_size},
        required=("dimensions",),
        price=Price(float_bits, steps, weights, products),
        makes_kernel=True,
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
    ),
}
