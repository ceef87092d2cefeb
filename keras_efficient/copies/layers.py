"""One layer again: the same configuration, weights and statistics."""

from collections.abc import Iterable
from types import FunctionType
from typing import Any

import keras

from keras_efficient.reading.graph import Node
from keras_efficient.reading.keras_private import layers_within


def copy_of(operation: Any) -> Any:
    """A new layer of the same configuration; its weights are those of a new one until `carry_weights`.

    What has no weights to train is used as it is where its configuration does not say all of it: functions, a `Lambda`
    with its code, lookups with a vocabulary.

    Raises:
        ValueError: If its class does not say in `get_config` what its constructor takes.
    """
    is_layer = isinstance(operation, keras.layers.Layer)
    if not is_layer or isinstance(operation, keras.layers.Lambda) or hasattr(operation, "save_assets"):
        return operation
    own = {type(part) for part in layers_within(operation) if not type(part).__module__.startswith("keras.")}
    with keras.saving.custom_object_scope({keras.saving.get_registered_name(kind): kind for kind in own}):
        try:
            made = type(operation).from_config(operation.get_config())
        except (TypeError, NotImplementedError) as error:
            if type(operation) is keras.layers.Activation:  # of a function that is not registered
                return operation
            raise ValueError(
                f"the layer {operation.name!r} ({type(operation).__qualname__}) can not be copied from its "
                f"configuration: its `get_config` must hold what its constructor takes"
            ) from error
    function = getattr(operation, "activation", None)
    if isinstance(function, FunctionType) and made.activation is not function:
        made.activation = function  # by its name, Keras found its own function of that name
    return made


def as_layer(node: Node) -> Any:
    """The layer of a node; in the place of a function or a wrapper the one that computes the same, where Keras has one:
    of the same name, and without weights."""
    key = node.form.key
    if key is None or key.origin != "layers" or key == node.layer_key:
        return node.layer
    return getattr(keras.layers, key.name).from_config({**node.form.config, "name": node.layer.name})


def carry_weights(source: Any, target: Any) -> None:
    """Give a built layer the variables of another one of the same kind, and what a layer computes from them."""
    if source is not target and isinstance(source, keras.layers.Layer):
        assign_all(target.variables, source.variables)
        finish(target)


def assign_all(variables: Iterable[Any], values: Iterable[Any]) -> None:
    """Assign by way of numpy: on JAX two variables would share an array, which training gives up."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(keras.ops.convert_to_numpy(value))


def finish(layer: Any) -> None:
    """What Keras does after it has loaded the weights of a layer: a Normalization takes them over."""
    parts: list[Any] = [layer, getattr(layer, "layer", None)]
    for part in parts:
        if hasattr(part, "finalize_state"):
            part.finalize_state()
