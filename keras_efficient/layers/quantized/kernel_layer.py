"""The shared half of the layers with one kernel: activation, output grid, forward pass."""

from typing import Any

import keras
from keras import activations, initializers

from keras_efficient.layers.activation_names import activation_name
from keras_efficient.layers.quantized.weighted_layer import WeightedLayer
from keras_efficient.type_aliases import Activation, Initializer, SignedOutput, Tensor

# Activations that never give a negative value: an unsigned grid loses nothing.
_NON_NEGATIVE = ("relu", "relu6", "sigmoid", "hard_sigmoid", "softmax", "softplus", "exponential")


class KernelLayer(WeightedLayer):
    """A quantized layer with one kernel and one bias.

        y = q_a(activation(x * q_k(kernel) + q_b(bias)))

    where `*` is the product of the subclass and q_k, q_b, q_a are
    `ops.quantize` with `kernel_bits`, `bias_bits` (both signed) and `activation_bits`.

    Args:
        activation: Keras activation (name or function); None is linear.
        kernel_bits, bias_bits, activation_bits, mode: See `WeightedLayer`.
        signed_output: Grid of the output. `"auto"`: unsigned after an activation that gives no
            negative value (relu, sigmoid, ...), else signed. `False` is the 2019 study's rule,
            which quantizes logits unsigned.
        use_bias: Whether to add a bias.
        kernel_initializer: As in Keras.
        **kwargs: The other initializer, regularizers and constraints of `WeightedLayer`.

    Weights: kernel, bias, then the log2 scales of kernel, bias and output (scalars).
    """

    config_keys = ["activation", "signed_output", "use_bias", "kernel_initializer"]

    def __init__(
        self,
        activation: Activation = None,
        kernel_bits: int | None = 4,
        bias_bits: int | None = 8,
        activation_bits: int | None = 4,
        signed_output: SignedOutput = "auto",
        mode: str = "float",
        use_bias: bool = True,
        kernel_initializer: Initializer = "orthogonal",
        **kwargs: Any,
    ):
        super().__init__(kernel_bits, bias_bits, activation_bits, mode, **kwargs)
        self.activation = activations.get(activation)
        self.signed_output = check_signed_output(signed_output)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)

    @property
    def output_is_signed(self) -> bool:
        """Whether the grid of the output has negative codes."""
        if self.signed_output == "auto":
            return may_be_negative(self.activation)
        return self.signed_output

    def get_prunable_weights(self) -> list[keras.Variable]:
        """What a `Prunable` masks."""
        return [self.kernel]

    def call(self, inputs: Tensor) -> Tensor:
        y = self.activation(self.weighted_sums(inputs))
        return y if self.activation_quantizer is None else self.activation_quantizer(y, self.current_mode)

    def weighted_sums(self, inputs: Tensor) -> Tensor:
        """Kernel and bias, before the activation and the output quantizer."""
        raise NotImplementedError


def may_be_negative(activation: Activation) -> bool:
    """Whether an activation function may give negative values: unknown ones may."""
    return activation_name(activation) not in _NON_NEGATIVE


def check_signed_output(signed_output: SignedOutput) -> SignedOutput:
    if signed_output == "auto" or isinstance(signed_output, bool):
        return signed_output
    raise ValueError(f"`signed_output` must be 'auto', True or False. Received: signed_output={signed_output!r}")
