"""AveragePoolingQ, MeanPoolingQ and GlobalMeanPoolingQ: means of windows and of whole maps."""

import math
from typing import Any

import keras
from keras import ops

from keras_efficient import ops as efficient_ops
from keras_efficient.checks import integer_pair, positive_integer
from keras_efficient.kinds.windows import Slide, mean_reciprocal
from keras_efficient.layers.arguments import last_size, padding_name, window_places
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.ops.depthwise_conv import depthwise_conv
from keras_efficient.ops.quantize import HALF_PRECISION, check_bits
from keras_efficient.type_aliases import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class AveragePoolingQ(QuantizedLayer):
    """Average pooling, rounded *down* to an unsigned grid of `bits` bits over [0, 1).

        y = ops.quantize(mean of the window, bits, log2_scale=0, signed=False, rounding="floor")

    In a microcontroller that is a sum and a shift. In float mode it is
    `keras.layers.AveragePooling2D`. Meant for images with values byte / 256.
    Source: Gural & Murmann, ICML 2019.

    Args:
        pool_size: Integer or pair (rows, columns).
        bits: Width of the output in bits, 1 to 16.
        strides: Integer or pair; None is `pool_size`.
        padding: `"valid"` or `"same"`.
        mode: See `QuantizedLayer`.

    Input shape: (batch, rows, columns, channels).
    Output shape: (batch, new rows, new columns, channels). The layer has no weights.

    Raises:
        ValueError: If the input is no image of known channels, a window is larger than it, or an argument is wrong.
    """

    config_keys = ["pool_size", "bits", "strides", "padding"]

    def __init__(
        self,
        pool_size: int | tuple[int, int] = 2,
        bits: int = 4,
        strides: int | tuple[int, int] | None = None,
        padding: str = "valid",
        mode: str = "float",
        **kwargs: Any,
    ):
        super().__init__(mode=mode, **kwargs)
        self.pool_size = integer_pair(pool_size, "pool_size")
        self.bits = check_bits(bits)
        self.strides = self.pool_size if strides is None else integer_pair(strides, "strides")
        self.padding = padding_name(padding)

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)  # a window larger than the input ends here

    def call(self, inputs: Tensor) -> Tensor:
        x = self.means(inputs)
        if not self.current_mode.quantized:
            return x
        return efficient_ops.quantize(x, self.bits, 0.0, signed=False, rounding="floor")

    def means(self, x: Tensor) -> Tensor:
        """The mean of what each window holds of the image."""
        if self.padding == "valid" or keras.backend.backend() != "torch":
            return ops.average_pool(x, self.pool_size, self.strides, self.padding, data_format="channels_last")
        # Keras on torch averages repeated borders, too. Zeros beside the image, and what is 1 on it:
        ones = ops.ones((*self.pool_size, x.shape[-1], 1), dtype=x.dtype)
        sums, counts = (
            ops.depthwise_conv(each, ones, self.strides, self.padding, data_format="channels_last")
            for each in (x, ops.ones_like(x))
        )
        return sums / counts

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        channels = last_size(input_shape, self.name, 2)
        window = Slide(self.pool_size, self.strides, self.padding)
        return (input_shape[0], *window_places(input_shape, window, self.name), channels)


class MeanLayer(QuantizedLayer):
    """A layer of means: sums times a reciprocal of eight bits, then a quantizer."""

    config_keys = ["activation_bits", "signed_output"]

    def __init__(self, activation_bits: int, signed_output: bool, mode: str, **kwargs: Any):
        super().__init__(mode=mode, **kwargs)
        self.activation_bits = check_bits(activation_bits, "activation_bits")
        self.signed_output = bool(signed_output)

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)  # a window larger than the input ends here
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape), axes={-1: input_shape[-1]})
        self.activation_quantizer = self.add_quantizer("activation", self.activation_bits, self.signed_output)

    def quantized_means(self, sums: Tensor, count: int, counts: Tensor | None = None) -> Tensor:
        """The output, from the sums of `count` numbers, or of `counts` of them up to that."""
        mode = self.current_mode
        reciprocal = mean_reciprocal if mode.quantized else lambda numbers: 1 / numbers
        factors = reciprocal(count)
        if counts is not None:
            table = ops.convert_to_tensor([0.0, *map(reciprocal, range(1, count + 1))], dtype=sums.dtype)
            factors = ops.take(table, ops.cast(counts, "int32"), axis=0)
        return ops.cast(self.activation_quantizer(sums * factors, mode), self.compute_dtype)


@keras.saving.register_keras_serializable(package="keras_efficient")
class MeanPoolingQ(MeanLayer):
    """Average pooling of images or signals, with a quantized output.

        y = q_a(sum of the window * r),    r = 1 / (numbers of the window), to eight binary digits

    with q_a as in `keras_efficient.ops.quantize`; what lies beside the map does not count. r is exact for windows of
    1, 2, 4, 8 ... numbers and off by 0.4 % at most elsewhere. In float mode it is
    `keras.layers.AveragePooling2D` or `1D`. (The pooling of the 2 KB network, rounded down to a grid over [0, 1), is
    `AveragePoolingQ`.)

    Args:
        pool_size: Integer, or pair (rows, columns) for images.
        activation_bits: Width of the output in bits, 1 to 16.
        strides: As `pool_size`; None is `pool_size`.
        padding: `"valid"` or `"same"`.
        signed_output: Whether the grid of the output has negative codes.
        mode: See `QuantizedLayer`.

    Input shape: (batch, rows, columns, channels) or (batch, steps, channels).
    Output shape: the same with fewer places.

    Weights: the log2 scale of the output (a scalar).

    Raises:
        ValueError: If a window is larger than the input; for wrong padding, bits or mode.

    Source: this package; the grid is that of Gural & Murmann, ICML 2019.
    """

    config_keys = ["pool_size", "strides", "padding"]

    def __init__(
        self,
        pool_size: int | tuple[int, int] = 2,
        activation_bits: int = 4,
        strides: int | tuple[int, int] | None = None,
        padding: str = "valid",
        signed_output: bool = True,
        mode: str = "float",
        **kwargs: Any,
    ):
        super().__init__(activation_bits, signed_output, mode, **kwargs)
        self.pool_size = _window_lengths(pool_size, "pool_size")
        self.strides = self.pool_size if strides is None else _window_lengths(strides, "strides")
        self.padding = padding_name(padding)

    def call(self, inputs: Tensor) -> Tensor:
        x = _summable(inputs if len(inputs.shape) == 4 else ops.expand_dims(inputs, 1))
        sizes, strides = self._windows(inputs.shape)

        def sums(x):
            return depthwise_conv(x, ops.ones((*sizes, x.shape[-1], 1), dtype=x.dtype), strides, self.padding)

        counts = None if self.padding == "valid" else sums(ops.ones_like(x[:1, :, :, :1]))
        y = self.quantized_means(sums(x), math.prod(sizes), counts)
        return y if len(inputs.shape) == 4 else y[:, 0]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes, strides = self._windows(input_shape)
        channels = last_size(input_shape, self.name, 2 if len(input_shape) == 4 else 1)
        window = Slide(sizes, strides, self.padding)
        return (input_shape[0], *window_places(input_shape, window, self.name), channels)

    def _windows(self, input_shape):
        """Pairs of sizes and strides; a signal is an image of one row, on which all strides are alike."""
        if len(input_shape) == 4:
            return integer_pair(self.pool_size, "pool_size"), integer_pair(self.strides, "strides")
        size = positive_integer(self.pool_size, "pool_size")
        stride = positive_integer(self.strides, "strides")
        return (1, size), (stride, stride)


@keras.saving.register_keras_serializable(package="keras_efficient")
class GlobalMeanPoolingQ(MeanLayer):
    """The mean of each channel over all places, with a quantized output.

        y = q_a(sum of the channel * r),    r = 1 / places, to eight binary digits

    In float mode it is `keras.layers.GlobalAveragePooling2D` or `1D`.

    Args:
        activation_bits, signed_output, mode: See `MeanPoolingQ`.
        keepdims: Whether the output keeps axes of length 1 for the places.

    Input shape: (batch, ..., channels) of known size. Output shape: (batch, channels).

    Weights: the log2 scale of the output (a scalar).

    Raises:
        ValueError: If there are no places between batch and channels, or an unknown number of them; for wrong
            bits or mode.

    Source: this package; the grid is that of Gural & Murmann, ICML 2019.
    """

    config_keys = ["keepdims"]

    def __init__(
        self,
        activation_bits: int = 4,
        signed_output: bool = True,
        keepdims: bool = False,
        mode: str = "float",
        **kwargs: Any,
    ):
        super().__init__(activation_bits, signed_output, mode, **kwargs)
        self.keepdims = bool(keepdims)

    def build(self, input_shape: Shape) -> None:
        if None in input_shape[1:]:
            raise ValueError(
                f"Layer '{self.name}' divides by the number of places, which must be known. "
                f"Received: input shape {tuple(input_shape)}"
            )
        super().build(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        axes = tuple(range(1, len(inputs.shape) - 1))
        count = math.prod(inputs.shape[axis] for axis in axes)
        return self.quantized_means(ops.sum(_summable(inputs), axis=axes, keepdims=self.keepdims), count)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) < 3:
            raise ValueError(
                f"Layer '{self.name}' needs inputs of shape (batch, ..., channels) with places between. "
                f"Received: input shape {tuple(input_shape)}"
            )
        places = (1,) * (len(input_shape) - 2) if self.keepdims else ()
        return (input_shape[0], *places, input_shape[-1])


def _summable(x: Tensor) -> Tensor:
    """`x` in a dtype whose sums neither overflow nor lose the digits of a grid."""
    return ops.cast(x, "float32") if keras.backend.standardize_dtype(x.dtype) in HALF_PRECISION else x


def _window_lengths(value, name):
    """An integer as it is (for images and signals), a pair as a pair."""
    pair = integer_pair(value, name)
    return pair if isinstance(value, (list, tuple)) else pair[0]
