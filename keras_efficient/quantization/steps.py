"""The steps of what flows into the layers of a network: with a kernel's they are those of its products."""

import keras
import numpy as np

from keras_efficient.layers.quantized.quantizer import Quantizer
from keras_efficient.reading.graph import ModelGraph
from keras_efficient.reading.read import is_connected, read_model
from keras_efficient.reading.value import Value

PIXEL_EXPONENT = -8  # a byte stands for byte / 256


def input_quantizers(model: keras.Model) -> dict[int, Quantizer | None]:
    """By the id of each layer the quantizer whose codes it reads; None where it reads bytes, or nobody knows."""
    if not isinstance(model, keras.Model) or not is_connected(model):
        return {}
    graph = read_model(model)
    return {id(node.layer): _grid_of(graph, node.inputs[0]) for node in graph.nodes if len(node.inputs) == 1}


def lost_inputs(model: keras.Model) -> list[tuple[str, str]]:
    """(layer, what it reads) where maps that lie side by side share one grid, and all numbers of one of them round to 0
    there: they are below half a step."""
    if not isinstance(model, keras.Model) or not is_connected(model):
        return []
    graph, lost = read_model(model), []
    for node in graph.nodes:
        shared = getattr(node.layer, "activation_quantizer", None)
        if shared is None or node.kind.form != "Concatenation":
            continue
        for value in node.inputs:
            grid = _grid_of(graph, value)
            if grid is not None and scale_exponent(grid) < exponent_of(shared):
                lost.append((node.name, graph.makers[value].name))
    return lost


def _grid_of(graph: ModelGraph, value: Value) -> Quantizer | None:
    """The grid that a value lies on; None where it is bytes, or nobody knows."""
    while value in graph.makers:
        node = graph.makers[value]
        quantizer = getattr(node.layer, "activation_quantizer", None)
        if quantizer is not None or not node.kind.keeps_grid or len(node.inputs) != 1:
            return quantizer
        (value,) = node.inputs
    return None


def scale_exponent(quantizer: Quantizer) -> int:
    """log2 of the scale, which no number of a grid is above; of the finest one, where each filter has its own."""
    return int(np.round(keras.ops.convert_to_numpy(quantizer.scale)).min())


def exponent_of(quantizer: Quantizer) -> int:
    """log2 of the step of a grid."""
    return scale_exponent(quantizer) - (quantizer.bits - 1 if quantizer.signed else quantizer.bits)
