"""The part of a model that a network on a device is: from the grid of its input to the last layer that works."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from keras_efficient.kinds import Key
from keras_efficient.kinds.kind import MOVES, Kind
from keras_efficient.kinds.measures import FLOAT_BITS
from keras_efficient.kinds.stages import has_inner_grids
from keras_efficient.reading.graph import ModelGraph, Node
from keras_efficient.reading.read import read_model
from keras_efficient.reading.value import Value

MOST_NAMED = 10
ADVICE = "keras_efficient.support_report(model) says what each layer can do"  # of errors that name layers
INPUT_GRID = Key("own", "InputQ")
FLATTEN = Key("layers", "Flatten")


class Call(NamedTuple):
    """A layer at work.

    name: Of the layer, without a wrapper that prunes it; of one in inner models after theirs: "block/conv".
    config: Of the layer; of a function that of the layer that computes the same (see `Node.form`).
    sources: What it reads, by number: the inputs come first, then what each call computes.
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


class Entry(NamedTuple):
    """An input as a device takes it.

    shape: Without the batch; sizes may be None.
    preparation: What stands before the grid of the input, in order: no part of the network.
    grid: The `InputQ`, or None: then the input is the model's.
    given, first: What goes into the preparation, and what the calls read.
    """

    shape: tuple
    preparation: tuple[Node, ...]
    grid: Call | None
    given: Value
    first: Value


class Network(NamedTuple):
    """A model as a device runs it.

    name: Of the model.
    entries: The inputs, in the order of the model's.
    calls: The layers after their grids, up to the last ones that work.
    outputs: The numbers of the maps that the outputs are, in the order of the model's: see `Call.sources`.
    """

    name: str
    entries: tuple[Entry, ...]
    calls: tuple[Call, ...]
    outputs: tuple[int, ...]

    @property
    def has_grid(self) -> bool:
        """Whether the inputs have grids of their own; all have, or none."""
        return self.entries[0].grid is not None

    @property
    def gives_all(self) -> bool:
        """Whether there are several outputs, which are copied together at the end."""
        return len(self.outputs) > 1

    @property
    def twice(self) -> frozenset[int]:
        """The positions of calls of layers with weights that were called before: they share these."""
        seen: set[int] = set()
        found = []
        for position, call in enumerate(self.calls):
            if id(call.node.operation) in seen and getattr(call.node.operation, "weights", None):
                found.append(position)
            seen.add(id(call.node.operation))
        return frozenset(found)

    @property
    def is_chain(self) -> bool:
        """Whether each layer is fed by the one before, from one input to one output, with weights of its own, and maps
        may lie in any order: as nothing is moved that was flattened. In all other networks they lie by rows."""
        fed = all(call.sources == (number,) for number, call in enumerate(self.calls))
        sharing = any(call.kind.shares_matrices and has_inner_grids(call.config) for call in self.calls)
        own = len(self.entries) == len(self.outputs) == 1 and not self.twice and not sharing
        return fed and own and not _moves_flat_maps(self.calls)

    def is_sum(self, position: int) -> bool:
        """Whether the sums of a call are logits: without input grids, those of layers that nobody else reads."""
        number = len(self.entries) + position
        read = any(number in call.sources for call in self.calls)
        return not self.has_grid and number in self.outputs and not read


def read_network(model: Any) -> Network:
    """The network within a built Functional or Sequential model; inner models are written out.

    Raises:
        ValueError: Another model, or one that is not built; an input that nothing reads; inputs with a grid and without
            one; a branch that starts before the grid of its input; nothing that works.
    """
    graph = read_model(model)
    entries = _entries(graph)
    prepared = {node for entry in entries for node in entry.preparation}
    prepared |= {entry.grid.node for entry in entries if entry.grid}
    nodes = [node for node in graph.working if node not in prepared]
    inside = {value for node in nodes for value in node.outputs} | {e.grid.node.outputs[0] for e in entries if e.grid}
    values = [_last_value(graph, value, inside) for value in graph.outputs]
    kept = {node for value in values for node in _before(graph, [value])}
    nodes = [node for node in nodes if node in kept]
    if not nodes and entries[0].grid is None:
        raise ValueError(f"the model {graph.name!r} holds no layer")
    firsts = [entry.first for entry in entries]
    made = [*([first] for first in firsts), *(node.outputs for node in nodes)]
    numbers = {value: number for number, values_of in enumerate(made) for value in values_of}
    outside = {entry.given for entry in entries} | {value for node in prepared for value in node.outputs}
    for node in nodes:
        if not (outside - set(firsts)).isdisjoint(node.inputs):
            raise ValueError(
                f"the layer {node.name!r} ({node.described}) of the model {graph.name!r} reads what stands before the "
                "grid of the input: all branches must start after it"
            )
    for value in values:
        if value not in numbers:
            raise ValueError(
                f"the model {graph.name!r} gives an input, or what stands before the grid of an input, as an output: "
                "leave that output out"
            )
    calls = tuple(_call(node, tuple(numbers[value] for value in node.data)) for node in nodes)
    return Network(graph.name, entries, calls, tuple(numbers[value] for value in values))


def model_input_shape(model: Any) -> tuple:
    """The shape of the one input of a built model, without the batch; sizes may be None."""
    inputs = read_model(model).inputs
    if len(inputs) != 1:
        raise ValueError(f"the model {model.name!r} must have one input. Received: {len(inputs)} inputs")
    return inputs[0].shape


def some_names(names: list[str], separator: str = ", ") -> str:
    """The first ten, and how many more there are."""
    more = len(names) - MOST_NAMED
    return separator.join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _call(node: Node, sources: tuple[int, ...]) -> Call:
    return Call(node.layer_name, node.form.config, sources, node)


def _entries(graph: ModelGraph) -> tuple[Entry, ...]:
    """The inputs, each up to its grid where all have one."""
    grids: dict[Value, tuple[Node, tuple[Node, ...]]] = {}
    for node in [node for node in graph.working if node.form.key == INPUT_GRID]:
        before = _before(graph, node.inputs)
        roots = {value for each in (node, *before) for value in each.inputs if value in graph.inputs}
        if len(roots) == 1 and all(each.kind.prepares for each in before):
            grids.setdefault(roots.pop(), (node, tuple(before)))
    entries = []
    for value, name in zip(graph.inputs, graph.input_names, strict=True):
        if not any(value in node.inputs for node in graph.working) and value not in graph.outputs:
            raise ValueError(
                f"the model {graph.name!r} must read all of its inputs. Received: {name!r}, which it does not"
            )
        if grids and value not in grids:
            raise ValueError(f"the model {graph.name!r} must have a grid for each input. Received: none for {name!r}")
        if value in grids:
            node, preparation = grids[value]
            entries.append(Entry(value.shape, preparation, _call(node, ()), value, node.outputs[0]))
        else:
            entries.append(Entry(value.shape, (), None, value, value))
    return tuple(entries)


def _moves_flat_maps(calls: tuple[Call, ...]) -> bool:
    flat = False
    for call in calls:
        if flat and call.kind.codes == MOVES:
            return True
        if call.node.form.key == FLATTEN:
            flat |= any(size != 1 for size in call.node.data[0].shape[:-1])
        elif call.kind.form in ("Convolution", "Move", "Stages"):  # makes a map that lies by rows, or a vector
            flat = False
    return False


def _before(graph: ModelGraph, values: Iterable[Value]) -> list[Node]:
    found, waiting = set(), list(values)
    while waiting:
        maker = graph.makers.get(waiting.pop())
        if maker is not None and maker not in found:
            found.add(maker)
            waiting += maker.inputs
    return [each for each in graph.nodes if each in found]


def _last_value(graph: ModelGraph, value: Value, inside: set[Value]) -> Value:
    """What the last layer that works computes: heads after it act on the outputs in place.

    Where others read that, too, only heads in floats are none of the network: they would not be in integers.
    """
    while True:
        maker = graph.makers.get(value)
        if maker is None or not maker.kind.is_head or len(maker.inputs) != 1:
            return value
        source = maker.inputs[0]
        price = maker.kind.price
        is_float = price is not None and price.bits(maker.form.config, 8) == FLOAT_BITS
        if source not in inside or not (is_float or graph.only_reader(source)):
            return value
        value = source
