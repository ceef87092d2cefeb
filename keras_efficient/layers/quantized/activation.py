"""ActivationQ and InputQ: a quantizer as a layer, of its input or of a function of that."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import activations

from keras_efficient.checks import flag, one_of
from keras_efficient.kinds.elementwise import FUNCTIONS
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.ops.quantize import check_bits
from keras_efficient.type_aliases import Activation, Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class ActivationQ(QuantizedLayer):
    """Rounds a function of its input to a grid of `bits` bits: `y = ops.quantize(f(x), bits, scale, signed)`.

    In float mode it is `f`. In C the functions that Keras knows are tables with an entry for each code of the input,
    which therefore has at most 8 bits; others are refused there. Each slope of a PReLU has a table of its own. Source:
    Gural & Murmann, ICML 2019 (their `QuantQ`, without a function).

    Args:
        bits: Width in bits, 1 to 16.
        signed: Whether the grid has negative codes.
        mode: See `QuantizedLayer`.
        activation: The function f of each number by itself: a Keras activation (name or function) or a layer such as
            `keras.layers.LeakyReLU(0.1)`; None is linear.

    Input shape: any. Output shape: the same.

    Weights: the log2 scale (a scalar), then those of a layer `activation` (the slopes of a PReLU).

    Raises:
        ValueError: If `bits` or `mode` is something else.
    """

    config_keys = ["bits", "signed", "activation"]

    def __init__(
        self, bits: int = 4, signed: bool = True, mode: str = "float", activation: Activation = None, **kwargs: Any
    ):
        super().__init__(mode=mode, **kwargs)
        self.bits = check_bits(bits)
        self.signed = flag(signed, "signed")
        self.activation = activations.get(activation)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self.activation_quantizer = self.add_quantizer("activation", self.bits, self.signed)
        if isinstance(self.activation, keras.layers.Layer) and not self.activation.built:
            self.activation.build(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        return self.activation_quantizer(self.activation(inputs), self.current_mode)

    def get_config(self) -> Config:
        config = super().get_config()
        return {**config, "activation": None} if self.activation is activations.linear else config


@keras.saving.register_keras_serializable(package="keras_efficient")
class InputQ(ActivationQ):
    """Rounds the input of a network to integers of `bits` bits: what a sensor gives.

        y = ops.quantize(x, bits, scale, signed)

    In an exported network (`bits` 8 or 16) the integers of this grid are what is pushed, and what
    `IntegerModel.predict` takes; layers before it (a rescaling, say) stay outside. After it the outputs of the last
    layer are its own output codes.

    As a layer it is an `ActivationQ` without a function: see there for arguments, shapes, weights and errors.

    Source: this package; the grid is that of Gural & Murmann, ICML 2019.
    """

    def __init__(self, bits: int = 8, signed: bool = False, mode: str = "float", **kwargs: Any):
        function = kwargs.get("activation")
        if function is not None:
            raise ValueError(f"`activation` must be None: a device pushes numbers. Received: activation={function!r}")
        super().__init__(bits=bits, signed=signed, mode=mode, **kwargs)


@keras.saving.register_keras_serializable(package="keras_efficient")
class Function(keras.layers.Layer):
    """A function of each number by itself, for `ActivationQ(activation=)`: `y = keras.ops.FUNCTION(x, **arguments)`.

    Args:
        function: Its name in `keras.ops`, such as "absolute", "clip" or "power".
        arguments: Numbers that it takes beside x, by name: {"x_min": -1, "x_max": 1}.

    Input shape: any. Output shape: the same.

    Raises:
        ValueError: A name that is no such function, or other arguments.

    Source: this package; the functions are those of Keras.
    """

    def __init__(self, function: str, arguments: Mapping[str, float] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        one_of(function, "function", FUNCTIONS)
        if sorted(arguments or {}) != sorted(FUNCTIONS[function]):
            raise ValueError(
                f"arguments of {function!r} must be {list(FUNCTIONS[function])}. Received: arguments={arguments!r}"
            )
        self.function, self.arguments = function, {name: float(value) for name, value in (arguments or {}).items()}

    def call(self, x: Tensor) -> Tensor:
        return getattr(keras.ops, self.function)(x, **self.arguments)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> Config:
        return {**super().get_config(), "function": self.function, "arguments": self.arguments}
