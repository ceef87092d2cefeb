"""Functions of a number: each gets a grid of its own, and in C a table."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_efficient import layers
from keras_efficient.kinds import Key
from keras_efficient.kinds.elementwise import OPS, TABLE_BITS, TABLE_LAYERS, TABLES
from keras_efficient.layers.quantized.activation import Function
from keras_efficient.quantization.own_model.request import (
    ACTIVATION,
    Request,
    activation_name,
    refusal,
    relu_name,
    shared_config,
)
from keras_efficient.quantization.own_model.settings import LayerSettings
from keras_efficient.reading.graph import Node

TABLE_FUNCTIONS = tuple(Key("ops", name) for name in OPS)
# Where a function must show whether it gives negative numbers.
SHOWN = np.linspace(-64, 64, 2**12 + 1, dtype="float32")


def reads_through_table(node: Node) -> bool:
    """Whether a node becomes a table of all codes of its input."""
    if node.form.key == ACTIVATION:
        return node.form.config["activation"] in TABLES
    return node.form.key in (*TABLE_LAYERS, *TABLE_FUNCTIONS) and relu_name(*node.form) is None


def for_table(settings: LayerSettings) -> LayerSettings:
    """The widths of a layer before a table, which has an entry for each code."""
    return replace(settings, activation_bits=min(settings.activation_bits, TABLE_BITS))


def grid_of(activation: Callable, request: Request, shared: dict) -> keras.layers.Layer:
    """A function on a grid of its own, signed where it gives negative numbers, and of an output: logits are signed."""
    if request.is_output or isinstance(activation, keras.layers.PReLU):
        signed = True
    else:
        signed = bool(np.any(keras.ops.convert_to_numpy(activation(keras.ops.convert_to_tensor(SHOWN))) < 0))
    return layers.ActivationQ(request.settings.activation_bits, signed, activation=activation, **shared)


def table(activation: Callable, layer: Any, request: Request) -> list:
    """A function between two layers. What has more codes than its table has entries is rounded to these before it."""
    shared = shared_config(layer)
    made = [grid_of(activation, request, shared)]
    if not request.wide or activation is keras.activations.relu6:  # rounding alone computes that, of any width
        return made
    narrow = {**shared, "name": f"{shared['name']}_input"}
    return [layers.ActivationQ(TABLE_BITS, not request.non_negative, **narrow), *made]


def activation_function(layer: Any, request: Request) -> list | None:
    """An activation; a head stays as it is, and a relu, which keeps the codes."""
    if request.is_output or activation_name(layer) not in (*TABLES, "relu6"):
        return None
    return table(layer.activation, layer, request)


def activation_layer(layer: Any, request: Request) -> list | None:
    """A layer that is a function, such as a LeakyReLU: an activation object within the quantized one."""
    name = relu_name(*request.node.form)
    if (request.is_output and request.node.kind.is_head) or name == "relu":
        return None
    if name == "relu6":
        return table(keras.activations.relu6, layer, request)
    if isinstance(layer, keras.layers.Rescaling) and np.ndim(layer.scale) + np.ndim(layer.offset):
        raise refusal("several scales or offsets", "it must scale all channels alike")
    inner = type(layer).from_config({**layer.get_config(), "name": f"{layer.name}_function"})
    return table(inner, layer, request)


def function(layer: Any, request: Request) -> list | None:
    """A function of `keras.ops`."""
    return table(Function(**request.node.form.config), layer, request)
