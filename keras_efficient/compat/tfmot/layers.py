"""A layer of tf_keras (Keras 2) as the layer of Keras 3 with the same name."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from keras_efficient.layers.pruning.kernels import described

# Written by tf_keras, without a meaning of its own in Keras 3.
_NO_MEANING = (
    *("batch_input_shape", "implementation", "input_length", "query_shape", "key_shape", "value_shape"),
    "kernel_initializer",  # of separable convolutions, which have two kernels with others
    "trainable",  # where Keras 3 does not take it, the layer has no weights
)
# Settings that Keras 3 does not have, and the value that changes nothing.
_WITHOUT_EFFECT = {"groups": 1, "time_major": False, "softmax_robust_masking": False}
_RENAMED = {"LeakyReLU": {"alpha": "negative_slope"}}
# In Keras 3 these mean something else, or hold code that computes with TensorFlow's Keras.
_REFUSED = ("Lambda", "Layer", "InputLayer", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer")
# Functions that are others in Keras 3: 0.2 x + 0.5 there, x / 6 + 0.5 here.
_OTHER_ACTIVATIONS = ("hard_sigmoid",)
_COMMON = ("name", "dtype", "trainable", "activity_regularizer")


@dataclass(eq=False)
class Conversion:
    """What takes the place of one layer: layers in a row, and what gives them their weights once they are built."""

    layers: list[keras.layers.Layer]
    carry: Callable[[], None]


def plain(layer: Any) -> Conversion:
    """The same layer, with the same weights."""
    new = rebuilt(layer)
    return Conversion([new], lambda: set_weights(new, layer.get_weights(), layer))


def rebuilt(layer: Any, **changes: Any) -> keras.layers.Layer:
    """A layer of Keras 3 with the settings of one of tf_keras, but for the `changes`.

    Raises:
        ValueError: If Keras 3 has no such layer, or not with these settings.
    """
    _check_known(layer)
    _check_activations(layer)
    kind = type(layer).__name__
    try:
        return getattr(keras.layers, kind).from_config(_settings_of(kind, {**layer.get_config(), **changes}))
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"`model` has a layer {described(layer)} that can not be converted: {error}") from error


def tfmot_class(thing: Any) -> str:
    """The class name of an object of tfmot; "" for others, whatever they are called."""
    kind = type(thing)
    return kind.__name__ if kind.__module__.split(".")[0] == "tensorflow_model_optimization" else ""


def _check_activations(layer: Any) -> None:
    """Raise a ValueError for a function that is not Keras's or TensorFlow's: its name alone would be taken over."""
    for name in ("activation", "recurrent_activation"):
        module = getattr(getattr(layer, name, None), "__module__", "keras")
        if module.split(".")[0] not in ("keras", "tf_keras", "tensorflow", "tensorflow_model_optimization"):
            raise ValueError(
                f"`model` has a layer {described(layer)} that can not be converted: known are the activations of "
                f"Keras. Received: {name} of {module}"
            )


def _check_known(layer: Any) -> None:
    """Raise a ValueError unless Keras 3 has the class of a layer of tf_keras."""
    kind = type(layer)
    is_standard = kind.__module__.split(".")[0] == "tf_keras"
    if not is_standard or kind.__name__ in _REFUSED or not hasattr(keras.layers, kind.__name__):
        hint = "; write x + y and the like as layers (Add)" if kind.__name__.endswith("Lambda") else ""
        raise ValueError(
            f"`model` has a layer {described(layer)} that can not be converted: known are the layers of tf_keras that "
            f"Keras 3 has, too, and tfmot's wrappers of them{hint}. Received: {kind.__module__}.{kind.__name__}"
        )


def set_weights(new: keras.layers.Layer, values: list, old: Any) -> None:
    """Set the weights of a built layer; a ValueError names the layer whose weights they were."""
    shapes = [tuple(w.shape) for w in new.weights], [tuple(value.shape) for value in values]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"`model` has a layer {described(old)} that can not be converted: its weights have other shapes in "
            f"Keras 3, {shapes[0]}. Received: {shapes[1]}"
        )
    new.set_weights(values)


def _settings_of(kind: str, config: Mapping) -> dict:
    """The configuration of a layer of class `kind`, as Keras 3 takes it."""
    found, known = {}, _arguments_of(getattr(keras.layers, kind))
    for key, value in config.items():
        name = _RENAMED.get(kind, {}).get(key, key)
        if name.endswith("activation") and value in _OTHER_ACTIVATIONS:
            raise ValueError(f"in Keras 3 that is another function. Received: {key}={value!r}")
        if name in known:
            found[name] = _value(value)
        elif not (value is None or name in _NO_MEANING or value == _WITHOUT_EFFECT.get(name, ...)):
            raise ValueError(f"Keras 3 has no such setting. Received: {key}={value!r}")
    if "dtype" in found:
        dtype = found["dtype"]  # the name of a dtype, or a mixed precision policy
        found["dtype"] = dtype["config"]["name"] if isinstance(dtype, Mapping) else dtype
    if kind == "BatchNormalization" and isinstance(found.get("axis"), list):
        (found["axis"],) = found["axis"]
    return found


def _arguments_of(kind):
    """The names that a layer class takes: its constructor's, and those of the ones that it hands the rest to."""
    names: set[str] = set()
    for base in kind.__mro__:
        if base is keras.layers.Layer:
            return names | set(_COMMON)
        if "__init__" in vars(base):
            parameters = inspect.signature(base.__init__).parameters
            names |= set(parameters) - {"self", "args", "kwargs"}
            if "kwargs" not in parameters:
                return names
    return names


def _value(value):
    """A setting in plain containers; layers and cells within it are translated, too."""
    if isinstance(value, Mapping):
        return _entry(value) if "class_name" in value else {key: _value(each) for key, each in value.items()}
    return [_value(each) for each in value] if isinstance(value, (list, tuple)) else value


def _entry(entry):
    """A serialized object. What tells how it was built stays behind: it is built anew."""
    kind, config = entry["class_name"], entry.get("config")
    is_layer = entry.get("module") == "keras.layers" and hasattr(keras.layers, kind)
    kept = {key: entry[key] for key in ("module", "class_name", "registered_name") if key in entry}
    return {**kept, "config": _settings_of(kind, config) if is_layer else _value(config)}
