"""From a description to the layers that it stands for, with every shape on the way checked."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from keras_efficient.checks import is_integer, shown
from keras_efficient.descriptions import objects
from keras_efficient.descriptions.letters import LETTERS, forms_text
from keras_efficient.descriptions.specs import LayerSpec
from keras_efficient.kinds.measures import Shape
from keras_efficient.kinds.table import output_shape

MOST_ITEMS = 10_000


def expand(config: Sequence[Any], input_shape: Sequence[int]) -> list[LayerSpec]:
    """The layers of a network description, checked all through.

    Args:
        config: list or tuple of items. An item is a list or tuple that starts with a letter (see
            `letters`), or an object {"class_name": ..., "config": {...}}.
        input_shape: (rows, columns, channels), (steps, channels) of a signal, whose windows are layer objects such
            as `Conv1DQ`, or (features,) for a network of dense layers, without the batch.

    A `Flatten` comes before "F" and "S" unless the input is already a vector. After an object of a
    class whose shape nobody knows, shapes are unknown: later shapes are not checked, and
    `Flatten` is put before "F" and "S" in any case, since it leaves a vector as it is.

    Raises:
        TypeError: `config` is not a list or tuple.
        ValueError: anything else; the message shows the item, its position and the right form.
    """
    return [spec for spec, _ in expand_with_shapes(config, input_shape)]


def expand_with_shapes(config: Sequence[Any], input_shape: Sequence[int]) -> list[tuple[LayerSpec, Shape | None]]:
    """`expand`, each layer with the shape after it (None where it is not known)."""
    _check_items(config)
    shape: Shape | None = check_input_shape(input_shape)
    layers: list[tuple[LayerSpec, Shape | None]] = []
    for position, item in enumerate(config, start=1):
        try:
            for spec in item_specs(item, shape):
                shape = next_shape(spec, shape)
                layers.append((replace(spec, position=position), shape))
        except ValueError as error:
            place = f"item {position} of {len(config)}, {shown(item)}: {error}. {_right_form(item)}"
            raise ValueError(place + _signal_hint(input_shape, error)) from None
    return layers


def _signal_hint(input_shape: Sequence[int], error: ValueError) -> str:
    """Where a channel was forgotten: what two sizes are."""
    if len(input_shape) != 2 or "(rows, columns, channels)" not in str(error):
        return ""
    return f". `input_shape` must be (rows, columns, channels) for images; {tuple(input_shape)} is (steps, channels)"


def _check_items(config: Any) -> None:
    if not isinstance(config, (list, tuple)):
        raise TypeError(f"config must be a list or tuple of items. Received: {shown(config)} ({type(config).__name__})")
    if not config:
        raise ValueError(f"config must hold at least one item, such as {forms_text('S')}. Received: {config!r}")
    if len(config) > MOST_ITEMS:
        raise ValueError(f"config must hold at most {MOST_ITEMS:,} items. Received: {len(config):,} items")


def check_input_shape(input_shape: Any) -> Shape:
    """`input_shape` as a tuple of ints: (rows, columns, channels), (steps, channels) or (features,)."""
    is_shape = isinstance(input_shape, (list, tuple)) and len(input_shape) in (1, 2, 3)
    if not is_shape or not all(is_integer(size) and size >= 1 for size in input_shape):
        raise ValueError(
            "`input_shape` must be (rows, columns, channels), (steps, channels) or (features,), positive integers "
            "without the batch. "
            f"Received: {shown(input_shape)}"
        )
    return tuple(int(size) for size in input_shape)


def item_specs(item: Any, shape: Shape | None) -> list[LayerSpec]:
    if isinstance(item, Mapping):
        return [objects.read_object(item)]
    if not isinstance(item, (list, tuple)):
        raise ValueError("it is neither a list that starts with a letter nor an object")
    if not item:
        raise ValueError("it is empty")
    if not isinstance(item[0], str) or item[0] not in LETTERS:
        raise ValueError(f"unknown letter {shown(item[0])}")
    letter = LETTERS[item[0]]
    specs = letter.read(item[1:])
    if letter.flattens and (shape is None or len(shape) > 1):
        return [LayerSpec("Flatten", {}), *specs]
    return specs


def next_shape(spec: LayerSpec, shape: Shape | None) -> Shape | None:
    """The shape after a layer; None where it is not known."""
    if shape is None or spec.kind.shape is None:
        return None
    after = output_shape(spec, shape)
    if any(size < 1 for size in after):
        raise ValueError(f"nothing is left of its input {shape}: the output shape would be {after}")
    return after


def _right_form(item: Any) -> str:
    """The sentence that ends every message about an item."""
    if isinstance(item, Mapping):
        return f"The form is {objects.FORM}"
    if isinstance(item, (list, tuple)) and item and isinstance(item[0], str) and item[0] in LETTERS:
        return f"The form is {forms_text(item[0])}"
    letters = ", ".join(LETTERS)
    return f"The letters are {letters}, as in {forms_text('A')}; a layer object is {objects.FORM}"
