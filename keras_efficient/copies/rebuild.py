"""Calls the operations of a model again, with others in the place of some."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_efficient.checks import shown
from keras_efficient.copies.compiling import copy_compiling
from keras_efficient.copies.layers import assign_all, carry_weights, copy_of, finish
from keras_efficient.reading.graph import Node
from keras_efficient.reading.keras_private import (
    functional_of,
    has_functional_constructor,
    input_structure,
    maker_of,
    output_structure,
)
from keras_efficient.reading.read import filled, is_connected, read_model
from keras_efficient.reading.value import Value

# The layer that takes another one's place, and the values of the variables of it, or of the layer inside a wrapper;
# or a function of tensors, without values.
Replacement = tuple[Any, list]


def check_model(model: Any) -> None:
    """Raise a TypeError unless `model` is a built Functional or Sequential model."""
    known = isinstance(model, keras.Model) and is_connected(model)
    if known and functional_of(model) is not None:
        return
    raise TypeError(
        "`model` must be a built Functional or Sequential model. "
        f"Received: model={shown(model)}" + (" (not built: give it an Input)" if known else "")
    )


class Rebuilder:
    """Makes a model with the graph of another one, of its class, compiled as it is.

    What each node becomes is up to `call`. Inner models are nodes, too.

    Args:
        model: A built Functional or Sequential model.

    Attributes:
        graph: Of `model`.
        known: The new tensors, by the values of the graph.
    """

    def __init__(self, model: keras.Model):
        self.model, self.graph = model, read_model(model, inner=False)
        self.known: dict[Value, Any] = {}

    def call(self, node: Node, args: tuple, kwargs: dict[str, Any]) -> Any:
        """What takes the place of a node computes from new tensors."""
        raise NotImplementedError

    def tensor(self, node: Node, value: Value) -> Any:
        """What a node sees of a value."""
        return self.known[value]

    def input(self, tensor: Any) -> Any:
        """What takes the place of an input."""
        layer = maker_of(tensor)
        return type(layer).from_config(layer.get_config()).output

    def run(self) -> keras.Model:
        """The new model."""
        made = _of_class(self.model, *self.ends())
        copy_compiling(self.model, made)
        return made

    def ends(self) -> tuple[Any, Any]:
        """The inputs and the outputs of the new model, in the structures of the old one."""
        functional = functional_of(self.model)
        inputs = {id(tensor): self.input(tensor) for tensor in functional.inputs}
        self.known = dict(zip(self.graph.inputs, inputs.values(), strict=True))
        for node in self.graph.nodes:
            seen = {value: self.tensor(node, value) for value in node.inputs}
            args, kwargs = _first_by_place(node.operation, *filled((node.args, node.kwargs), seen))
            outputs = keras.tree.flatten(self.call(node, args, kwargs))
            self.known.update(zip(node.outputs, outputs, strict=True))
        outputs = {id(t): self.known[value] for t, value in zip(functional.outputs, self.graph.outputs, strict=True)}
        return (
            keras.tree.map_structure(lambda tensor: inputs[id(tensor)], input_structure(functional)),
            keras.tree.map_structure(lambda tensor: outputs[id(tensor)], output_structure(functional)),
        )


def replace_layers(
    model: keras.Model, replace: Callable[[Any], Replacement | None], shapes: Sequence[tuple] = ()
) -> keras.Model:
    """A copy of `model`, inner models included, in which other layers take the place of some.

    `replace(layer)` gives the new layer and the values of its variables, or None for a copy of the old one. It is
    asked once for each layer. `shapes`: of the inputs of the copy, without the batch, where sizes were left open.

    Raises:
        TypeError: If the model is neither Functional nor Sequential.
    """
    check_model(model)
    made: dict[int, tuple[Any, Any, list | None]] = {}
    copy = _Replacing(model, replace, made, shapes).run()
    for old, new, values in made.values():
        if values:
            # A wrapper comes with the values of what it wraps: its own masks are new.
            target = new.layer if len(values) != len(new.variables) else new
            assign_all(target.variables, values)
            finish(target)
        elif values is None and not is_connected(old):
            carry_weights(old, new)
    return copy


class _Replacing(Rebuilder):
    """For `replace_layers`; `made` gets for each operation, by id, it, what it became, and the values of that."""

    def __init__(self, model: keras.Model, replace: Callable, made: dict, shapes: Sequence[tuple] = ()):
        super().__init__(model)
        self.replace, self.made = replace, made
        self.shapes = {id(tensor): shape for tensor, shape in zip(functional_of(model).inputs, shapes, strict=False)}

    def input(self, tensor: Any) -> Any:
        if id(tensor) not in self.shapes:
            return super().input(tensor)
        layer = maker_of(tensor)
        return type(layer).from_config({**layer.get_config(), "batch_shape": (None, *self.shapes[id(tensor)])}).output

    def call(self, node: Node, args: tuple, kwargs: dict[str, Any]) -> Any:
        old = node.operation
        if id(old) not in self.made:
            self.made[id(old)] = (old, *self.replacement(old))
        return self.made[id(old)][1](*args, **kwargs)

    def replacement(self, old: Any) -> tuple[Any, list | None]:
        if is_connected(old):
            return _Replacing(old, self.replace, self.made).run(), None
        found = self.replace(old) if isinstance(old, keras.layers.Layer) else None
        return found or (copy_of(old), None)


def _first_by_place(operation: Any, args: tuple, kwargs: Mapping[str, Any]) -> tuple[tuple, dict]:
    """The arguments of a call, the first by its place: `layer(inputs=x)` is `layer(x)`."""
    name = next(iter(inspect.signature(operation.call).parameters), "")
    if args or name not in kwargs:
        return args, dict(kwargs)
    return (kwargs[name],), {key: value for key, value in kwargs.items() if key != name}


def _of_class(model: keras.Model, inputs: Any, outputs: Any) -> keras.Model:
    """A model of the class of another one, as far as its constructor is Keras's; Functional where a Sequential model
    would not be `loadable`."""
    if not isinstance(model, keras.Sequential):
        kind = type(model) if has_functional_constructor(model) else keras.Model
        return kind(inputs, outputs, name=model.name)
    whole = keras.Model(inputs, outputs, name=model.name)
    if _is_more_than_its_layers(whole):
        return whole
    kind = type(model) if type(model).__init__ is keras.Sequential.__init__ else keras.Sequential
    return kind(whole.layers, name=model.name)


def loadable(model: keras.Model) -> keras.Model:
    """`model`; of a Sequential one that calls a layer twice, whose file Keras cannot load, the same as Functional."""
    if (
        type(model) is not keras.Sequential or functional_of(model) is None
    ):  # a class of its own may train in its own way
        return model
    whole = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return whole if _is_more_than_its_layers(whole) else model


def _is_more_than_its_layers(model: keras.Model) -> bool:
    """Whether a chain has more calls than layers, which count its input and hold each layer once."""
    return len(read_model(model, inner=False).nodes) >= len(model.layers)
