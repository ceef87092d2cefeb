"""ACDCDense: a stack of ACDC layers in the place of a dense layer."""

from typing import Any

import keras

from keras_efficient.kinds.acdc_stages import dense_stages
from keras_efficient.layers.acdc.deep_layer import DeepLayer
from keras_efficient.layers.acdc.transform_layer import rows_of
from keras_efficient.layers.quantized.units_layer import UnitsLayer
from keras_efficient.type_aliases import Activation, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class ACDCDense(UnitsLayer, DeepLayer):
    """A stack of ACDC layers with an activation between them, from any inputs to any units.

        h_0 = x, repeated up to N entries
        h_k = activation(permutation_k(h_(k-1) diag(a_k) C diag(d_k) C' + bias_k))   k < depth
        y   = the first `units` entries of the last layer, without activation

    with N = max(inputs, units) and the products, permutation and bias of `ACDC`. It has
    3 N depth parameters. With `activation=None` it is a linear layer.

    Source: as `ACDC`; a stack of twelve with ReLU replaced two dense layers of 4,096 in the paper.

    Args:
        units: Number of outputs.
        depth, activation, expand, order, groups, seed: See `DeepLayer`.
        transform, permutation, bias: See `ACDC`. Each layer has a random permutation of its own.
        algorithm, diagonal_initializer: See `CosineLayer`.
        kernel_bits, activation_bits, bias_bits, mode, regularizers, constraints: See `TransformLayer`.

    Input shape: (batch, ..., inputs). Output shape: (batch, ..., units).

    Weights: a (depth, N), d (depth, N), bias (depth, N), then the log2 scales of a, d, bias, of
    what goes from layer to layer, and of the output where bits are given, and of the inner products.

    Raises:
        ValueError: If the number of inputs is not known, or an argument is wrong.

    Example:

    >>> layer = ACDCDense(10, depth=4)
    >>> layer(keras.ops.ones((2, 7))).shape
    (2, 10)
    """

    def __init__(
        self,
        units: int,
        depth: int = 12,
        transform: str = "dct",
        permutation: str | None = "random",
        activation: Activation = "relu",
        bias: str | None = "output",
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(units, depth, transform, permutation, activation, bias, seed, **kwargs)

    def build(self, input_shape: Shape) -> None:
        inputs = self.fix_inputs(input_shape)
        self.build_stack(inputs, self.units, (inputs,))

    stages_of = staticmethod(dense_stages)

    def computed(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        return self.stack_rows(rows_of(inputs)), inputs
