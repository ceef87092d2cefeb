"""Which layers become one: a kernel with the zeros before it, and the batch normalization and the relu after it."""

from collections.abc import Container
from dataclasses import dataclass, replace

from keras_efficient.copies.layers import as_layer
from keras_efficient.kinds import Key
from keras_efficient.quantization.own_model.request import BATCH_NORM, activation_name, relu_name
from keras_efficient.reading.graph import ModelGraph, Node

PADDINGS = (Key("layers", "ZeroPadding1D"), Key("layers", "ZeroPadding2D"))


@dataclass(frozen=True)
class Fusion:
    """What a layer takes in: the zero padding before it, the batch normalization and the relu after it."""

    batch_norm: Node | None = None
    activation: Node | None = None
    padding: Node | None = None

    @property
    def after(self) -> list[Node]:
        return [node for node in (self.batch_norm, self.activation) if node is not None]

    @property
    def absorbed(self) -> list[Node]:
        return [*([] if self.padding is None else [self.padding]), *self.after]


def leads_out(graph: ModelGraph, node: Node) -> bool:
    """Whether what a node gives is the model's output, but for a head such as a softmax."""
    (value, *others) = node.outputs
    readers = graph.readers(value)
    is_output = value in graph.outputs
    return is_output or (not others and bool(readers) and all(r.kind.is_head and leads_out(graph, r) for r in readers))


def next_alone(graph: ModelGraph, node: Node) -> Node | None:
    """The one node that reads what `node` gives, if both are called once and nobody else sees the map between."""
    reader = graph.only_reader(node.outputs[0])
    once = reader is not None and len(graph.calls_of(node.operation)) == len(graph.calls_of(reader.operation)) == 1
    return reader if once else None


def plan_fusions(graph: ModelGraph, stays_float: Container[Node], fold: bool) -> dict[Node, Fusion]:
    """The fusions by the node that takes others in."""
    fusions: dict[Node, Fusion] = {}
    absorbed: set[Node] = set()
    paddings: dict[Node, Node] = {}
    for node in graph.nodes:
        if node in absorbed or node in stays_float:
            continue
        padded = _padded_reader(graph, node)
        if padded is not None and padded not in stays_float:
            paddings[padded] = node
            continue
        fusions[node] = replace(_fusion_of(graph, node, stays_float, fold), padding=paddings.get(node))
        absorbed.update(fusions[node].absorbed)
    return fusions


def _padded_reader(graph: ModelGraph, node: Node) -> Node | None:
    """The convolution that takes in a zero padding."""
    if node.form.key not in PADDINGS or node.form.config.get("data_format") == "channels_first":
        return None
    reader = next_alone(graph, node)
    return reader if reader and "padding" in reader.kind.absorbs and reader.layer.padding == "valid" else None


def _fusion_of(graph: ModelGraph, node: Node, stays_float: Container[Node], fold: bool) -> Fusion:
    """What one node takes in."""
    if not node.kind.absorbs or (node.form.key == BATCH_NORM and not folds(node)):
        return Fusion()
    if activation_name(as_layer(node)) != "linear":
        return Fusion()
    batch_norm, last = None, node
    if fold and "batch_norm" in node.kind.absorbs:
        reader = next_alone(graph, node)
        if reader and folds(reader) and reader not in stays_float:
            batch_norm = last = reader
    reader = next_alone(graph, last)
    activation = reader if reader and relu_name(*reader.form) and reader not in stays_float else None
    return Fusion(batch_norm, activation)


def folds(node: Node) -> bool:
    """Whether a node is a batch normalization over the channels."""
    return node.form.key == BATCH_NORM and node.layer.axis in (-1, len(node.inputs[0].shape))
