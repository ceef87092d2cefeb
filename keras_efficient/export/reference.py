"""What Keras itself computes for the logits of an exported network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import keras
import numpy as np

from keras_efficient.export.integer.model import LOGIT_RANGE, IntegerModel
from keras_efficient.export.integer.wiring import working_layers
from keras_efficient.quantization.modes import quantized_layers

IMAGES_AT_ONCE = 500


def keras_logits(model: keras.Model, integer_model: IntegerModel, x: np.ndarray) -> np.ndarray:
    """The logits of `integer_model`, computed by the Keras layers in floating point.

    The layers run in their quantized form; the last one gives its sums, before activation and
    output quantizer. In units of the logits' step and limited to 16 bits, these are integers as
    long as float32 holds them exactly.

    Args:
        model: The Keras model that `integer_model` was made of.
        x: Integers, as for `IntegerModel.predict`.

    Returns:
        float64 (n, outputs).
    """
    x = np.asarray(x).reshape(len(x), *model.input_shape[1:]) * 2.0**integer_model.input.codes.exponent
    network = integer_model.network
    with quantized_mode(model):
        if network.grid is None and network.is_chain:
            layers = working_layers(model)
            run = partial(run_layers, layers)
        else:
            start = model.inputs[0] if network.grid is None else network.grid.output
            run = partial(run_graph, keras.Model(start, network.last.output), network.last, network.grid is None)
        starts = range(0, len(x), IMAGES_AT_ONCE)
        parts = [run(x[start : start + IMAGES_AT_ONCE].astype("float32")) for start in starts]
    logits = np.concatenate(parts).reshape(len(x), -1).astype(np.float64)
    return np.clip(logits * 2.0**-integer_model.logit_exponent, *LOGIT_RANGE)


def run_graph(part: keras.Model, last: keras.layers.Layer, gives_sums: bool, x: np.ndarray) -> np.ndarray:
    """The last layer's outputs, or its sums where those are the logits."""
    if gives_sums and hasattr(last, "weighted_sums"):
        before = keras.Model(part.inputs, last.input)
        y = last.weighted_sums(keras.ops.cast(before(x, training=False), last.compute_dtype))
    else:
        y = part(x, training=False)
    return keras.ops.convert_to_numpy(keras.ops.stop_gradient(y))


def run_layers(layers: list[keras.layers.Layer], x: np.ndarray) -> np.ndarray:
    for layer in layers[:-1]:
        x = layer(x, training=False)
    last = layers[-1]
    if hasattr(last, "weighted_sums"):
        # Called beside the layer's __call__, which would cast and, on torch, drop the gradient.
        x = last.weighted_sums(keras.ops.cast(x, last.compute_dtype))
    else:
        x = last(x, training=False)
    return keras.ops.convert_to_numpy(keras.ops.stop_gradient(x))


@contextmanager
def quantized_mode(model: keras.Model) -> Iterator[None]:
    """Let the float layers of `model` compute quantized for a moment (called eagerly)."""
    floats = [layer for layer in quantized_layers(model) if layer.mode == "float"]
    try:
        for layer in floats:
            layer.mode = "freeze_scales"
        yield
    finally:
        for layer in floats:
            layer.mode = "float"
