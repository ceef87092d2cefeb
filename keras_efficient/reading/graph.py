"""A Keras model as a graph: values flow, nodes compute."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from keras_efficient.kinds import Key, key_of, kind_name
from keras_efficient.kinds.kind import UNKNOWN, Kind
from keras_efficient.kinds.table import KINDS, kind_of_class
from keras_efficient.reading.functions import LayerForm, layer_form
from keras_efficient.reading.value import Value, values_in

PRUNING_WRAPPERS = (Key("own", "Prunable"), Key("own", "PrunedChannels"))


@dataclass(frozen=True, eq=False)
class Node:
    """One call of an operation.

    name: Of the operation, of one in inner models after theirs: "block/conv". Calls of a shared layer have one name.
    operation: The layer, or what stands for a function or an operator.
    args, kwargs: Of the call, with a `Value` in the place of each tensor of the model; all else is a constant.
    outputs: What it computes.
    """

    name: str
    operation: Any
    args: tuple
    kwargs: Mapping[str, Any]
    outputs: tuple[Value, ...]

    @cached_property
    def inputs(self) -> tuple[Value, ...]:
        """All tensors of the model that the call takes, in order."""
        return tuple(values_in((self.args, self.kwargs)))

    @property
    def data(self) -> tuple[Value, ...]:
        """What the call computes with: its inputs but for a mask."""
        return tuple(value for value in self.inputs if value is not self.kwargs.get("mask"))

    @cached_property
    def key(self) -> Key | None:
        """The kind of the operation; None for somebody else's class."""
        return key_of(self.operation)

    @property
    def layer(self) -> Any:
        """The operation, or the layer within a wrapper that prunes it: masks are no part of a network."""
        return self.operation.layer if self.key in PRUNING_WRAPPERS else self.operation

    @property
    def layer_name(self) -> str:
        """The name of `layer`, in inner models after theirs."""
        *path, _ = self.name.split("/")
        return "/".join([*path, self.layer.name])

    @property
    def layer_key(self) -> Key | None:
        return self.key if self.layer is self.operation else key_of(self.layer)

    @cached_property
    def form(self) -> LayerForm:
        """The layer, or the one that computes what the function does, as it is written down."""
        return layer_form(self)

    @property
    def kind(self) -> Kind:
        """What the tools know of that layer."""
        return UNKNOWN if self.form.key is None else KINDS.get(self.form.key, UNKNOWN)

    @property
    def kind_name(self) -> str:
        """The kind as people call it, such as "Conv2D" or "get_item"."""
        return kind_name(self.operation)

    @property
    def described(self) -> str:
        """The same in messages: somebody else's class of a name that the tools know comes with its module."""
        is_double = self.layer_key is None and kind_of_class(self.kind_name) is not UNKNOWN
        return f"{type(self.layer).__module__}.{self.kind_name}" if is_double else self.kind_name


@dataclass(frozen=True, eq=False)
class ModelGraph:
    """All calls of a model in the order of computation, inner models written out.

    name: Of the model.
    inputs, outputs: Its ends.
    input_names: Of the input layers.
    nodes: The calls; input layers are none.
    """

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    input_names: tuple[str, ...]
    nodes: tuple[Node, ...]

    @cached_property
    def working(self) -> tuple[Node, ...]:
        """The nodes that the outputs are computed from: an inner model may compute more, and masks are no data."""
        found: list[Node] = []
        values = set(self.outputs)
        for node in reversed(self.nodes):
            if not values.isdisjoint(node.outputs):
                found.append(node)
                values.update(node.data)
        return tuple(reversed(found))

    @cached_property
    def makers(self) -> dict[Value, Node]:
        """The node that computes each value. Inputs have none."""
        return {value: node for node in self.nodes for value in node.outputs}

    @cached_property
    def _readers(self) -> dict[Value, tuple[Node, ...]]:
        found: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in dict.fromkeys(node.inputs):
                found.setdefault(value, []).append(node)
        return {value: tuple(nodes) for value, nodes in found.items()}

    def readers(self, value: Value) -> tuple[Node, ...]:
        """The nodes that take a value, each once."""
        return self._readers.get(value, ())

    def only_reader(self, value: Value) -> Node | None:
        """The one node that takes a value that nobody else sees: it is no output of the model."""
        readers = self.readers(value)
        return readers[0] if len(readers) == 1 and value not in self.outputs else None

    def calls_of(self, operation: Any) -> tuple[Node, ...]:
        return self._calls.get(id(operation), ())

    @cached_property
    def _calls(self) -> dict[int, tuple[Node, ...]]:
        found: dict[int, list[Node]] = {}
        for node in self.nodes:
            found.setdefault(id(node.operation), []).append(node)
        return {key: tuple(nodes) for key, nodes in found.items()}

    @cached_property
    def operations(self) -> tuple[Node, ...]:
        """The first call of each operation that works: a layer that is called twice is there once."""
        first: dict[int, Node] = {}
        for node in self.working:
            first.setdefault(id(node.operation), node)
        return tuple(first.values())
