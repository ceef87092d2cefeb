"""Conv1DQ and DepthwiseConv1DQ: quantized convolutions along time."""

from typing import Any

import keras
from keras import ops

from keras_efficient.kinds.windows import Slide, along, read_signal_window
from keras_efficient.layers.arguments import (
    check_dilation,
    check_groups,
    positive_integer,
    signal_channels,
    signal_padding,
    signal_steps,
)
from keras_efficient.layers.quantized.folding import FoldingLayer
from keras_efficient.layers.quantized.kernel_layer import KernelLayer
from keras_efficient.ops.padding import pad_places
from keras_efficient.type_aliases import Activation, Config, Shape, SignedOutput, Tensor


class SignalLayer(KernelLayer):
    """A kernel layer that slides along time: kernel size, strides, padding and dilation."""

    def __init__(
        self,
        kernel_size: int,
        strides: int,
        padding: str | tuple[int, int],
        *args: Any,
        dilation_rate: int = 1,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.kernel_size = positive_integer(kernel_size, "kernel_size")
        self.strides = positive_integer(strides, "strides")
        self.padding = signal_padding(padding)
        self.dilation_rate = positive_integer(dilation_rate, "dilation_rate")
        check_dilation((self.dilation_rate,), (self.strides,))

    @property
    def window(self) -> Slide:
        """As the price and the integers read it: over images of one row, with the zeros of a causal padding."""
        names = ("kernel_size", "strides", "padding", "dilation_rate")
        return read_signal_window({name: getattr(self, name) for name in names}, "kernel_size")

    def padded(self, x: Tensor) -> tuple[Tensor, str]:
        """The input with the zeros that the layer was given, and the padding that is left for the operation."""
        zeros = along(self.window.padding, 1)
        return (x, zeros) if isinstance(zeros, str) else (pad_places(x, [zeros]), "valid")

    def fix_channels(self, input_shape: Shape) -> int:
        """The channels of the input, which every later input must have, too."""
        channels = signal_channels(input_shape, self.name)
        self.compute_output_shape(input_shape)  # a window larger than the input ends here
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: channels})
        return channels

    def output_channels(self, input_channels: int) -> int:
        """The channels of the output."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        window = self.window
        steps = signal_steps(input_shape, window.extents[1], self.strides, along(window.padding, 1), self.name)
        return (input_shape[0], steps, self.output_channels(signal_channels(input_shape, self.name)))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
        }


@keras.saving.register_keras_serializable(package="keras_efficient")
class Conv1DQ(SignalLayer, FoldingLayer):
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
        groups: How many equal parts of the channels are filtered on their own, each by as many of the filters.
        activation, signed_output, use_bias: See `KernelLayer`.
        per_channel, batch_norm: See `FoldingLayer`.
        kernel_bits, bias_bits, activation_bits, mode, initializers, regularizers, constraints:
            See `WeightedLayer`; the kernel starts orthogonal, the bias at zero.

    Input shape: (batch, steps, channels). Output shape: (batch, new steps, filters).

    Weights: kernel (kernel size, channels / groups, filters), bias (filters,), log2 scales of kernel, bias,
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
        groups: int = 1,
        **kwargs: Any,
    ):
        bits = (kernel_bits, bias_bits, activation_bits)
        super().__init__(kernel_size, strides, padding, activation, *bits, signed_output, mode, **kwargs)
        self.filters = positive_integer(filters, "filters")
        self.groups = positive_integer(groups, "groups")

    def build(self, input_shape: Shape) -> None:
        channels = self.fix_channels(input_shape)
        check_groups(self.groups, channels, self.filters)
        self.add_weights((self.kernel_size, channels // self.groups, self.filters), self.filters, len(input_shape))

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        x, padding = self.padded(x)
        return ops.conv(x, kernel, self.strides, padding, "channels_last", self.dilation_rate)

    def output_channels(self, input_channels: int) -> int:
        return self.filters

    def get_config(self) -> Config:
        return {**super().get_config(), "filters": self.filters, "groups": self.groups}


@keras.saving.register_keras_serializable(package="keras_efficient")
class DepthwiseConv1DQ(SignalLayer, FoldingLayer):
    """A depthwise convolution along time with quantized kernel, bias and output (channels last).

    Every input channel c is filtered on its own, by m = `depth_multiplier` kernels:

        y[b, i, c m + d] = q_a(activation(sum_r x[b, i s + r, c] q_k(kernel)[r, c, d] + q_b(bias)[c m + d]))

    with q_k, q_b, q_a as in `keras_efficient.ops.quantize`; of dilated windows x[b, i s + r d, c]. In float mode it is
    `keras.layers.DepthwiseConv1D`.

    Args:
        kernel_size: Steps that a window covers.
        depth_multiplier: Kernels for each input channel.
        strides: Steps from window to window (s).
        padding: `"valid"`, `"same"`, `"causal"` (all zeros come before) or the zeros (before, after).
        dilation_rate: Steps between the places of a window (d); with strides of 1 only.
        activation, signed_output, use_bias: See `KernelLayer`.
        per_channel, batch_norm: See `FoldingLayer`.
        kernel_bits, bias_bits, activation_bits, mode, initializers, regularizers, constraints:
            See `WeightedLayer`; the kernel starts orthogonal, the bias at zero.

    Input shape: (batch, steps, channels). Output shape: (batch, new steps, channels m).

    Weights: kernel (kernel size, channels, m), bias (channels m,), log2 scales of kernel, bias, output.

    Raises:
        ValueError: If the input is no signal of known channels, a window is larger than it, or an argument is wrong.

    Source: this package, after `DepthwiseConvQ`; the grid is that of Gural & Murmann, ICML 2019.
    """

    def __init__(
        self,
        kernel_size: int,
        depth_multiplier: int = 1,
        strides: int = 1,
        padding: str | tuple[int, int] = "valid",
        activation: Activation = None,
        kernel_bits: int = 4,
        bias_bits: int = 8,
        activation_bits: int = 4,
        signed_output: SignedOutput = "auto",
        mode: str = "float",
        **kwargs: Any,
    ):
        bits = (kernel_bits, bias_bits, activation_bits)
        super().__init__(kernel_size, strides, padding, activation, *bits, signed_output, mode, **kwargs)
        self.depth_multiplier = positive_integer(depth_multiplier, "depth_multiplier")

    def build(self, input_shape: Shape) -> None:
        channels = self.fix_channels(input_shape)
        kernel_shape = (self.kernel_size, channels, self.depth_multiplier)
        self.add_weights(kernel_shape, self.output_channels(channels), len(input_shape))

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        x, padding = self.padded(x)
        return ops.depthwise_conv(x, kernel, self.strides, padding, "channels_last", self.dilation_rate)

    def outputs_of(self, kernel_shape: tuple[int, ...]) -> tuple[int, ...]:
        return kernel_shape[-2:]

    def output_channels(self, input_channels: int) -> int:
        return input_channels * self.depth_multiplier

    def get_config(self) -> Config:
        return {**super().get_config(), "depth_multiplier": self.depth_multiplier}
