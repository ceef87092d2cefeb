"""`float_layers`: what of a model does not compute on grids."""

from collections.abc import Mapping
from typing import Any

import keras

from keras_efficient.layers.quantized.activation import ActivationQ
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.quantization.own_model.fusion import leads_out
from keras_efficient.quantization.own_model.request import ACTIVATION, GRIDS, activation_name, relu_name
from keras_efficient.reading.graph import ModelGraph, Node
from keras_efficient.reading.read import read_model

WIDTHS = ("kernel_bits", "bias_bits", "activation_bits")


def float_layers(model: keras.Model) -> list[str]:
    """The layers, functions and operators of `model` that compute in float in every mode, as "name (kind)".

    Not listed: layers that keep the grid of their input, such as max pooling, a plain relu, flatten
    and dropout. A layer of this package with parts that have no width is listed with their names.
    """
    return [_text(node) for node in read_model(model).operations if not keeps_codes(node)]


def inner_float_layers(model: keras.Model, reasons: Mapping[str, str | None]) -> list[str]:
    """The float layers that keep a network from becoming integers: neither heads nor what prepares an input.

    `reasons` says by name why a layer that has a quantized form stays float.
    """
    graph = read_model(model)
    outside = prepares(graph)
    return [
        _text(node, reasons.get(node.name))
        for node in graph.operations
        if not (keeps_codes(node) or node in outside or _is_last_head(graph, node))
    ]


def _is_last_head(graph: ModelGraph, node: Node) -> bool:
    """Whether a node is a head that acts on an output in place: only heads read what it gives."""
    readers = [reader for value in node.outputs for reader in graph.readers(value)]
    return node.kind.is_head and leads_out(graph, node) and all(reader.kind.is_head for reader in readers)


def keeps_codes(node: Node) -> bool:
    """Whether what a node computes lies on a grid."""
    if node.layer_key is None:
        return False
    if isinstance(node.layer, QuantizedLayer):
        return not missing_parts(node.layer)
    is_linear = node.form.key == ACTIVATION and node.form.config["activation"] == "linear"
    return is_linear or node.kind.keeps_grid or relu_name(*node.form) == "relu"


def missing_parts(layer: Any) -> list[str]:
    """The parts of a layer of this package that compute in float."""
    missing = [name for name in WIDTHS if getattr(layer, name, 0) is None]
    if isinstance(layer, ActivationQ):
        return missing  # its grid is that of its function
    name = activation_name(layer)
    return missing if name in GRIDS else [*missing, f"a grid for its {name}"]


def prepares(graph: ModelGraph) -> set[Node]:
    """The nodes that prepare an input, before its grid: as long as nobody else reads what they read. The grid of an
    input that goes into an inner model stands before that."""
    values, nodes = set(graph.inputs), set()
    for node in graph.nodes:
        alone = all(value in values and graph.only_reader(value) is node for value in node.inputs)
        if node.kind.prepares and alone and "/" not in node.name:
            nodes.add(node)
            values.update(node.outputs)
    return nodes


def _text(node: Node, reason: str | None = None) -> str:
    missing = missing_parts(node.layer) if isinstance(node.layer, QuantizedLayer) else []
    text = f"{node.name} ({node.described}{', without ' + ', '.join(missing) if missing else ''})"
    return f"{text}: {reason}" if reason else text
