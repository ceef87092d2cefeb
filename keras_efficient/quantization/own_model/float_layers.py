"""`float_layers`: what of a model does not compute on grids."""

from __future__ import annotations

from typing import Any

import keras

from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.quantization.own_model.kinds import PASSING, activation_name, core
from keras_efficient.storage.models import PREPARATIONS, is_model

WIDTHS = ("kernel_bits", "bias_bits", "activation_bits")


def float_layers(model: keras.Model) -> list[str]:
    """The layers of `model` that compute in float in every mode, as "name (class)".

    Not listed: layers that keep the grid of their input, such as max pooling, a plain relu, flatten
    and dropout. A layer of this package with parts that have no width is listed with their names.
    """
    found = []
    for layer in model.layers:
        if is_model(layer):
            found += float_layers(layer)
        elif not keeps_codes(core(layer)):
            found.append(f"{layer.name} ({type(layer).__name__}{missing_widths(core(layer))})")
    return found


def keeps_codes(layer: Any) -> bool:
    if isinstance(layer, QuantizedLayer):
        return not missing_widths(layer)
    if isinstance(layer, keras.layers.ReLU):
        return layer.max_value is None and not layer.negative_slope and not layer.threshold
    if isinstance(layer, keras.layers.Activation):
        return activation_name(layer) in ("relu", "linear")
    return type(layer).__name__ in PASSING


def missing_widths(layer: Any) -> str:
    known = isinstance(layer, QuantizedLayer)
    missing = [name for name in WIDTHS if known and getattr(layer, name, 0) is None]
    return f", without {', '.join(missing)}" if missing else ""


def is_head_of(model: keras.Model, name: str) -> bool:
    """Whether a layer of this name only acts on the outputs of the model, as a softmax does."""
    last = {tensor._keras_history.operation.name for tensor in model.outputs}
    return name in last and isinstance(model.get_layer(name), (keras.layers.Activation, keras.layers.Softmax))


def inner_float_layers(model: keras.Model) -> list[str]:
    """The float layers that keep a network from becoming integers: neither heads nor preparations."""
    names = [text.split(" (", 1)[0] for text in float_layers(model)]
    own = {layer.name: layer for layer in model.layers}
    return [
        text
        for text, name in zip(float_layers(model), names, strict=True)
        if name not in own or not (is_head_of(model, name) or type(own[name]).__name__ in PREPARATIONS)
    ]
