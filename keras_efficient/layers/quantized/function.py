"""Function: a function of `keras.ops` as an activation."""

from collections.abc import Mapping
from typing import Any

import keras

from keras_efficient.kinds.elementwise import FUNCTIONS
from keras_efficient.type_aliases import Config, Shape, Tensor


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
        if function not in FUNCTIONS:
            raise ValueError(f"function must be one of {', '.join(FUNCTIONS)}. Received: function={function!r}")
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
