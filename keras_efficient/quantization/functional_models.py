"""Functional and Sequential models: the ones that say how they are connected, so that they can be copied."""

from __future__ import annotations

import inspect
from typing import Any

import keras

MODELS = (keras.Sequential, keras.src.models.Functional)


def check_model(model: Any) -> None:
    """Raise a TypeError unless `model` is a built Functional or Sequential model."""
    known = isinstance(model, MODELS)
    if known and model.built:
        return
    raise TypeError(
        "`model` must be a built Functional or Sequential model. "
        f"Received: model={model!r}" + (" (not built: give it an Input)" if known else "")
    )


def as_functional(model: keras.Model) -> keras.Model:
    """The model itself, or the Functional model of a Sequential one, with the same layers."""
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs, model.outputs, name=model.name)
    return model


def copy_of(operation: Any) -> Any:
    """The same layer with new weights; operations without state are used as they are."""
    if not isinstance(operation, keras.layers.Layer):
        return operation
    return type(operation).from_config(operation.get_config())


def first_by_place(operation: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments of a call, the first by its place: `layer(inputs=x)` is `layer(x)`."""
    name = next(iter(inspect.signature(operation.call).parameters), None)
    if args or name not in kwargs:
        return args, kwargs
    return (kwargs[name],), {key: value for key, value in kwargs.items() if key != name}
