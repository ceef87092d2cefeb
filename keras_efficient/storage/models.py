"""Reads a built Keras model as a chain of layers. By its attributes alone: Keras is not
imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from keras_efficient.descriptions.shapes import output_shape
from keras_efficient.descriptions.specs import LayerSpec
from keras_efficient.storage.prices import PRICES
from keras_efficient.storage.pruned import stored_kernels

INPUT_LAYER, INPUT_GRID = "InputLayer", "InputQ"
# What stands before the grid of the input stays outside.
PREPARATIONS = ("Rescaling", "Normalization")
PRUNING_WRAPPERS = ("Prunable", "PrunedChannels")


class NamedSpec(NamedTuple):
    name: str
    spec: LayerSpec


def is_model(value: Any) -> bool:
    """Whether `value` is a model: something with layers that is no list."""
    return hasattr(value, "layers") and not isinstance(value, (list, tuple, type))


def model_input_shape(model: Any) -> tuple:
    """The shape of the one input, without the batch; sizes may be None."""
    try:
        shape = model.input_shape if getattr(model, "built", True) else None
    except (AttributeError, ValueError):
        shape = None
    if shape is None:
        raise ValueError(
            f"the model {name_of(model)} is not built: its shapes are unknown. Give it an Input, "
            "or call model.build((None, rows, columns, channels)) first"
        )
    if not isinstance(shape, (list, tuple)) or any(isinstance(size, (list, tuple, str)) for size in shape):
        raise ValueError(f"the model {name_of(model)} must have one input. Received: input_shape={shape!r}")
    return tuple(shape[1:])


def model_specs(model: Any) -> list[NamedSpec]:
    """The layers of a chain, nested models unfolded, without input layers and what prepares the input.

    Raises ValueError, with the layer's name and class, for a layer that cannot be priced, a branch
    or a layer used twice.
    """
    layers = [unwrapped(layer) for layer in flat_layers(model)]
    layers = layers[grid_place(layers) or 0 :]
    for layer in layers:
        if type(layer).__name__ not in PRICES:
            raise unknown_layer(f"{layer.name!r} of the model {name_of(model)}", type(layer).__name__)
    for part in models_within(model):
        check_chain(part)
    return [NamedSpec(layer.name, layer_spec(layer)) for layer in layers]


def flat_layers(model: Any) -> Iterator[Any]:
    """The layers of a model and of the models within it, but for input layers."""
    for layer in model.layers:
        if is_model(layer):
            yield from flat_layers(layer)
        elif type(layer).__name__ != INPUT_LAYER:
            yield layer


def grid_place(layers: Sequence[Any]) -> int | None:
    """Where in a chain the grid of the input is, behind nothing but what prepares the input; None: nowhere."""
    kinds = [type(layer).__name__ for layer in layers]
    place = kinds.index(INPUT_GRID) if INPUT_GRID in kinds else None
    return place if place is None or all(kind in PREPARATIONS for kind in kinds[:place]) else None


def unwrapped(layer: Any) -> Any:
    """The layer that is priced: the masks of pruning are no part of the network, the zeros are."""
    return layer.layer if type(layer).__name__ in PRUNING_WRAPPERS else layer


def layer_spec(layer: Any) -> LayerSpec:
    """What a Keras layer is priced by."""
    return LayerSpec(type(layer).__name__, layer.get_config(), kernels=stored_kernels(layer))


def checked_output_shape(name: str, spec: LayerSpec, shape: tuple) -> tuple:
    """The shape behind a layer; a ValueError names the layer where there is none."""
    try:
        after = output_shape(spec, shape)
    except (KeyError, ValueError) as error:
        raise ValueError(f"cannot price the layer {name!r} ({spec.class_name}): {error}") from None
    if any(size < 1 for size in after):
        raise ValueError(f"cannot price the layer {name!r} ({spec.class_name}): nothing is left of its input {shape}")
    return after


def models_within(model: Any) -> Iterator[Any]:
    yield model
    for layer in model.layers:
        if is_model(layer):
            yield from models_within(layer)


class UnknownLayerError(ValueError):
    """A layer whose bytes nobody has defined: nothing is guessed."""


def unknown_layer(layer: str, kind: str) -> UnknownLayerError:
    return UnknownLayerError(
        f"cannot price the layer {layer}: its class {kind} is not known. "
        f"The known classes are {', '.join(sorted(PRICES))}"
    )


def check_chain(model: Any) -> None:
    """Refuse a model whose layers do not feed each other one by one."""
    if type(model).__name__ == "Sequential":
        return
    if len(getattr(model, "outputs", None) or [None]) != 1:
        raise ValueError(f"the model {name_of(model)} must have one output. Received: {len(model.outputs)} outputs")
    previous: list[str] = []
    for layer in model_graph(model):
        nodes = layer["inbound_nodes"]
        sources = [source for node in nodes for source in tensor_sources(node)]
        if sources != previous or len(nodes) > 1:
            raise ValueError(
                "only a chain of layers can be priced, each used once and fed by the one before, "
                f"but the layer {layer['name']!r} ({layer['class_name']}) of the model "
                f"{name_of(model)} is fed by {sources or 'nothing'}"
            )
        previous = [layer["name"]]


def model_graph(model: Any) -> list[dict]:
    """The layers of a functional model, each with what feeds it, as the model's own configuration
    lists them."""
    try:
        layers = model.get_config()["layers"]
        return [layer for layer in layers if layer["inbound_nodes"] is not None]
    except (AttributeError, KeyError, NotImplementedError, TypeError):
        raise ValueError(
            f"the model {name_of(model)} ({type(model).__name__}) does not say how its layers are "
            "connected; only Sequential and functional models can be priced"
        ) from None


def tensor_sources(node: Any) -> Iterator[str]:
    """Names of the layers that a node's arguments come from, in order."""
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        yield node["config"]["keras_history"][0]
    elif isinstance(node, dict):
        for value in node.values():
            yield from tensor_sources(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from tensor_sources(value)


def name_of(model: Any) -> str:
    return repr(getattr(model, "name", type(model).__name__))
