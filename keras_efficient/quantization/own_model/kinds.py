"""Names of the layer classes that have a quantized form, and small questions about layers."""

from __future__ import annotations

from typing import Any

import keras

KERNELS = ("Dense", "Conv1D", "Conv2D", "DepthwiseConv2D", "SeparableConv2D")
BATCH_NORM = "BatchNormalization"
ADDITIONS = ("Add",)
CONCATENATIONS = ("Concatenate",)
MEANS = ("AveragePooling1D", "AveragePooling2D")
GLOBAL_MEANS = ("GlobalAveragePooling1D", "GlobalAveragePooling2D")
# Their outputs lie on the grid of their input.
PASSING = (
    *("InputLayer", "Flatten", "Reshape", "Permute", "Dropout", "SpatialDropout1D", "SpatialDropout2D"),
    *("GaussianNoise", "GaussianDropout", "MaxPooling1D", "MaxPooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D"),
    *("ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D", "UpSampling1D"),
)
# What may follow the last layer that works.
HEADS = ("Activation", "Softmax", "ReLU", "LeakyReLU", "Flatten", "Reshape", "Dropout")
WRAPPER = "Prunable"
RELU_6 = 6.0


def core(operation: Any) -> Any:
    """The layer itself, or the one that prunes within its wrapper."""
    return operation.layer if type(operation).__name__ == WRAPPER else operation


def kind_of(operation: Any) -> str:
    return type(core(operation)).__name__


def activation_name(layer: Any) -> str:
    activation = getattr(layer, "activation", None)
    return "linear" if activation is None else getattr(activation, "__name__", repr(activation))


def is_linear(layer: Any) -> bool:
    return activation_name(layer) == "linear"


def relu_name(operation: Any) -> str | None:
    """ "relu" or "relu6" for a layer that is nothing but that."""
    if isinstance(operation, keras.layers.ReLU):
        plain = not operation.negative_slope and not operation.threshold
        limits = {None: "relu", RELU_6: "relu6"}
        return limits.get(None if operation.max_value is None else float(operation.max_value)) if plain else None
    if isinstance(operation, keras.layers.Activation) and activation_name(operation) in ("relu", "relu6"):
        return activation_name(operation)
    return None
