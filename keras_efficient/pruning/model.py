"""prune_model: wrap the layers of a whole model."""

from collections.abc import Callable, Container, Iterable
from typing import Any

import keras

from keras_efficient.checks import nearest
from keras_efficient.copies.layers import copy_of
from keras_efficient.copies.rebuild import check_model, replace_layers
from keras_efficient.kinds.kind import CHANNELS
from keras_efficient.layers.pruning.kernels import check_prunable, divide, output_axes, prunable_weights, refusal
from keras_efficient.layers.pruning.prunable import Prunable, PrunedChannels
from keras_efficient.layers.pruning.schedules import Schedule, check_schedule
from keras_efficient.layers.pruning.structures import Structure, check_structure
from keras_efficient.quantization.own_model.fusion import folds
from keras_efficient.reading import ModelGraph, Node, read_model

Choice = Iterable[str | keras.layers.Layer] | Callable[[keras.layers.Layer], bool] | None


def prune_model(
    model: keras.Model,
    schedule: Schedule,
    layers: Choice = None,
    structure: Structure | None = None,
    scope: str = "kernel",
    monotone: bool = True,
) -> keras.Model:
    """A copy of `model` whose layers with kernels are wrapped in `Prunable`.

    It has the same weights and computes the same until the first update of a mask. Train it with
    `PruningCallback()`, then `strip_pruning` it. What is wrapped already stays so: call it again for other
    layers with another schedule.

    Args:
        model: A built Functional or Sequential model, nested ones included. A compiled one gives a compiled
            one; the optimizer starts anew.
        schedule: `ConstantSparsity`, `PolynomialDecay` or `StepSparsity`.
        layers: Names, layers, or a function from a layer to whether it is pruned. None: every layer that
            has a kernel, can be pruned and, for whole filters, is not the last one.
        structure, scope, monotone: See `Prunable`. With `pruning.Filters()` a BatchNormalization after a
            pruned layer is wrapped, too, so that its channels go with the filters.

    Raises:
        TypeError: If the model is neither Functional nor Sequential, or an argument is something else.
        ValueError: If a named layer is missing or can not be pruned, or there is none to prune.
    """
    check_model(model)
    check_schedule(schedule)
    structure = check_structure(structure)
    chosen = _chosen(model, layers, structure)
    followers = _normalizations(model, chosen) if structure.prunes_bias else {}

    def replace(layer):
        if id(layer) in chosen:
            return Prunable(copy_of(layer), schedule, structure, scope, monotone), layer.variables
        if id(layer) in followers:
            return PrunedChannels(copy_of(layer), f"prunable_{followers[id(layer)].name}"), layer.variables
        return None

    return replace_layers(model, replace)


def _chosen(model: keras.Model, layers: Choice, structure: Structure) -> dict[int, keras.layers.Layer]:
    """{id(layer): layer} of the layers to wrap."""
    every = _leaves(model)
    if layers is None:
        last = _last(model) if structure.prunes_bias else set()
        found = [layer for layer in every if _can_be_pruned(layer, structure) and id(layer) not in last]
    elif not isinstance(layers, Iterable) and not callable(layers):
        raise TypeError(f"`layers` must be names, layers, a function or None. Received: layers={layers!r}")
    elif callable(layers):
        found = [layer for layer in every if layers(layer)]
    else:
        found = [_named(every, wanted, model) for wanted in ([layers] if isinstance(layers, str) else layers)]
    if not found:
        raise ValueError(
            f"`layers` leaves no layer of model '{model.name}' to prune. Received: layers={layers!r}, "
            f"structure={structure!r}"
        )
    for layer in found:
        check_prunable(layer, "layers")
        weights = prunable_weights(layer)
        if not weights:
            raise ValueError(
                f"`layers` names '{layer.name}' ({type(layer).__name__}), which has no kernel. "
                f"Right would be some of {[each.name for each in every if _can_be_pruned(each, structure)]}"
            )
        for weight in weights:
            divide(layer, weight, structure)
    return {id(layer): layer for layer in found}


def _last(model: keras.Model) -> set[int]:
    """The ids of the last layers with a kernel on each way to an output."""
    graph = read_model(model)
    waiting, last = set(graph.outputs), set()
    for node in reversed(graph.nodes):
        if not waiting.isdisjoint(node.outputs):
            if isinstance(node.operation, keras.layers.Layer) and prunable_weights(node.operation):
                last.add(id(node.operation))
            else:
                waiting.update(node.inputs)
    return last


def _leaves(model):
    """The layers of a model and of the models inside it."""
    operations = [node.operation for node in read_model(model).operations]
    return [operation for operation in operations if isinstance(operation, keras.layers.Layer)]


def _named(layers, wanted, model):
    for layer in layers:
        if layer is wanted or layer.name == wanted:
            return layer
    names = [layer.name for layer in layers]
    raise ValueError(
        f"`layers` must hold layers of model '{model.name}', or their names {names}. "
        f"Received: {wanted!r}{nearest(wanted, names)}"
    )


def _can_be_pruned(layer, structure):
    weights = prunable_weights(layer) if refusal(layer) is None else []
    return bool(weights) and not (structure.prunes_bias and output_axes(layer) is None)


def _normalizations(model: keras.Model, chosen: Container[int]) -> dict[int, keras.layers.Layer]:
    """{id(BatchNormalization): the chosen layer before it}."""
    graph = read_model(model)
    followers: dict[int, keras.layers.Layer] = {}
    for norm in graph.operations:
        if norm.layer is norm.operation and folds(norm):
            first, *others = [_source(graph, call) for call in graph.calls_of(norm.operation)]
            if id(first) in chosen and all(other is first for other in others):
                followers[id(norm.operation)] = first
    return followers


def _source(graph: ModelGraph, node: Node) -> Any:
    """The operation that gives the channels of a node, but for what works on each of them alone."""
    maker: Node | None = node
    while maker is node or maker is not None and maker.kind.prunes == CHANNELS and not folds(maker):
        maker = graph.makers.get(maker.inputs[0]) if len(maker.inputs) == 1 else None
    return maker and maker.operation
