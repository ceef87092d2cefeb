"""What Keras itself computes for the logits of an exported network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from keras_efficient.export.integer.model import LOGIT_RANGE, IntegerModel
from keras_efficient.quantization.modes import quantized_layers
from keras_efficient.reading.network import Network
from keras_efficient.reading.run import run_nodes

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
    network = integer_model.network.network
    x = np.asarray(x).reshape(len(x), *network.input_shape) * 2.0**integer_model.input.codes.exponent
    with quantized_mode(model):
        starts = range(0, len(x), IMAGES_AT_ONCE)
        parts = [run_network(network, x[start : start + IMAGES_AT_ONCE].astype("float32")) for start in starts]
    logits = np.concatenate(parts).reshape(len(x), -1).astype(np.float64)
    return np.clip(logits * 2.0**-integer_model.logit_exponent, *LOGIT_RANGE)


def run_network(network: Network, x: np.ndarray) -> np.ndarray:
    """The last layer's outputs, or its sums where those are the logits."""
    _, first = network.inputs
    if not network.calls:
        return x
    *before, last = [call.node for call in network.calls]
    if network.grid is not None or not hasattr(last.layer, "weighted_sums"):
        y = run_nodes([*before, last], {first: x})[last.outputs[0]]
    else:
        # Called beside the layer's __call__, which would cast and, on torch, drop the gradient.
        source = run_nodes(before, {first: x})[last.inputs[0]]
        y = last.layer.weighted_sums(keras.ops.cast(source, last.layer.compute_dtype))
    return keras.ops.convert_to_numpy(keras.ops.stop_gradient(y))


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
