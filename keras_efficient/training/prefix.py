"""The part of a network in front of its first weight: computed once, not in every epoch."""

from contextlib import suppress

import keras
import numpy as np

from keras_efficient.layers import AveragePoolingQ
from keras_efficient.reading.read import is_connected

# Layers without weights and without chance: the same input always gives the same output.
_FREE_LAYERS = (
    AveragePoolingQ,
    keras.layers.InputLayer,
    keras.layers.AveragePooling2D,
    keras.layers.MaxPooling2D,
    keras.layers.Rescaling,
    keras.layers.ZeroPadding2D,
    keras.layers.Cropping2D,
    keras.layers.Reshape,
    keras.layers.Permute,
)


def split_prefix(model: keras.Model, whole: bool = False) -> tuple[keras.Model | None, keras.Model]:
    """Split a model into a prefix that never changes and the body that trains.

    Both share their layers with `model`, so training the body trains the model, which itself stays uncompiled
    (a subclassed model is its own body). The prefix is None where there is nothing to compute beforehand: a model
    that starts with a weight, or one that is no chain at its beginning (two inputs, a skip from the input); and where
    `whole` asks for a body that is the whole network.
    """
    if not is_connected(model):
        return None, model
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        return None, model
    (first,), (outputs,) = model.inputs, model.outputs
    last = None if whole else _last_free_layer(model)
    if last is not None:
        # An error says that something behind the prefix reads from within it.
        with suppress(ValueError):
            return keras.Model(first, last.output), keras.Model(last.output, outputs)
    return None, keras.Model(first, outputs)


def apply_prefix(prefix: keras.Model | None, x: np.ndarray) -> np.ndarray:
    """The outputs of the prefix for all samples; `x` itself without one."""
    return x if prefix is None else prefix.predict(x, batch_size=1024, verbose=0)


def _last_free_layer(model):
    last, tensor = None, model.inputs[0]
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if not isinstance(layer, _FREE_LAYERS) or layer.input is not tensor:
            break
        last, tensor = layer, layer.output
    return last
