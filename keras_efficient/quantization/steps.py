"""The steps of what flows into the layers of a network: with a kernel's they are those of its products."""

from __future__ import annotations

import keras
import numpy as np

from keras_efficient.layers.quantized.quantizer import Quantizer
from keras_efficient.reading.graph import ModelGraph, Node
from keras_efficient.reading.read import is_connected, read_model

PIXEL_EXPONENT = -8  # a byte stands for byte / 256


def input_quantizers(model: keras.Model) -> dict[int, Quantizer | None]:
    """By the id of each layer the quantizer whose codes it reads; None where it reads bytes, or nobody knows."""
    if not isinstance(model, keras.Model) or not is_connected(model):
        return {}
    graph = read_model(model)
    return {id(node.layer): _before(graph, node) for node in graph.nodes}


def _before(graph: ModelGraph, node: Node) -> Quantizer | None:
    while len(node.inputs) == 1 and node.inputs[0] in graph.makers:
        node = graph.makers[node.inputs[0]]
        quantizer = getattr(node.layer, "activation_quantizer", None)
        if quantizer is not None or not node.kind.keeps_grid:
            return quantizer
    return None


def exponent_of(quantizer: Quantizer) -> int:
    """log2 of the step of a grid; of the finest one, where each filter has its own."""
    scale = int(np.round(keras.ops.convert_to_numpy(quantizer.scale)).min())
    return scale - (quantizer.bits - 1 if quantizer.signed else quantizer.bits)
