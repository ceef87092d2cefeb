"""The layers of a description, or of a network without branches, with their shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras_efficient.descriptions.expand import check_input_shape, expand_with_shapes
from keras_efficient.descriptions.specs import LayerSpec, layer_names
from keras_efficient.reading.network import INPUT_GRID, Network
from keras_efficient.storage.models import layer_spec, refuse_unknown, shape_behind

DEFAULT_INPUT_SHAPE = (28, 28, 1)


class ShapedLayer(NamedTuple):
    """A layer of a chain, and the shape behind it."""

    name: str
    spec: LayerSpec
    shape: tuple


def read_description(config: Any, input_shape: Sequence[int] | None) -> tuple[list[ShapedLayer], tuple]:
    """The layers of a description, and the shape of the input."""
    if not isinstance(config, (list, tuple)):
        raise TypeError(
            "config_or_model must be a description (list or tuple) or a built Keras model. "
            f"Received: {config!r} ({type(config).__name__})"
        )
    shape = DEFAULT_INPUT_SHAPE if input_shape is None else input_shape
    expanded = expand_with_shapes(config, shape)
    names = layer_names(spec for spec, _ in expanded)
    refuse_unknown(
        "the description",
        [(name, spec.class_name, spec.kind) for name, (spec, _) in zip(names, expanded, strict=True)],
    )
    layers = [ShapedLayer(name, spec, after or ()) for name, (spec, after) in zip(names, expanded, strict=True)]
    return _without_preparation(layers), check_input_shape(shape)


def _without_preparation(layers: list[ShapedLayer]) -> list[ShapedLayer]:
    """What prepares the input for an `InputQ` stands outside of the network, as it does in a model."""
    grid = next((n for n, layer in enumerate(layers) if layer.spec.class_name == INPUT_GRID.name), 0)
    return layers[grid:] if all(layer.spec.kind.prepares for layer in layers[:grid]) else layers


def read_chain(network: Network, shape: tuple) -> list[ShapedLayer]:
    """The layers of a network without branches, the grid of its input among them."""
    layers = []
    grid = network.entries[0].grid
    for call in [*([grid] if grid else []), *network.calls]:
        spec = layer_spec(call)
        shape = shape_behind(call.name, spec, [shape])
        layers.append(ShapedLayer(call.name, spec, shape))
    return layers


def without_head(layers: list[ShapedLayer]) -> list[ShapedLayer]:
    """The layers up to the last one that works: what follows it acts on the outputs in place."""
    count = len(layers)
    while count and layers[count - 1].spec.kind.is_head:
        count -= 1
    return layers[:count] or layers
