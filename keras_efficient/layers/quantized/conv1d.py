"""Conv1DQ: a quantized one-dimensional convolution."""

from typing import Any

import keras
from keras import ops

from keras_efficient.layers.arguments import padding_name, positive_integer, signal_channels, signal_steps
from keras_efficient.layers.quantized.folding import FoldingLayer
from keras_efficient.type_aliases import Activation, Config, Shape, SignedOutput, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class Conv1DQ(FoldingLayer):
    """A convolution along time with quantized kernel, bias and output (channels last).

        y[b, i, f] = q_a(activation(sum_rc x[b, i s + r, c] q_k(kernel)[r, c, f] + q_b(bias)[f]))

    with q_k, q_b, q_a as in `keras_efficient.ops.quantize`. In float mode it is `keras.layers.Conv1D`.

    Args:
        filters: Number of output channels.
        kernel_size: Steps that a window covers.
        strides: Steps from window to window (s).
        padding: `"valid"` or `"same"`.
        activation, signed_output, use_bias: See `KernelLayer`.
        per_channel, batch_norm: See `FoldingLayer`.
        kernel_bits, bias_bits, activation_bits, mode, initializers, regularizers, constraints:
            See `WeightedLayer`; the kernel starts orthogonal, the bias at zero.

    Input shape: (batch, steps, channels). Output shape: (batch, new steps, filters).

    Weights: kernel (kernel size, channels, filters), bias (filters,), log2 scales of kernel, bias,
    output.

    Raises:
        ValueError: If the input is no signal of known channels, a window is larger than it, or an argument is wrong.

    Source: this package, after `ConvQ`; the grid is that of Gural & Murmann, ICML 2019.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        padding: str = "valid",
        activation: Activation = None,
        kernel_bits: int = 4,
        bias_bits: int = 8,
        activation_bits: int = 4,
        signed_output: SignedOutput = "auto",
        mode: str = "float",
        **kwargs: Any,
    ):
        super().__init__(activation, kernel_bits, bias_bits, activation_bits, signed_output, mode, **kwargs)
        self.filters = positive_integer(filters, "filters")
        self.kernel_size = positive_integer(kernel_size, "kernel_size")
        self.strides = positive_integer(strides, "strides")
        self.padding = padding_name(padding)

    def build(self, input_shape: Shape) -> None:
        channels = signal_channels(input_shape, self.name)
        self.compute_output_shape(input_shape)  # a window larger than the input ends here
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: channels})
        self.add_weights((self.kernel_size, channels, self.filters), self.filters, len(input_shape))

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        return ops.conv(x, kernel, strides=self.strides, padding=self.padding, data_format="channels_last")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        steps = signal_steps(input_shape, self.kernel_size, self.strides, self.padding, self.name)
        return (input_shape[0], steps, self.filters)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
        }
