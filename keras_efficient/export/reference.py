"""What Keras itself computes for the logits of an exported network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from keras_efficient.export.integer.model import LOGIT_RANGE, IntegerModel
from keras_efficient.export.integer.reading import working_layers
from keras_efficient.quantization.modes import quantized_layers

IMAGES_AT_ONCE = 500
PIXEL_STEPS = 256  # a byte stands for byte / 256


def keras_logits(model: keras.Model, integer_model: IntegerModel, x: np.ndarray) -> np.ndarray:
    """The logits of `integer_model`, computed by the Keras layers in floating point.

    The layers run in their quantized form; the last one gives its sums, before activation and
    output quantizer. In units of the logits' step and limited to 16 bits, these are integers as
    long as float32 holds them exactly.

    Args:
        model: The Keras model that `integer_model` was made of.
        x: Bytes, as for `IntegerModel.predict`.

    Returns:
        float64 (n, outputs).
    """
    layers = working_layers(model)
    x = np.asarray(x, dtype="float32").reshape(len(x), *model.input_shape[1:]) / PIXEL_STEPS
    with quantized_mode(model):
        starts = range(0, len(x), IMAGES_AT_ONCE)
        parts = [run_layers(layers, x[start : start + IMAGES_AT_ONCE]) for start in starts]
    logits = np.concatenate(parts).reshape(len(x), -1).astype(np.float64)
    return np.clip(logits * 2.0**-integer_model.logit_exponent, *LOGIT_RANGE)


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
