"""From a network with branches to nodes, with the widths that the layers declare. Keras is not imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from keras_efficient.descriptions.specs import LayerSpec
from keras_efficient.descriptions.windows import read_signal_window, read_window
from keras_efficient.kinds.roles import RENAMING, TRAINING_ONLY
from keras_efficient.reading.network import Network
from keras_efficient.storage.graphs.graph import Node
from keras_efficient.storage.models import layer_spec, shape_behind
from keras_efficient.storage.prices import FLOAT_BITS, LOGIT_BITS, PRICES, FeatureMap
from keras_efficient.storage.prices.base import quantized_widths
from keras_efficient.storage.steps import CellStep, ResidualStep, Step, WholeStep, WindowStep


class PricedLayer(NamedTuple):
    """A layer that works: its name, what it is priced by, and the maps around it without the batch."""

    name: str
    spec: LayerSpec
    source: FeatureMap
    target: FeatureMap


class PricedGraph(NamedTuple):
    """The first map, and for each layer that works a node and the layer."""

    first: FeatureMap
    nodes: list[Node]
    layers: list[PricedLayer]


def read_graph(network: Network, input_shape: tuple, input_bits: int) -> PricedGraph:
    """The nodes of a network whose layers are all known."""
    bits = network.grid.config["bits"] if network.grid else input_bits
    wires = [Wire(FeatureMap(tuple(input_shape), bits), 0)]
    graph = PricedGraph(as_image(wires[0].map), [], [])
    read = {source for call in network.calls for source in call.sources}
    for number, call in enumerate(network.calls, start=1):
        sources, spec = [wires[source] for source in call.sources], layer_spec(call)
        shape = shape_behind(call.name, spec, [each.map.shape for each in sources])
        if call.class_name in (*TRAINING_ONLY, *RENAMING):
            wires.append(Wire(FeatureMap(shape, sources[0].map.bits), sources[0].number))
            continue
        width = PRICES[call.class_name].output_bits(call.config, sources[0].map.bits)
        target = FeatureMap(shape, LOGIT_BITS if number not in read and width != FLOAT_BITS else width)
        steps = tuple(step_of(spec, source.map, target) for source in sources)
        graph.nodes.append(Node(call.name, tuple(source.number for source in sources), steps))
        graph.layers.append(PricedLayer(call.name, spec, sources[0].map, target))
        wires.append(Wire(target, len(graph.nodes)))
    if not graph.nodes:
        raise ValueError(f"the model {network.name!r} holds no layer that works")
    return graph


class Wire(NamedTuple):
    """A map as the next layer sees it, and the number of the map in memory that holds it."""

    map: FeatureMap
    number: int


def as_image(each: FeatureMap) -> FeatureMap:
    """(rows, columns, channels): a signal is an image of one row, a vector one pixel."""
    return FeatureMap((1,) * (3 - len(each.shape)) + tuple(each.shape), each.bits)


def step_of(spec: LayerSpec, source: FeatureMap, target: FeatureMap) -> Step:
    """How a layer works its way through a source; input and output side by side where that is not known."""
    return STEPS.get(spec.class_name, whole)(spec.config, source, target)


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
    return ResidualStep(as_image(source), as_image(target), quantized_widths(config).activation)


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
