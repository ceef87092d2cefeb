"""Which layers of a Keras model work, and who feeds whom."""

from __future__ import annotations

from typing import NamedTuple

import keras

from keras_efficient.storage.graphs.reading import graph_calls, is_chain
from keras_efficient.storage.models import (
    INPUT_GRID,
    PREPARATIONS,
    check_chain,
    flat_layers,
    grid_place,
    models_within,
)
from keras_efficient.storage.prices.elementwise import TRAINING_ONLY

# What changes no number: it only acts in training, or renames places.
TRANSPARENT = (*TRAINING_ONLY, "Flatten")


def read_wiring(model: keras.Model) -> Wiring:
    """The wiring of a chain or of a graph."""
    return chain_wiring(model) if is_chain(model) else graph_wiring(model)


class Wiring(NamedTuple):
    """The layers behind the input's grid, and for each the numbers of those that feed it: 0 is the
    input, k + 1 layer k."""

    layers: list[keras.layers.Layer]
    sources: list[tuple[int, ...]]
    grid: keras.layers.Layer | None
    preparation: list[keras.layers.Layer]


def chain_wiring(model: keras.Model) -> Wiring:
    layers = working_layers(model)
    grid, preparation, start = None, [], grid_place(layers)
    if start is not None:
        preparation, grid, layers = layers[:start], layers[start], layers[start + 1 :]
    return Wiring(layers, [(number,) for number in range(len(layers))], grid, preparation)


def graph_wiring(model: keras.Model) -> Wiring:
    start, *calls = graph_calls(model)
    numbers = {start.name: 0, **{call.name: number for number, call in enumerate(calls, start=1)}}
    grid = model.get_layer(start.name) if start.kind == INPUT_GRID else None
    sources = [tuple(numbers[source] for source in call.sources) for call in calls]
    before = [layer for layer in model.layers if grid is not None and type(layer).__name__ in PREPARATIONS]
    return Wiring([model.get_layer(call.name) for call in calls], sources, grid, before)


def working_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a chain, nested models unfolded, without what follows the last that works."""
    for part in models_within(model):
        check_chain(part)
    layers = list(flat_layers(model))
    while layers and is_head(layers[-1]):
        layers.pop()
    if not layers:
        raise ValueError(f"the model {model.name!r} holds no layer that could be exported")
    return layers


def is_head(layer: keras.layers.Layer) -> bool:
    return type(layer).__name__ in (*TRANSPARENT, "Activation", "Softmax", "ReLU", "LeakyReLU")
