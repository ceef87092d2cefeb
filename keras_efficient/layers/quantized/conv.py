"""ConvQ and Conv1DQ: quantized convolutions over images and along time."""

from typing import Any

import keras
from keras import ops

from keras_efficient.checks import positive_integer
from keras_efficient.layers.quantized.folding import FoldingLayer
from keras_efficient.layers.quantized.window_layer import DilatedLayer
from keras_efficient.type_aliases import Activation, Shape, SignedOutput, Tensor


class ConvolutionLayer(DilatedLayer, FoldingLayer):
    """A convolution over images or along time, in groups."""

    config_keys = ["filters", "groups"]

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: Any = "valid",
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
        channels = self.fix_inputs(input_shape, self.places)
        if channels % self.groups or self.filters % self.groups:
            raise ValueError(
                f"`groups` must divide the {channels} channels of the input and the {self.filters} filters. "
                f"Received: groups={self.groups}"
            )
        self.add_weights((*self.kernel_sizes, channels // self.groups, self.filters), self.filters, len(input_shape))

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        x, padding = self.padded(x)
        return ops.conv(x, kernel, self.strides, padding, "channels_last", self.dilation_rate)


@keras.saving.register_keras_serializable(package="keras_efficient")
class ConvQ(ConvolutionLayer):
    """A two-dimensional convolution with quantized kernel, bias and output (channels last).

        y[b, i, j, f] = q_a(activation(sum_rsc x[b, i sr + r, j sc + s, c] q_k(kernel)[r, s, c, f]
                                       + q_b(bias)[f]))

    with q_k, q_b, q_a as in `keras_efficient.ops.quantize`; of dilated windows x[b, i sr + r dr, j sc + s dc, c].
    In float mode it is `keras.layers.Conv2D`. Source: Gural & Murmann, ICML 2019.

    Args:
        filters: Number of output channels.
        kernel_size: Integer or pair (rows, columns).
        strides: Integer or pair (sr, sc).
        padding: `"valid"`, `"same"`, or the zeros around the map as `keras.layers.ZeroPadding2D` takes them,
            such as `((above, below), (left, right))`.
        dilation_rate: Integer or pair (dr, dc); with strides of 1 only.
        groups: How many equal parts of the channels are filtered on their own, each by as many of the filters.
        activation, signed_output, use_bias, per_channel, batch_norm, kernel_bits, bias_bits, activation_bits, mode,
            initializers, regularizers, constraints: See `FoldingLayer`.

    Input shape: (batch, rows, columns, channels). Output shape: (batch, new rows, new columns, filters).

    Weights: kernel (rows, columns, channels / groups, filters), bias (filters,), log2 scales of kernel,
    bias, output.

    Raises:
        ValueError: If the input is no image of known channels, a window is larger than it, or an argument is wrong.
        TypeError: If `batch_norm` is something else.
    """


@keras.saving.register_keras_serializable(package="keras_efficient")
class Conv1DQ(ConvolutionLayer):
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
        groups: See `ConvQ`; all others: see `FoldingLayer`.

    Input shape: (batch, steps, channels). Output shape: (batch, new steps, filters).

    Weights: kernel (kernel size, channels / groups, filters), bias (filters,), log2 scales of kernel, bias,
    output.

    Raises:
        ValueError: If the input is no signal of known channels, a window is larger than it, or an argument is wrong.

    Source: this package, after `ConvQ`; the grid is that of Gural & Murmann, ICML 2019.
    """

    places = 1
