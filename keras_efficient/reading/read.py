"""From a Keras model to its graph."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from keras_efficient.kinds import key_of
from keras_efficient.reading.graph import ModelGraph, Node
from keras_efficient.reading.keras_private import (
    calls_in_order,
    functional_of,
    input_names,
    input_structure,
    takes_training,
)
from keras_efficient.reading.value import Value, mapped, values_in


def is_model(value: Any) -> bool:
    """Whether `value` is a model: something with layers that is no list."""
    return hasattr(value, "layers") and not isinstance(value, (list, tuple, type))


def read_model(model: Any, inner: bool = True) -> ModelGraph:
    """The graph of a built Functional or Sequential model.

    With `inner`, models within it are written out: their operations are called "block/conv". A model within it that
    computes its outputs in a way of its own (a subclass with a `call`) stays one node of a kind that nobody knows.

    Raises:
        ValueError: Another model, which does not say how it is connected, or one that is not built, whose shapes are
            unknown.
    """
    check_model(model)
    functional = functional_of(model)
    inputs = [_value(tensor) for tensor in functional.inputs]
    known = {id(tensor): value for tensor, value in zip(functional.inputs, inputs, strict=True)}
    nodes: list[Node] = []
    _read(functional, known, "", nodes.append, inner)
    outputs = tuple(known[id(tensor)] for tensor in functional.outputs)
    return ModelGraph(model.name, tuple(inputs), outputs, tuple(input_names(functional)), tuple(nodes))


def check_model(model: Any) -> None:
    """Refuse what says nothing of its graph."""
    name = getattr(model, "name", type(model).__name__)
    if not is_connected(model):
        raise ValueError(
            f"the model {name!r} ({type(model).__name__}) does not say how its layers are connected; only Functional "
            "and Sequential models do"
        )
    if functional_of(model) is None:
        raise ValueError(
            f"the model {name!r} is not built: its shapes are unknown. Give it an Input, or call "
            "model.build((None, rows, columns, channels)) first"
        )


def is_connected(model: Any) -> bool:
    """Whether a model is Functional or Sequential, and computes nothing beside."""
    key = key_of(model)
    return key is not None and key.origin == "models" and key.name in ("Sequential", "Functional")


def _read(functional: Any, known: dict[int, Value], path: str, add: Callable[[Node], None], inner: bool) -> None:
    """Add the nodes of a model. `known` has the values of its inputs, by the ids of Keras's tensors, and gets more."""
    for call in calls_in_order(functional):
        if call.is_input or any(id(tensor) not in known for tensor in call.arguments.keras_tensors):
            continue
        given = (call.arguments.args, call.arguments.kwargs)
        args, kwargs = mapped(given, lambda part: known.get(id(part), part))
        name = path + call.operation.name
        if inner and is_connected(call.operation) and functional_of(call.operation) is not None:
            outputs = _read_inner(call.operation, args, kwargs, name, add)
        else:
            outputs = [_value(tensor) for tensor in call.outputs]
            add(Node(name, call.operation, args, kwargs, tuple(outputs)))
        known.update({id(tensor): value for tensor, value in zip(call.outputs, outputs, strict=True)})


def _read_inner(model: Any, args: tuple, kwargs: Mapping, name: str, add: Callable[[Node], None]) -> list[Value]:
    functional = functional_of(model)
    given = args[0] if args else kwargs["inputs"]
    if isinstance(given, Mapping) and not isinstance(input_structure(functional), Mapping):
        given = [given[tensor] for tensor in input_names(functional)]
    values = list(values_in({key: given[key] for key in sorted(given)} if isinstance(given, Mapping) else given))
    inner = {id(tensor): value for tensor, value in zip(functional.inputs, values, strict=True)}
    _read(functional, inner, f"{name}/", add, True)
    return [inner[id(tensor)] for tensor in functional.outputs]


def _value(tensor: Any) -> Value:
    return Value(tuple(tensor.shape[1:]), str(tensor.dtype), tensor)


def run_nodes(nodes: Iterable[Node], known: Mapping[Value, Any]) -> dict[Value, Any]:
    """All values that the nodes compute from those that are known, which come back, too."""
    known = dict(known)
    for node in nodes:
        args, kwargs = filled((node.args, node.kwargs), known)
        if takes_training(node.operation):
            kwargs = {**kwargs, "training": False}
        found = node.operation(*args, **kwargs)
        outputs = found if isinstance(found, (list, tuple)) else [found]
        known.update(zip(node.outputs, outputs, strict=True))
    return known


def filled(arguments: Any, known: Mapping[Value, Any]) -> Any:
    """Arguments of a call with what is known in the place of its values."""
    return mapped(arguments, lambda part: known[part] if isinstance(part, Value) else part)
