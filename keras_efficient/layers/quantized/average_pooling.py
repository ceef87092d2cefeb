"""AveragePoolingQ: average pooling whose output is cut to a few bits."""

from typing import Any

import keras
from keras import ops

from keras_efficient import ops as efficient_ops
from keras_efficient.kinds.windows import Slide
from keras_efficient.layers.arguments import integer_pair, last_size, padding_name, window_places
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.ops.quantize import check_bits
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
