"""DepthwiseConvQ and DepthwiseConv1DQ: quantized depthwise convolutions over images and along time."""

from typing import Any

import keras

from keras_efficient.checks import positive_integer
from keras_efficient.layers.quantized.folding import FoldingLayer
from keras_efficient.layers.quantized.window_layer import DilatedLayer
from keras_efficient.ops.depthwise_conv import depthwise_conv
from keras_efficient.type_aliases import Activation, Shape, SignedOutput, Tensor


class DepthwiseConvolution(DilatedLayer, FoldingLayer):
    """A depthwise convolution over images or along time."""

    config_keys = ["depth_multiplier"]

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        depth_multiplier: int = 1,
        strides: int | tuple[int, int] = 1,
        padding: Any = "valid",
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
        channels = self.fix_inputs(input_shape, self.places)
        kernel_shape = (*self.kernel_sizes, channels, self.depth_multiplier)
        self.add_weights(kernel_shape, self.output_channels(channels), len(input_shape))

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        x, padding = self.padded(x)
        return depthwise_conv(x, kernel, self.strides, padding, self.dilation_rate)

    def outputs_of(self, kernel_shape: tuple[int, ...]) -> tuple[int, ...]:
        return kernel_shape[-2:]

    def output_channels(self, input_channels: int) -> int:
        return input_channels * self.depth_multiplier


@keras.saving.register_keras_serializable(package="keras_efficient")
class DepthwiseConvQ(DepthwiseConvolution):
    """A depthwise convolution with quantized kernel, bias and output (channels last).

    Every input channel c is filtered on its own, by m = `depth_multiplier` kernels:

        y[b, i, j, c m + d] = q_a(activation(
            sum_rs x[b, i sr + r, j sc + s, c] q_k(kernel)[r, s, c, d] + q_b(bias)[c m + d]))

    with q_k, q_b, q_a as in `keras_efficient.ops.quantize`. In float mode it is
    `keras.layers.DepthwiseConv2D`, but strides may differ; of dilated windows it reads
    x[b, i sr + r dr, j sc + s dc, c]. Source: Gural & Murmann, ICML 2019 (their `ThinConvQ`).

    Args:
        kernel_size: Integer or pair (rows, columns).
        depth_multiplier: Kernels for each input channel.
        strides: Integer or pair (sr, sc).
        padding: `"valid"`, `"same"`, or the zeros around the map as in `ConvQ`.
        dilation_rate: Integer or pair (dr, dc); with strides of 1 only.
        activation, signed_output, use_bias, per_channel, batch_norm, kernel_bits, bias_bits, activation_bits, mode,
            initializers, regularizers, constraints: See `FoldingLayer`.

    Input shape: (batch, rows, columns, channels). Output shape: (batch, new rows, new columns, channels m).

    Weights: kernel (rows, columns, channels, m), bias (channels m,), log2 scales of kernel,
    bias, output.

    Raises:
        ValueError: If the input is no image of known channels, a window is larger than it, or an argument is wrong.
        TypeError: If `batch_norm` is something else.
    """


@keras.saving.register_keras_serializable(package="keras_efficient")
class DepthwiseConv1DQ(DepthwiseConvolution):
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
        All others: See `FoldingLayer`.

    Input shape: (batch, steps, channels). Output shape: (batch, new steps, channels m).

    Weights: kernel (kernel size, channels, m), bias (channels m,), log2 scales of kernel, bias, output.

    Raises:
        ValueError: If the input is no signal of known channels, a window is larger than it, or an argument is wrong.

    Source: this package, after `DepthwiseConvQ`; the grid is that of Gural & Murmann, ICML 2019.
    """

    places = 1
