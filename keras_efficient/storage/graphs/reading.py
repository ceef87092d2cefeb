"""From a Keras model with branches to nodes, by its configuration alone: Keras is not imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from keras_efficient.descriptions.specs import LayerSpec
from keras_efficient.descriptions.windows import read_signal_window, read_window
from keras_efficient.storage.graphs.graph import Node
from keras_efficient.storage.models import (
    INPUT_GRID,
    INPUT_LAYER,
    PREPARATIONS,
    checked_output_shape,
    is_model,
    layer_spec,
    model_graph,
    name_of,
    tensor_sources,
    unknown_layer,
    unwrapped,
)
from keras_efficient.storage.prices import FLOAT_BITS, LOGIT_BITS, PRICES, FeatureMap
from keras_efficient.storage.prices.elementwise import TRAINING_ONLY
from keras_efficient.storage.prices.merging import MERGING, merged_shape
from keras_efficient.storage.steps import CellStep, ResidualStep, Step, WholeStep, WindowStep

# The map behind them is the one before, perhaps of another shape.
RENAMING = (*TRAINING_ONLY, "Flatten", "Reshape")


class Call(NamedTuple):
    """A layer of a graph and the names of those that feed it. `name` is the graph's, of the wrapper of a layer that
    is being pruned; `spec` is of the layer inside."""

    name: str
    spec: LayerSpec
    sources: tuple[str, ...]

    @property
    def kind(self) -> str:
        return self.spec.class_name

    @property
    def config(self) -> Mapping[str, Any]:
        return self.spec.config


def is_chain(model: Any) -> bool:
    """Whether a model is to be read as a chain: no layer that is used once is fed by another than the
    one before. (A layer used twice is neither a chain's nor a graph's; `check_chain` refuses it.)"""
    if type(model).__name__ == "Sequential":
        return True
    graph = model_graph(model)
    if any(len(layer["inbound_nodes"]) > 1 for layer in graph):
        return True
    sources = [[source for node in layer["inbound_nodes"] for source in tensor_sources(node)] for layer in graph]
    return sources == [[], *([layer["name"]] for layer in graph[:-1])]


def graph_calls(model: Any) -> list[Call]:
    """The layers of a model with branches, in the model's order, without input layers, what prepares the
    input and its grid, and without the head behind the last layer that works.

    Raises:
        ValueError: Several inputs or outputs, or a model inside the model.
    """
    check_ends(model)
    layers = {layer.name: layer for layer in model.layers}
    calls = []
    for layer in model_graph(model):
        name, nodes = layer["name"], layer["inbound_nodes"]
        if name not in layers:
            raise unknown_layer(f"{name!r} of the model {name_of(model)}", layer["class_name"])
        if is_model(layers[name]):
            raise ValueError(
                f"a model with branches can hold no other models, but the layer {name!r} of the model "
                f"{name_of(model)} is one"
            )
        sources = tuple(source for node in nodes for source in tensor_sources(node))
        calls.append(Call(name, layer_spec(unwrapped(layers[name])), sources))
    return without_head(without_preparation(calls, model))


def check_ends(model: Any) -> None:
    for ends, what in ((model.inputs, "input"), (model.outputs, "output")):
        if len(ends) != 1:
            raise ValueError(f"the model {name_of(model)} must have one {what}. Received: {len(ends)} {what}s")


def without_preparation(calls: list[Call], model: Any) -> list[Call]:
    """From the input's grid on, if there is one behind nothing but what prepares the input; it, or else the input
    layer, comes first."""
    by_name = {call.name: call for call in calls}
    first = next((call for call in calls if call.kind == INPUT_GRID), calls[0])
    before = names_before(first, by_name)
    if any(by_name[name].kind not in (INPUT_LAYER, *PREPARATIONS) for name in before):
        first, before = calls[0], set()
    rest = [call for call in calls if call.name not in (*before, first.name)]
    for call in rest:
        if not before.isdisjoint(call.sources):
            raise ValueError(
                f"the layer {call.name!r} ({call.kind}) of the model {name_of(model)} reads what stands before the "
                f"grid of the input, {first.name!r}: all branches must start behind it"
            )
    return [first._replace(sources=()), *rest]


def names_before(call: Call, by_name: Mapping[str, Call]) -> set[str]:
    """The names of all layers that a layer depends on."""
    found, waiting = set(), list(call.sources)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += by_name[name].sources
    return found


def without_head(calls: list[Call]) -> list[Call]:
    """Up to the layer whose outputs are read."""
    read = {source for call in calls for source in call.sources}
    by_name = {call.name: call for call in calls}
    last = next(call for call in reversed(calls) if call.name not in read)
    dropped: set[str] = set()
    while last.kind in PRICES and PRICES[last.kind].is_head and len(last.sources) == 1:
        others = [call for call in calls if last.sources[0] in call.sources and call.name not in (*dropped, last.name)]
        if others:
            break
        dropped.add(last.name)
        last = by_name[last.sources[0]]
    return [call for call in calls if call.name not in dropped]


class PricedGraph(NamedTuple):
    """The first map, the nodes with their calls, and the shapes without the batch behind each of them."""

    first: FeatureMap
    nodes: list[Node]
    calls: list[Call]
    sources: list[FeatureMap]
    shapes: list[tuple]


def read_graph(model: Any, input_shape: tuple, input_bits: int) -> PricedGraph:
    """The nodes of a graph, with the widths that the layers declare."""
    start, *calls = graph_calls(model)
    bits = start.config["bits"] if start.kind == INPUT_GRID else input_bits
    shapes, numbers = {start.name: tuple(input_shape)}, {start.name: 0}
    maps = [as_image(FeatureMap(tuple(input_shape), bits))]
    read = {source for call in calls for source in call.sources}
    graph = PricedGraph(maps[0], [], [], [], [])
    for call in calls:
        if call.kind not in PRICES:
            raise unknown_layer(f"{call.name!r} of the model {name_of(model)}", call.kind)
        sources = [FeatureMap(shapes[s], maps[numbers[s]].bits) for s in call.sources]
        shapes[call.name] = shape_of(call, [source.shape for source in sources])
        if call.kind in RENAMING:
            numbers[call.name] = numbers[call.sources[0]]
            continue
        width = PRICES[call.kind].output_bits(call.config, sources[0].bits)
        is_last = call.name not in read
        target = FeatureMap(shapes[call.name], LOGIT_BITS if is_last and width != FLOAT_BITS else width)
        steps = tuple(step_of(call, source, target) for source in sources)
        graph.nodes.append(Node(call.name, tuple(numbers[s] for s in call.sources), steps))
        graph.calls.append(call)
        graph.sources.append(sources[0])
        graph.shapes.append(shapes[call.name])
        maps.append(as_image(target))
        numbers[call.name] = len(maps) - 1
    if not graph.nodes:
        raise ValueError(f"the model {name_of(model)} holds no layer that works")
    return graph


def shape_of(call: Call, shapes: list[tuple]) -> tuple:
    if len(shapes) > 1 or call.kind in MERGING:
        return merged_shape(call.kind, shapes)
    return checked_output_shape(call.name, call.spec, shapes[0])


def as_image(each: FeatureMap) -> FeatureMap:
    """(rows, columns, channels): a signal is an image of one row, a vector one pixel."""
    return FeatureMap((1,) * (3 - len(each.shape)) + tuple(each.shape), each.bits)


def step_of(call: Call, source: FeatureMap, target: FeatureMap) -> Step:
    """How a layer works its way through a source; input and output side by side where that is not known."""
    return STEPS.get(call.kind, whole)(call.config, source, target)


def whole(config: Mapping, source: FeatureMap, target: FeatureMap) -> Step:
    return WholeStep(as_image(source), as_image(target))


def cells(config: Mapping, source: FeatureMap, target: FeatureMap) -> Step:
    return CellStep(as_image(source), as_image(target))


def dense(config: Mapping, source: FeatureMap, target: FeatureMap) -> Step:
    """A vector meets every output; on a map every place is a vector of its own."""
    if len(source.shape) == 1:
        return whole(config, source, target)
    return pixels(config, source, target)


def pixels(config: Mapping, source: FeatureMap, target: FeatureMap) -> Step:
    """Pixel by pixel, as a 1x1 convolution."""
    return WindowStep(as_image(source), as_image(target), (1, 1), (1, 1), "valid", cell_by_cell=False)


def residual(config: Mapping, source: FeatureMap, target: FeatureMap) -> Step:
    return ResidualStep(as_image(source), as_image(target), config.get("activation_bits", 4))


def window(size_key: str, default: Any = None, by_channel: bool = False) -> Callable[..., Step]:
    def step(config: Mapping, source: FeatureMap, target: FeatureMap) -> Step:
        if len(source.shape) == 2:
            size, stride, padding = read_signal_window(config, size_key, default)
            sizes, strides = (1, size), (1, stride)
        else:
            sizes, strides, padding = read_window(config, size_key, default)
        one_to_one = by_channel and source.shape[-1] == target.shape[-1]
        return WindowStep(as_image(source), as_image(target), sizes, strides, padding, one_to_one)

    return step


def whole_map(config: Mapping, source: FeatureMap, target: FeatureMap) -> Step:
    places = as_image(source).shape[:2]
    target = FeatureMap((1, 1, target.shape[-1]), target.bits)
    return WindowStep(as_image(source), target, places, places, "valid", cell_by_cell=True)


POOLING = window("pool_size", 2, by_channel=True)
STEPS: dict[str, Callable[..., Step]] = {
    **dict.fromkeys(("DenseQ", "Dense"), dense),
    **dict.fromkeys(("ConvQ", "Conv2D", "Conv1DQ", "Conv1D"), window("kernel_size")),
    **dict.fromkeys(("DepthwiseConvQ", "DepthwiseConv2D"), window("kernel_size", by_channel=True)),
    **dict.fromkeys(("AveragePoolingQ", "MeanPoolingQ", "AveragePooling2D", "AveragePooling1D"), POOLING),
    **dict.fromkeys(("MaxPooling2D", "MaxPooling1D"), POOLING),
    **dict.fromkeys(("GlobalMeanPoolingQ", "GlobalAveragePooling2D", "GlobalAveragePooling1D"), whole_map),
    **dict.fromkeys(("GlobalMaxPooling2D", "GlobalMaxPooling1D"), whole_map),
    "ResidualQ": residual,
    **dict.fromkeys(("AddQ", "ActivationQ", "Activation", "ReLU", "BatchNormalization"), cells),
    "ConcatenateQ": pixels,
}
