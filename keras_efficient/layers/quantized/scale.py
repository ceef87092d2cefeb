"""ScaleQ: each channel times a number, plus a number."""

from typing import Any

import keras
from keras import ops

from keras_efficient.layers.quantized.folding import FoldingLayer
from keras_efficient.type_aliases import Activation, Initializer, Shape, SignedOutput, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class ScaleQ(FoldingLayer):
    """Each channel times a number, plus a number, with a quantized output: of vectors, signals and images.

        y[b, ..., c] = q_a(activation(x[b, ..., c] q_k(kernel)[c] + q_b(bias)[c]))

    with q_k, q_b, q_a as in `keras_efficient.ops.quantize`. With a `batch_norm` it is a batch normalization on a grid
    of its own, where there is no kernel before it that could take that in. Pruning leaves it as it is.

    Args:
        activation, signed_output, use_bias: See `KernelLayer`.
        per_channel, batch_norm, frozen_statistics: See `FoldingLayer`.
        kernel_bits, bias_bits, activation_bits, mode, initializers, regularizers, constraints:
            See `WeightedLayer`; the kernel starts at one, the bias at zero.

    Input shape: (batch, ..., channels). Output shape: the same.

    Weights: kernel (channels,), bias (channels,), log2 scales of kernel, bias, output.

    Raises:
        ValueError: If the number of channels is not known, or an argument is wrong.
        TypeError: If `batch_norm` is something else.

    Source: the folding is that of Jacob et al., CVPR 2018; the grids are those of Gural & Murmann, ICML 2019.

    Example:

    >>> ScaleQ(kernel_bits=8)(keras.ops.ones((2, 7))).shape
    (2, 7)
    """

    def __init__(
        self,
        activation: Activation = None,
        kernel_bits: int = 4,
        bias_bits: int = 8,
        activation_bits: int = 4,
        signed_output: SignedOutput = "auto",
        mode: str = "float",
        kernel_initializer: Initializer = "ones",
        **kwargs: Any,
    ):
        bits = (kernel_bits, bias_bits, activation_bits)
        super().__init__(activation, *bits, signed_output, mode, kernel_initializer=kernel_initializer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        channels = self.fix_inputs(input_shape)
        self.add_weights((channels,), channels, len(input_shape))

    def get_prunable_weights(self) -> list[keras.Variable]:
        """None: without its number a channel would be a constant."""
        return []

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        return ops.multiply(x, kernel)
