"""Conv1DQ: a quantized one-dimensional convolution."""

from typing import Any

import keras
from keras import ops

from keras_efficient.layers.arguments import (
    check_dilation,
    positive_integer,
    signal_channels,
    signal_padding,
    signal_steps,
)
from keras_efficient.layers.quantized.folding import FoldingLayer
from keras_efficient.ops.padding import pad_places
from keras_efficient.type_aliases import Activation, Config, Shape, SignedOutput, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class Conv1DQ(FoldingLayer):
    """A convolution along time with quantized kernel, bias and output (channels last).

        y[b, i, f] = q_a(activation(sum_rc x[b, i s + r, c] q_k(kernel)[r, c, f] + q_b(bias)[f]))

    with q_k, q_b, q_a as in `keras_efficient.ops.quantize`; of dilated windows x[b, i s + r d, c]. In float mode it is
    `keras.layers.Conv1D`.

    Args:
        filters: Number of output channels.
        kernel_size: Steps that a window covers.
        strides: Steps from window to window (s).
        padding: `"valid"`, `"same"`, `"causal"` (all zeros come before) or the zeros (before, after).
        dilation_rate: Steps between the places of a window (d); with strides of 1 only.
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
        padding: str | tuple[int, int] = "valid",
        activation: Activation = None,
        kernel_bits: int = 4,
        bias_bits: int = 8,
        activation_bits: int = 4,
        signed_output: SignedOutput = "auto",
        mode: str = "float",
        dilation_rate: int = 1,
        **kwargs: Any,
    ):
        super().__init__(activation, kernel_bits, bias_bits, activation_bits, signed_output, mode, **kwargs)
        self.filters = positive_integer(filters, "filters")
        self.kernel_size = positive_integer(kernel_size, "kernel_size")
        self.strides = positive_integer(strides, "strides")
        self.padding = signal_padding(padding)
        self.dilation_rate = positive_integer(dilation_rate, "dilation_rate")
        check_dilation((self.dilation_rate,), (self.strides,))

    def build(self, input_shape: Shape) -> None:
        channels = signal_channels(input_shape, self.name)
        self.compute_output_shape(input_shape)  # a window larger than the input ends here
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: channels})
        self.add_weights((self.kernel_size, channels, self.filters), self.filters, len(input_shape))

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        padding = self._zeros
        x, padding = (x, padding) if isinstance(padding, str) else (pad_places(x, [padding]), "valid")
        return ops.conv(x, kernel, self.strides, padding, "channels_last", self.dilation_rate)

    @property
    def _extent(self):
        return (self.kernel_size - 1) * self.dilation_rate + 1

    @property
    def _zeros(self):
        return (self._extent - 1, 0) if self.padding == "causal" else self.padding

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        steps = signal_steps(input_shape, self._extent, self.strides, self._zeros, self.name)
        return (input_shape[0], steps, self.filters)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
        }
