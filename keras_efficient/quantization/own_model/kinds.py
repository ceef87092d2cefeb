"""Small questions about layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_efficient.kinds import Key
from keras_efficient.layers.activation_names import activation_name as name_of_activation

BATCH_NORM, ACTIVATION, RELU = (Key("layers", name) for name in ("BatchNormalization", "Activation", "ReLU"))
RELU_6 = 6.0
GRIDS = ("linear", "relu", "relu6")  # activations that rounding alone computes


def activation_name(layer: Any) -> str:
    """The name of a layer's activation; "linear" where it has none."""
    return name_of_activation(getattr(layer, "activation", None))


def relu_name(key: Key | None, config: Mapping[str, Any]) -> str | None:
    """ "relu" or "relu6" for a layer that is nothing but that."""
    if key == ACTIVATION:
        return config["activation"] if config["activation"] in ("relu", "relu6") else None
    if key != RELU or config.get("negative_slope") or config.get("threshold"):
        return None
    limit = config.get("max_value")
    return {None: "relu", RELU_6: "relu6"}.get(None if limit is None else float(limit))
