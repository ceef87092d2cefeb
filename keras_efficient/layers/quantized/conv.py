"""ConvQ: a quantized two-dimensional convolution."""

from typing import Any

import keras
from keras import ops

from keras_efficient.kinds.windows import Padding, Slide
from keras_efficient.layers.arguments import (
    check_dilation,
    check_groups,
    image_channels,
    integer_pair,
    positive_integer,
    window_padding,
    window_sizes,
)
from keras_efficient.layers.quantized.folding import FoldingLayer
from keras_efficient.layers.quantized.kernel_layer import KernelLayer
from keras_efficient.ops.padding import pad_places
from keras_efficient.type_aliases import Activation, Config, Shape, SignedOutput, Tensor


class WindowLayer(KernelLayer):
    """A kernel layer that slides over images: kernel size, strides, padding and dilation."""

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int],
        padding: Padding,
        *args: Any,
        dilation_rate: int | tuple[int, int] = 1,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.kernel_size = integer_pair(kernel_size, "kernel_size")
        self.strides = integer_pair(strides, "strides")
        self.padding = window_padding(padding)
        self.dilation_rate = integer_pair(dilation_rate, "dilation_rate")
        check_dilation(self.dilation_rate, self.strides)

    @property
    def window(self) -> Slide:
        """As the price and the integers read it."""
        return Slide(self.kernel_size, self.strides, self.padding, self.dilation_rate)

    def padded(self, x: Tensor) -> tuple[Tensor, str]:
        """The input with the zeros that the layer was given, and the padding that is left for the operation."""
        return (x, self.padding) if isinstance(self.padding, str) else (pad_places(x, self.padding), "valid")

    def fix_channels(self, input_shape: Shape) -> int:
        """The channels of the input, which every later input must have, too."""
        channels = image_channels(input_shape, self.name)
        self.compute_output_shape(input_shape)  # a window larger than the input ends here
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: channels})
        return channels

    def smallest_input(self, channels: int) -> Shape:
        """The shape, without the batch, of a map that holds one window."""
        return (*self.window.extents, channels)

    def output_channels(self, input_channels: int) -> int:
        """The channels of the output map."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = window_sizes(input_shape, self.window.extents, self.strides, self.padding, self.name)
        return (input_shape[0], *sizes, self.output_channels(image_channels(input_shape, self.name)))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
        }


@keras.saving.register_keras_serializable(package="keras_efficient")
class ConvQ(WindowLayer, FoldingLayer):
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
        activation, signed_output, use_bias: See `KernelLayer`.
        per_channel, batch_norm: See `FoldingLayer`.
        kernel_bits, bias_bits, activation_bits, mode, initializers, regularizers, constraints:
            See `WeightedLayer`; the kernel starts orthogonal, the bias at zero.

    Input shape: (batch, rows, columns, channels).
    Output shape: (batch, new rows, new columns, filters).

    Weights: kernel (rows, columns, channels / groups, filters), bias (filters,), log2 scales of kernel,
    bias, output.

    Raises:
        ValueError: If the input is no image of known channels, a window is larger than it, or an argument is wrong.
        TypeError: If `batch_norm` is something else.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: Padding = "valid",
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
        self.add_weights((*self.kernel_size, channels // self.groups, self.filters), self.filters, len(input_shape))

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        x, padding = self.padded(x)
        return ops.conv(x, kernel, self.strides, padding, "channels_last", self.dilation_rate)

    def output_channels(self, input_channels: int) -> int:
        return self.filters

    def get_config(self) -> Config:
        return {**super().get_config(), "filters": self.filters, "groups": self.groups}
