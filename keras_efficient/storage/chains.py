"""The layers of a description or a Keras model as they are priced, with their shapes. Keras is not imported."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras_efficient.checks import is_integer
from keras_efficient.descriptions.expand import check_input_shape, expand_with_shapes
from keras_efficient.descriptions.specs import LayerSpec, layer_names
from keras_efficient.kinds.kind import Kind
from keras_efficient.reading.network import ADVICE, INPUT_GRID, Call, Network, some_names
from keras_efficient.storage.sparse import stored_kernels

DEFAULT_INPUT_SHAPE = (28, 28, 1)


class ShapedLayer(NamedTuple):
    """A layer of a chain, and the shape after it."""

    name: str
    spec: LayerSpec
    shape: tuple


def read_description(config: Any, input_shape: Sequence[int] | None) -> tuple[list[ShapedLayer], tuple]:
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
    # What prepares the input for an `InputQ` stands outside of the network, as it does in a model.
    grid = next((n for n, layer in enumerate(layers) if layer.spec.class_name == INPUT_GRID.name), 0)
    if all(layer.spec.kind.prepares for layer in layers[:grid]):
        layers = layers[grid:]
    return layers, check_input_shape(shape)


def read_chain(network: Network, shape: tuple) -> list[ShapedLayer]:
    """The layers of a network without branches, the grid of its input among them."""
    layers = []
    grid = network.entries[0].grid
    for call in [*([grid] if grid else []), *network.calls]:
        spec = layer_spec(call)
        shape = shape_after(call.name, spec, [shape])
        layers.append(ShapedLayer(call.name, spec, shape))
    return layers


def without_head(layers: list[ShapedLayer]) -> list[ShapedLayer]:
    """The layers up to the last one that works: what follows it acts on the outputs in place."""
    working = [count for count, layer in enumerate(layers, start=1) if not layer.spec.kind.is_head]
    return layers[: working[-1]] if working else layers


class UnknownLayerError(ValueError):
    """Layers whose bytes nobody has defined: nothing is guessed."""


def refuse_unknown(model: str, layers: Sequence[tuple[str, str, Kind]]) -> None:
    """Refuse a model that holds layers, (name, what people call its kind, kind), whose price nobody knows."""
    unknown = [f"{name!r} ({kind_name})" for name, kind_name, kind in layers if not kind.is_priced]
    if unknown:
        raise UnknownLayerError(
            f"cannot price {model}: what these layers take is not known: {some_names(unknown)}. {ADVICE}"
        )


def layer_spec(call: Call) -> LayerSpec:
    """What a layer is priced by."""
    return LayerSpec(call.node.form.class_name, dict(call.config), kernels=stored_kernels(call.layer))


def shape_after(name: str, spec: LayerSpec, shapes: Sequence[tuple]) -> tuple:
    """The shape after a layer; a ValueError names the layer where there is none."""
    assert spec.kind.shape is not None
    try:
        after = spec.kind.shape(spec.config, *shapes)
    except ValueError as error:
        raise ValueError(f"cannot price the layer {name!r} ({spec.class_name}): {error}") from None
    if any(size is not None and size < 1 for size in after):
        raise ValueError(
            f"cannot price the layer {name!r} ({spec.class_name}): nothing is left of its input {shapes[0]}"
        )
    return after


def fixed_shape(model_shape: tuple, input_shape: Sequence[int] | None) -> tuple:
    """The model's input shape, with open sizes taken from `input_shape`."""
    wanted = model_shape if input_shape is None else input_shape
    is_shape = isinstance(wanted, (list, tuple)) and len(wanted) == len(model_shape)
    if not is_shape or not all(map(_completes, wanted, model_shape)):
        raise ValueError(f"input_shape must complete the model's {model_shape}. Received: input_shape={input_shape!r}")
    return tuple(wanted)


def fixed_shapes(network: Network, input_shape: Any) -> list[tuple]:
    """The shape of each input, with open sizes taken from `input_shape`: of several inputs a list of shapes."""
    entries = network.entries
    if input_shape is None or len(entries) == 1:
        return [fixed_shape(entry.shape, input_shape) for entry in entries]
    if not isinstance(input_shape, (list, tuple)) or len(input_shape) != len(entries):
        raise ValueError(f"`input_shape` must be a list of {len(entries)} shapes. Received: {input_shape=}")
    return [fixed_shape(entry.shape, shape) for entry, shape in zip(entries, input_shape, strict=True)]


def _completes(size: Any, model_size: int | None) -> bool:
    return is_integer(size) and size >= 1 and model_size in (None, size)
