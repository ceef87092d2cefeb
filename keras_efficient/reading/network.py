"""The part of a model that a network on a device is: from the grid of its input to the last layer that works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from keras_efficient.kinds import Key
from keras_efficient.kinds.kind import MOVES, Kind
from keras_efficient.reading.graph import ModelGraph, Node
from keras_efficient.reading.read import read_model
from keras_efficient.reading.value import Value

MOST_NAMED = 10
INPUT_GRID = Key("own", "InputQ")
FLATTEN = Key("layers", "Flatten")


class Call(NamedTuple):
    """A layer at work.

    name: Of the layer, without a wrapper that prunes it; of one in inner models after theirs: "block/conv".
    config: Of the layer; of a function that of the layer that computes the same (see `Node.form`).
    sources: What it reads: 0 is the input, k + 1 what call k computes.
    node: Where it stands in the graph.
    """

    name: str
    config: Mapping[str, Any]
    sources: tuple[int, ...]
    node: Node

    @property
    def layer(self) -> Any:
        return self.node.layer

    @property
    def kind(self) -> Kind:
        return self.node.kind


class Network(NamedTuple):
    """A model with one input and one output as a device runs it.

    name: Of the model.
    input_shape: Without the batch; sizes may be None.
    preparation: What stands before the grid of the input, in order: no part of the network.
    grid: The `InputQ`, or None: then the input is the model's.
    calls: The layers behind it, up to the last one that works.
    inputs: What goes into the preparation, and what into the first call.
    """

    name: str
    input_shape: tuple
    preparation: tuple[Node, ...]
    grid: Call | None
    calls: tuple[Call, ...]
    inputs: tuple[Value, Value]

    @property
    def is_chain(self) -> bool:
        """Whether each layer is fed by the one before, and maps may lie in any order: as nothing is moved that was
        flattened. In all other networks they lie by rows."""
        in_line = all(call.sources == (number,) for number, call in enumerate(self.calls))
        return in_line and not _moves_flat_maps(self.calls)


def read_network(model: Any) -> Network:
    """The network within a built Functional or Sequential model; inner models are written out.

    Raises:
        ValueError: Another model, one that is not built, or one of several inputs or outputs; a layer with weights
            that is called twice; a branch that starts before the grid of the input; nothing that works.
    """
    graph = _one_input_and_output(read_model(model))
    nodes = list(graph.working)
    start, preparation, nodes = _from_grid(graph, nodes)
    last = graph.makers.get(_last_value(graph, nodes))
    kept = {*_before(graph, last), last} if last else set()
    nodes = [node for node in nodes if node in kept]
    if not nodes and start is None:
        raise ValueError(f"the model {graph.name!r} holds no layer")
    _refuse_shared_weights(graph, nodes)
    first = start.outputs[0] if start else graph.inputs[0]
    numbers = {first: 0, **{value: number for number, node in enumerate(nodes, start=1) for value in node.outputs}}
    grid = _call(start, ()) if start else None
    calls = tuple(_call(node, tuple(numbers[value] for value in node.data)) for node in nodes)
    return Network(graph.name, graph.inputs[0].shape, preparation, grid, calls, (graph.inputs[0], first))


def model_input_shape(model: Any) -> tuple:
    """The shape of the one input of a built model, without the batch; sizes may be None."""
    return _one_input_and_output(read_model(model)).inputs[0].shape


def some_names(names: list[str], separator: str = ", ") -> str:
    """The first ten, and how many more there are."""
    more = len(names) - MOST_NAMED
    return separator.join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _one_input_and_output(graph: ModelGraph) -> ModelGraph:
    for ends, what in ((graph.inputs, "input"), (graph.outputs, "output")):
        if len(ends) != 1:
            raise ValueError(f"the model {graph.name!r} must have one {what}. Received: {len(ends)} {what}s")
    return graph


def _call(node: Node, sources: tuple[int, ...]) -> Call:
    *path, _ = node.name.split("/")
    return Call("/".join([*path, node.layer.name]), node.form.config, sources, node)


def _from_grid(graph: ModelGraph, nodes: list[Node]) -> tuple[Node | None, tuple[Node, ...], list[Node]]:
    """The grid of the input, what prepares the input, and the rest; without a grid all nodes are the rest."""
    start = next((node for node in nodes if node.form.key == INPUT_GRID), None)
    before = _before(graph, start) if start else []
    if start is None or not all(node.kind.prepares for node in before):
        return None, (), nodes
    outside = {value for node in before for value in node.outputs} | set(graph.inputs)
    rest = [node for node in nodes if node not in before and node is not start]
    for node in rest:
        if not outside.isdisjoint(node.inputs):
            raise ValueError(
                f"the layer {node.name!r} ({node.described}) of the model {graph.name!r} reads what stands before the "
                f"grid of the input, {start.name!r}: all branches must start after it"
            )
    return start, tuple(before), rest


def _moves_flat_maps(calls: tuple[Call, ...]) -> bool:
    flat = False
    for call in calls:
        if flat and call.kind.codes == MOVES:
            return True
        if call.node.form.key == FLATTEN:
            flat |= any(size != 1 for size in call.node.data[0].shape[:-1])
        elif call.kind.form in ("Convolution", "Move"):  # makes a map that lies by rows, or a vector
            flat = False
    return False


def _before(graph: ModelGraph, node: Node) -> list[Node]:
    """All nodes that a node depends on, in order."""
    found, waiting = set(), list(node.inputs)
    while waiting:
        maker = graph.makers.get(waiting.pop())
        if maker is not None and maker not in found:
            found.add(maker)
            waiting += maker.inputs
    return [each for each in graph.nodes if each in found]


def _last_value(graph: ModelGraph, nodes: list[Node]) -> Value:
    """What the last layer that works computes: heads behind it act on the outputs in place."""
    value, inside = graph.outputs[0], set(nodes)
    while True:
        maker = graph.makers.get(value)
        if maker not in inside or not maker.kind.is_head or len(maker.inputs) != 1:
            return value
        source = maker.inputs[0]
        if graph.makers.get(source) not in inside or graph.only_reader(source) is None:
            return value
        value = source


def _refuse_shared_weights(graph: ModelGraph, nodes: list[Node]) -> None:
    twice = [node.name for node in graph.operations if len(graph.calls_of(node.operation)) > 1 and _weights(node)]
    if twice:
        raise ValueError(
            f"the model {graph.name!r} calls layers with weights more than once, which has no form on a device yet: "
            f"{some_names(twice)}"
        )


def _weights(node: Node) -> list:
    return list(getattr(node.operation, "weights", ()))
