"""What Keras itself computes for the logits of an exported network."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from keras_efficient.export.integer.model import LOGIT_RANGE, IntegerModel
from keras_efficient.quantization.modes import quantized_layers
from keras_efficient.reading.network import Network
from keras_efficient.reading.read import run_nodes

IMAGES_AT_ONCE = 500


def keras_logits(model: keras.Model, integer_model: IntegerModel, x: Any) -> np.ndarray:
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
    given = x if isinstance(x, (list, tuple)) else [x]
    triples = zip(given, network.entries, integer_model.inputs, strict=True)
    inputs = [
        np.asarray(part).reshape(len(part), *entry.shape) * 2.0**integers.codes.exponent
        for part, entry, integers in triples
    ]
    count = len(inputs[0])
    with _quantized_mode(model):
        starts = range(0, count, IMAGES_AT_ONCE)
        batches = [[each[start : start + IMAGES_AT_ONCE].astype("float32") for each in inputs] for start in starts]
        parts = zip(*(_run_network(network, batch) for batch in batches), strict=True)
        outputs = [np.concatenate(part).reshape(count, -1).astype(np.float64) for part in parts]
    pairs = zip(outputs, integer_model.logit_exponents, strict=True)
    return np.concatenate([np.clip(y * 2.0**-exponent, *LOGIT_RANGE) for y, exponent in pairs], axis=1)


def _run_network(network: Network, x: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs of the last layers, or their sums where those are the logits."""
    known = {entry.first: part for entry, part in zip(network.entries, x, strict=True)}
    first, nodes = len(network.entries), [call.node for call in network.calls]
    known = run_nodes(nodes, known)
    values = [entry.first for entry in network.entries] + [node.outputs[0] for node in nodes]
    found = []
    for number in network.outputs:
        y = known[values[number]]
        if number >= first and network.is_sum(number - first) and hasattr(nodes[number - first].layer, "weighted_sums"):
            # Called beside the layer's __call__, which would cast and, on torch, drop the gradient.
            node = nodes[number - first]
            y = node.layer.weighted_sums(keras.ops.cast(known[node.inputs[0]], node.layer.compute_dtype))
        found.append(keras.ops.convert_to_numpy(keras.ops.stop_gradient(keras.ops.convert_to_tensor(y))))
    return found


@contextmanager
def _quantized_mode(model: keras.Model) -> Iterator[None]:
    """Let the float layers of `model` compute quantized for a moment (called eagerly)."""
    floats = [layer for layer in quantized_layers(model) if layer.mode == "float"]
    try:
        for layer in floats:
            layer.mode = "freeze_scales"
        yield
    finally:
        for layer in floats:
            layer.mode = "float"
