"""Names of the layer classes that have a quantized form, and small questions about layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_efficient.layers.activation_names import activation_name as name_of_activation

KERNELS = ("Dense", "Conv1D", "Conv2D", "DepthwiseConv2D", "SeparableConv2D")
BATCH_NORM = "BatchNormalization"
ADDITIONS = ("Add",)
CONCATENATIONS = ("Concatenate",)
MEANS = ("AveragePooling1D", "AveragePooling2D")
GLOBAL_MEANS = ("GlobalAveragePooling1D", "GlobalAveragePooling2D")
RELU_6 = 6.0


def activation_name(layer: Any) -> str:
    """The name of a layer's activation; "linear" where it has none."""
    return name_of_activation(getattr(layer, "activation", None))


def is_linear(layer: Any) -> bool:
    """Whether a layer has no activation of its own."""
    return activation_name(layer) == "linear"


def relu_name(class_name: str, config: Mapping[str, Any]) -> str | None:
    """ "relu" or "relu6" for a layer that is nothing but that."""
    if class_name == "Activation":
        return config["activation"] if config["activation"] in ("relu", "relu6") else None
    if class_name != "ReLU" or config.get("negative_slope") or config.get("threshold"):
        return None
    limit = config.get("max_value")
    return {None: "relu", RELU_6: "relu6"}.get(None if limit is None else float(limit))
