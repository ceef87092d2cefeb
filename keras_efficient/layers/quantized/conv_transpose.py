"""Conv1DTransposeQ and Conv2DTransposeQ: quantized transposed convolutions."""

from typing import Any

import keras

from keras_efficient.checks import positive_integer
from keras_efficient.kinds.transposed import read_transposed
from keras_efficient.kinds.windows import Slide, read_border
from keras_efficient.layers.arguments import last_size, padding_name
from keras_efficient.layers.quantized.folding import FoldingLayer
from keras_efficient.layers.quantized.window_layer import DilatedLayer
from keras_efficient.ops.conv_transpose import conv_transpose
from keras_efficient.type_aliases import Activation, Shape, SignedOutput, Tensor


class TransposedLayer(DilatedLayer, FoldingLayer):
    """A transposed convolution: the kernel is (..., filters, channels), and strides make the map larger."""

    config_keys = ["filters", "output_padding"]

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        activation: Activation = None,
        kernel_bits: int = 4,
        bias_bits: int = 8,
        activation_bits: int = 4,
        signed_output: SignedOutput = "auto",
        mode: str = "float",
        output_padding: int | tuple[int, int] | None = None,
        **kwargs: Any,
    ):
        bits = (kernel_bits, bias_bits, activation_bits)
        padding = padding_name(padding)
        super().__init__(kernel_size, strides, padding, activation, *bits, signed_output, mode, **kwargs)
        self.filters = positive_integer(filters, "filters")
        self.output_padding = tuple(output_padding) if isinstance(output_padding, list) else output_padding
        _ = self.window  # checks the output padding

    @property
    def window(self) -> Slide:
        """As the price and the integers read it: over images, whose rows and columns lie apart."""
        return read_transposed({**self.window_config, "output_padding": self.output_padding}, self.places + 1)

    def build(self, input_shape: Shape) -> None:
        channels = self.fix_inputs(input_shape, self.places)
        self.add_weights((*self.kernel_sizes, self.filters, channels), self.filters, len(input_shape))

    def outputs_of(self, kernel_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (kernel_shape[-2], 1)

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        window, first = self.window, -self.places
        zeros = read_border(window.padding)[first:]
        return conv_transpose(x, kernel, window.spread[first:], zeros, window.dilation[first:])

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        last_size(input_shape, self.name, self.places)
        places = self.window.places(input_shape[1:])
        if any(size is not None and size < 1 for size in places):
            raise ValueError(
                f"Layer '{self.name}' with output_padding={self.output_padding} leaves nothing of its input. "
                f"Received: input shape {tuple(input_shape)}"
            )
        return (input_shape[0], *places, self.filters)


@keras.saving.register_keras_serializable(package="keras_efficient")
class Conv2DTransposeQ(TransposedLayer):
    """A transposed two-dimensional convolution with quantized kernel, bias and output (channels last).

        y[b, i sr + r - p, j sc + s - q, f] = q_a(activation(sum x[b, i, j, c] q_k(kernel)[r, s, f, c] + q_b(bias)[f]))

    with q_k, q_b, q_a as in `keras_efficient.ops.quantize`; the sum is over all i, r, j, s and c that meet at a place.
    p and q, and the size of the output, are those of `keras.layers.Conv2DTranspose`, which it is in float mode.

    Args:
        filters: Number of output channels.
        kernel_size: Integer or pair (rows, columns).
        strides: Integer or pair (sr, sc): how far apart the places of the input come to lie.
        padding: `"valid"` or `"same"`.
        output_padding: Rows and columns that come at the end, less than the strides; None: with padding "same" the
            output has `strides` times the size of the input.
        dilation_rate: Integer or pair, between the places of a window; with strides of 1 only.
        activation, signed_output, use_bias, per_channel, batch_norm, kernel_bits, bias_bits, activation_bits, mode,
            initializers, regularizers, constraints: See `FoldingLayer`.

    Input shape: (batch, rows, columns, channels). Output shape: (batch, new rows, new columns, filters).

    Weights: kernel (rows, columns, filters, channels), bias (filters,), log2 scales of kernel (with `per_channel`
    (filters, 1)), bias, output.

    Raises:
        ValueError: If the input is no image of known channels, or an argument is wrong.

    Source: this package, after `ConvQ`; the grid is that of Gural & Murmann, ICML 2019.
    """


@keras.saving.register_keras_serializable(package="keras_efficient")
class Conv1DTransposeQ(TransposedLayer):
    """A transposed convolution along time with quantized kernel, bias and output (channels last).

        y[b, i s + r - p, f] = q_a(activation(sum x[b, i, c] q_k(kernel)[r, f, c] + q_b(bias)[f]))

    In float mode it is `keras.layers.Conv1DTranspose`. See `Conv2DTransposeQ`.

    Args:
        filters: Number of output channels.
        kernel_size: Steps that a window covers.
        strides: How far apart the steps of the input come to lie (s).
        padding: `"valid"` or `"same"`.
        output_padding: Steps that come at the end, less than the strides; None: see `Conv2DTransposeQ`.
        dilation_rate: Steps between the places of a window; with strides of 1 only.
        activation, signed_output, use_bias, per_channel, batch_norm, kernel_bits, bias_bits, activation_bits, mode,
            initializers, regularizers, constraints: See `Conv2DTransposeQ`.

    Input shape: (batch, steps, channels). Output shape: (batch, new steps, filters).

    Weights: kernel (kernel size, filters, channels), bias (filters,), log2 scales of kernel (with `per_channel`
    (filters, 1)), bias, output.

    Raises:
        ValueError: If the input is no signal of known channels, or an argument is wrong.

    Source: this package, after `Conv1DQ`; the grid is that of Gural & Murmann, ICML 2019.
    """

    places = 1
