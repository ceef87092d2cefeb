"""Where the networks of a run come from: a description, or a function that builds a model."""

import hashlib
import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_efficient.copies import loadable
from keras_efficient.files import json_value
from keras_efficient.kinds import key_of
from keras_efficient.networks import build_network
from keras_efficient.quantization.modes import change_mode
from keras_efficient.reading.keras_private import layers_within, names_from_the_start
from keras_efficient.storage import StorageReport, estimate_storage


@dataclass(frozen=True)
class NetworkSource:
    """Makes the same network again and again, with weights that depend on a seed only.

    It comes from a description, or a function without arguments that builds a Keras model. `input_shape` is that of
    one sample (of several inputs one each); `head` says how a described network ends: "softmax", "sigmoid" or
    "linear".
    """

    config: list | Callable
    input_shape: tuple
    head: str = "softmax"

    def build(self, mode: str, seed: int) -> keras.Model:
        """A new model in `mode`, initialised from `seed`."""
        with _seeded(seed):
            if not callable(self.config):
                return build_network(self.config, self.input_shape, mode, head=self.head)
            with names_from_the_start():  # the same in each trial, and in the next process
                model = self.config()
        if not isinstance(model, keras.Model) or not model.built:
            raise TypeError(f"The function given as `config` must return a built Keras model. Received: {model!r}")
        if model.compiled:  # the stages say how it trains, and its checkpoints must not hold an optimizer that did not
            model.optimizer, model.compiled = None, False
        model = loadable(model)
        change_mode(model, mode)
        return model

    def description(self) -> list | None:
        """The description as JSON lists; None for a function."""
        return None if callable(self.config) else json_value(self.config)

    def identity(self) -> Any:
        """What must be equal for two runs to be the same run."""
        if not callable(self.config):
            return self.description()
        layers = layers_identity(self.build("float", 0))
        return {"builder": getattr(self.config, "__qualname__", repr(type(self.config))), "layers": layers}

    def storage(self, model: keras.Model) -> StorageReport:
        """The network's bytes; a ValueError where the price of a layer (or of no chain) is not known."""
        several = self.input_shape and isinstance(self.input_shape[0], tuple)
        return estimate_storage(model, None if several else self.input_shape)


def layers_identity(model: keras.Model) -> str:
    """A hash of the classes, settings and weight shapes of all layers, whatever their names."""
    shapes = [f"{_kind(layer)}{_anonymous(layer)}" for layer in layers_within(model)]
    return hashlib.sha256(repr(shapes).encode()).hexdigest()


def described_shape(config: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a sample for a description: gray images may come without their channel; signals have none."""
    for wanted in [(*shape, 1), shape] if len(shape) == 2 else []:
        try:
            build_network(config, wanted)
        except ValueError:
            continue
        return wanted
    return (*shape, 1) if len(shape) == 2 else shape


# Keys of a configuration that hold names. Keras counts names up, so they differ from model to model.
_NAMES = ("name", "layers", "inbound_nodes", "input_layers", "output_layers", "build_config", "registered_name")


def _kind(layer):
    """The name of the class; of somebody else's with its module, as two of one name need not compute the same."""
    name = type(layer).__name__
    return name if key_of(layer) is not None else f"{type(layer).__module__}>{name}"


def _anonymous(layer):
    """The settings and weight shapes of a layer without any name."""
    try:
        config = layer.get_config()
    except NotImplementedError:
        config = {}
    return repr(_without_names(_without_defaults(type(layer), config))), [tuple(w.shape) for w in layer.weights]


def _without_defaults(kind, config):
    """The settings that are not at their defaults: an argument that a later version adds makes no other network."""
    defaults = {}
    for make in filter(inspect.isfunction, (vars(base).get("__init__") for base in reversed(kind.__mro__))):
        for name, parameter in inspect.signature(make).parameters.items():
            defaults[name] = repr(_without_names(parameter.default))
    return {name: value for name, value in config.items() if repr(_without_names(value)) != defaults.get(name)}


def _without_names(value):
    if isinstance(value, dict):
        return {key: _without_names(item) for key, item in value.items() if key not in _NAMES}
    return [_without_names(item) for item in value] if isinstance(value, (list, tuple)) else value


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed all that initializers and dropout draw from; give Python's and numpy's generators back as they were."""
    states = random.getstate(), np.random.get_state()
    try:
        keras.utils.set_random_seed(seed)
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
