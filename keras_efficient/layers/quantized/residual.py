"""ResidualQ: a quantized residual block of two convolutions."""

from typing import Any

import keras
from keras import initializers, ops

from keras_efficient.layers.arguments import last_size
from keras_efficient.layers.quantized.weighted_layer import WeightedLayer
from keras_efficient.type_aliases import Initializer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class ResidualQ(WeightedLayer):
    """Two quantized 3x3 'same' convolutions around a skip connection (channels last).

        h = q_a(relu(conv(x, q_k(kernel 1)) + q_b(bias 1)))
        y = q_a(relu(conv(h, q_k(kernel 2)) + q_b(bias 2) + x))

    Both quantizers q_a are unsigned; each has its own scale. The block keeps the shape of its
    input. Source: Gural & Murmann, ICML 2019 (their `ResidQ`).

    Args:
        kernel_bits, bias_bits, activation_bits, mode, initializers, regularizers, constraints:
            See `WeightedLayer`; they hold for both convolutions.

    Input shape: (batch, rows, columns, channels). Output shape: the same.

    Weights: kernel 1 (3, 3, channels, channels), bias 1 (channels,), kernel 2, bias 2, then the
    log2 scales kernel 1, bias 1, activation 1, kernel 2, bias 2, activation 2.

    Raises:
        ValueError: If the input is no image of known channels, or an argument is wrong.
    """

    # None is for other families.
    kernel_bits: int
    bias_bits: int
    activation_bits: int
    config_keys = ["kernel_initializer"]

    def __init__(
        self,
        kernel_bits: int = 4,
        bias_bits: int = 8,
        activation_bits: int = 4,
        mode: str = "float",
        kernel_initializer: Initializer = "orthogonal",
        **kwargs: Any,
    ):
        super().__init__(kernel_bits, bias_bits, activation_bits, mode, **kwargs)
        self.kernel_initializer = initializers.get(kernel_initializer)

    def build(self, input_shape: Shape) -> None:
        channels = last_size(input_shape, self.name, 2)
        self.kernel_1, self.bias_1 = self._add_pair(1, channels)
        self.kernel_2, self.bias_2 = self._add_pair(2, channels)
        self._first = self._add_quantizers(1, self.kernel_1, self.bias_1)
        self._second = self._add_quantizers(2, self.kernel_2, self.bias_2)

    def _add_pair(self, number, channels):
        initializer = self.drawn_in_float32(self.kernel_initializer)
        kernel = self.add_kernel(f"kernel_{number}", (3, 3, channels, channels), initializer)
        return kernel, self.add_bias((channels,), f"bias_{number}")

    def _add_quantizers(self, number, kernel, bias):
        return (
            self.add_quantizer(f"kernel_{number}", self.kernel_bits, weight=kernel),
            self.add_quantizer(f"bias_{number}", self.bias_bits, weight=bias),
            self.add_quantizer(f"activation_{number}", self.activation_bits, signed=False),
        )

    def get_prunable_weights(self) -> list[keras.Variable]:
        """What a `Prunable` masks."""
        return [self.kernel_1, self.kernel_2]

    def call(self, inputs: Tensor) -> Tensor:
        return self._rectify(self.weighted_sums(inputs), self._second)

    def weighted_sums(self, inputs: Tensor) -> Tensor:
        """The second convolution and the skip, before the last relu and quantizer."""
        hidden = self._rectify(self._convolve(inputs, self._first), self._first)
        return self._convolve(hidden, self._second) + inputs

    def _convolve(self, x, quantizers):
        kernel, bias, _ = quantizers
        x = ops.conv(x, self.quantize_weight(kernel), padding="same", data_format="channels_last")
        return x + self.quantize_weight(bias)

    def _rectify(self, x, quantizers):
        return quantizers[-1](ops.relu(x), self.current_mode)
