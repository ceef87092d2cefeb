"""The layers of a Keras model as they are priced. By attributes alone: Keras is not imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_efficient.descriptions.fields import is_integer
from keras_efficient.descriptions.shapes import SHAPES, output_shape
from keras_efficient.descriptions.specs import LayerSpec
from keras_efficient.reading.network import Call, some_names
from keras_efficient.storage.prices import PRICES
from keras_efficient.storage.pruned import stored_kernels


class UnknownLayerError(ValueError):
    """Layers whose bytes nobody has defined: nothing is guessed."""


def refuse_unknown(model: str, layers: Sequence[tuple[str, str, str]]) -> None:
    """Refuse a model that holds layers, (name, what people call its kind, class name), whose price nobody knows."""
    unknown = [f"{name!r} ({kind})" for name, kind, class_name in layers if not is_priced(class_name)]
    if unknown:
        raise UnknownLayerError(
            f"cannot price {model}: what these layers take is not known: {some_names(unknown)}. "
            "keras_efficient.support_report(model) says what each layer can do"
        )


def is_priced(class_name: str) -> bool:
    """Whether a class of layers has a price."""
    return class_name in PRICES and (class_name in SHAPES or PRICES[class_name].merges is not None)


def layer_spec(call: Call) -> LayerSpec:
    """What a layer is priced by."""
    return LayerSpec(call.class_name, dict(call.config), kernels=stored_kernels(call.layer))


def shape_behind(name: str, spec: LayerSpec, shapes: Sequence[tuple]) -> tuple:
    """The shape behind a layer; a ValueError names the layer where there is none."""
    merges = PRICES[spec.class_name].merges
    try:
        after = merges(spec.config, shapes) if merges else output_shape(spec, shapes[0])
    except (KeyError, ValueError) as error:
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


def _completes(size: Any, model_size: int | None) -> bool:
    return is_integer(size) and size >= 1 and model_size in (None, size)
