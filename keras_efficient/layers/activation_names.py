"""What an activation function is known by."""

from typing import Any


def activation_name(activation: Any) -> str:
    """The name of one of Keras's own functions, "linear" for None; of others with their module: "mine>relu".

    Two functions of one name need not compute the same, so a name alone says nothing.
    """
    if activation is None:
        return "linear"
    name = getattr(activation, "__name__", repr(activation))
    module = getattr(activation, "__module__", None) or ""
    return name if module.split(".")[0] == "keras" else f"{module}>{name}"
