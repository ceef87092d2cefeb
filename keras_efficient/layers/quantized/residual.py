"""ResidualQ: a quantized residual block of two convolutions."""

import keras
from keras import ops

from keras_efficient.layers.arguments import image_channels
from keras_efficient.layers.quantized.weighted_layer import WeightedLayer
from keras_efficient.type_aliases import Shape, Tensor


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

    def build(self, input_shape: Shape) -> None:
        channels = image_channels(input_shape, self.name)
        self.kernel_1 = self.add_kernel("kernel_1", (3, 3, channels, channels))
        self.bias_1 = self.add_bias("bias_1", channels)
        self.kernel_2 = self.add_kernel("kernel_2", (3, 3, channels, channels))
        self.bias_2 = self.add_bias("bias_2", channels)
        self._first = self._add_quantizers(1, self.kernel_1, self.bias_1)
        self._second = self._add_quantizers(2, self.kernel_2, self.bias_2)

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

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
