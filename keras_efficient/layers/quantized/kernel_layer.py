"""The shared half of the layers with one kernel: activation, output grid, forward pass."""

from keras import activations, ops

from keras_efficient.layers.quantized.weighted_layer import WeightedLayer

# Activations that never give a negative value: an unsigned grid loses nothing.
_NON_NEGATIVE = ("relu", "relu6", "sigmoid", "hard_sigmoid", "softmax", "softplus", "exponential")


class KernelLayer(WeightedLayer):
    """A quantized layer with one kernel and one bias.

        y = q_a(activation(x * q_k(kernel) + q_b(bias)))

    where `*` is the product of the subclass (`apply_kernel`) and q_k, q_b, q_a are
    `ops.quantize` with `kernel_bits`, `bias_bits` (both signed) and `activation_bits`.

    Args:
        activation: Keras activation (name or function); None is linear.
        kernel_bits, bias_bits, activation_bits, mode: See `WeightedLayer`.
        signed_output: Grid of the output. `"auto"`: unsigned after an activation that gives no
            negative value (relu, sigmoid, ...), else signed. `False` is the 2019 study's rule,
            which quantizes logits unsigned.
        use_bias: Whether to add a bias.
        **kwargs: Initializers, regularizers and constraints of `WeightedLayer`.

    Weights: kernel, bias, then the log2 scales of kernel, bias and output (scalars).
    """

    def __init__(
        self,
        activation=None,
        kernel_bits=4,
        bias_bits=8,
        activation_bits=4,
        signed_output="auto",
        mode="float",
        use_bias=True,
        **kwargs,
    ):
        super().__init__(kernel_bits, bias_bits, activation_bits, mode, **kwargs)
        self.activation = activations.get(activation)
        self.signed_output = _check_signed_output(signed_output)
        self.use_bias = bool(use_bias)

    def apply_kernel(self, x, kernel):
        """The linear part of the layer without the bias."""
        raise NotImplementedError

    def add_weights(self, kernel_shape, outputs):
        """Create kernel, bias and scales, in the order of `layer.weights`."""
        self.kernel = self.add_kernel("kernel", kernel_shape)
        self.bias = self.add_bias("bias", outputs) if self.use_bias else None
        self.kernel_quantizer = self.add_quantizer("kernel", self.kernel_bits, weight=self.kernel)
        if self.use_bias:
            self.bias_quantizer = self.add_quantizer("bias", self.bias_bits, weight=self.bias)
        self.activation_quantizer = self.add_quantizer("activation", self.activation_bits, signed=self.output_is_signed)

    @property
    def output_is_signed(self) -> bool:
        """Whether the grid of the output has negative codes."""
        if self.signed_output == "auto":
            return may_be_negative(self.activation)
        return self.signed_output

    def get_prunable_weights(self):
        """What a `Prunable` masks."""
        return [self.kernel]

    def call(self, inputs):
        return self.activation_quantizer(self.activation(self.weighted_sums(inputs)), self.current_mode)

    def weighted_sums(self, inputs):
        """Kernel and bias, before the activation and the output quantizer."""
        x = self.apply_kernel(inputs, self.quantize_weight(self.kernel_quantizer))
        return ops.add(x, self.quantize_weight(self.bias_quantizer)) if self.use_bias else x

    def get_config(self):
        return {
            **super().get_config(),
            "activation": activations.serialize(self.activation),
            "signed_output": self.signed_output,
            "use_bias": self.use_bias,
        }


def may_be_negative(activation) -> bool:
    """Whether an activation function may give negative values: unknown ones may."""
    return getattr(activation, "__name__", None) not in _NON_NEGATIVE


def _check_signed_output(signed_output):
    if signed_output == "auto" or isinstance(signed_output, bool):
        return signed_output
    raise ValueError(f"`signed_output` must be 'auto', True or False. Received: signed_output={signed_output!r}")
