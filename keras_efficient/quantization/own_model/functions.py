"""Functions of a number: each gets a grid of its own, and in C a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_efficient import layers
from keras_efficient.kinds.elementwise import TABLE_BITS, TABLE_LAYERS, TABLES
from keras_efficient.quantization.own_model.kinds import ACTIVATION, activation_name, relu_name
from keras_efficient.quantization.own_model.request import Request, refusal, shared_config
from keras_efficient.quantization.own_model.settings import Settings
from keras_efficient.reading.graph import Node

# Where a function must show whether it gives negative numbers.
SHOWN = np.linspace(-64, 64, 2**12 + 1, dtype="float32")


def reads_through_table(node: Node) -> bool:
    """Whether a node becomes a table of all codes of its input."""
    if node.form.key == ACTIVATION:
        return node.form.config["activation"] in TABLES
    return node.form.key in TABLE_LAYERS and relu_name(*node.form) is None


def for_table(settings: Settings) -> Settings:
    """The widths of a layer before a table, which has an entry for each code."""
    return replace(settings, activation_bits=min(settings.activation_bits, TABLE_BITS))


def grid_of(activation: Callable, request: Request, shared: dict) -> keras.layers.Layer:
    """A function on a grid of its own, signed where it gives negative numbers."""
    slopes = isinstance(activation, keras.layers.PReLU)
    signed = slopes or bool(np.min(keras.ops.convert_to_numpy(activation(keras.ops.convert_to_tensor(SHOWN)))) < 0)
    return layers.ActivationQ(request.settings.activation_bits, signed, activation=activation, **shared)


def activation_function(layer: Any, request: Request) -> list | None:
    """A function between two layers; a head stays as it is."""
    if request.is_output or activation_name(layer) not in TABLES:
        return None
    return [grid_of(layer.activation, request, shared_config(layer))]


def activation_layer(layer: Any, request: Request) -> list | None:
    """A layer that is a function, such as a LeakyReLU: an activation object within the quantized one."""
    if request.is_output or relu_name(*request.node.form):
        return None
    if isinstance(layer, keras.layers.Rescaling) and np.ndim(layer.scale) + np.ndim(layer.offset):
        raise refusal(layer, "several scales or offsets", "it must scale all channels alike")
    inner = type(layer).from_config({**layer.get_config(), "name": f"{layer.name}_function"})
    return [grid_of(inner, request, shared_config(layer))]
