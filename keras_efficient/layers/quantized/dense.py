"""DenseQ: a quantized fully connected layer."""

from typing import Any

import keras
from keras import ops

from keras_efficient.layers.quantized.folding import FoldingLayer
from keras_efficient.layers.quantized.units_layer import UnitsLayer
from keras_efficient.type_aliases import Activation, Shape, SignedOutput, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class DenseQ(UnitsLayer, FoldingLayer):
    """A fully connected layer with quantized kernel, bias and output.

        y = q_a(activation(x q_k(kernel) + q_b(bias)))

    with q_k, q_b, q_a as in `keras_efficient.ops.quantize`. In float mode it is
    `keras.layers.Dense`. Source: Gural & Murmann, ICML 2019.

    Args:
        units: Number of outputs.
        activation, signed_output, use_bias, per_channel, batch_norm, kernel_bits, bias_bits, activation_bits, mode,
            initializers, regularizers, constraints: See `FoldingLayer`.

    Input shape: (batch, ..., inputs). Output shape: (batch, ..., units).

    Weights: kernel (inputs, units), bias (units,), log2 scales of kernel, bias, output.

    Raises:
        ValueError: If the number of inputs is not known, or an argument is wrong.
        TypeError: If `batch_norm` is something else.

    Example:

    >>> layer = DenseQ(10, kernel_bits=4, mode="learn_scales")
    >>> layer(keras.ops.ones((2, 7))).shape
    (2, 10)
    """

    def __init__(
        self,
        units: int,
        activation: Activation = None,
        kernel_bits: int = 4,
        bias_bits: int = 8,
        activation_bits: int = 4,
        signed_output: SignedOutput = "auto",
        mode: str = "float",
        **kwargs: Any,
    ):
        super().__init__(units, activation, kernel_bits, bias_bits, activation_bits, signed_output, mode, **kwargs)

    def build(self, input_shape: Shape) -> None:
        inputs = self.fix_inputs(input_shape)
        self.add_weights((inputs, self.units), self.units, len(input_shape))

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        return ops.matmul(x, kernel)
