"""From a network with branches to nodes, with the widths that the layers declare. Keras is not imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from keras_efficient.descriptions.specs import LayerSpec
from keras_efficient.kinds.measures import FLOAT_BITS, LOGIT_BITS, FeatureMap, check_logits
from keras_efficient.kinds.stages import with_target_bits
from keras_efficient.kinds.steps import Step, WholeStep
from keras_efficient.reading.network import INPUT_GRID, Network
from keras_efficient.storage.chains import layer_spec, shape_after
from keras_efficient.storage.graphs.graph import PlanNode, gathering
from keras_efficient.storage.live_bits import live_bits

# The forms of layers that sum products up.
SUMS = ("Convolution", "Residual", "Scale", "Stages")


class PricedLayer(NamedTuple):
    """A layer that works: its name, what it is priced by, and the maps around it without the batch.

    shares: Whether it was called before, so that its kernel and bias are stored.
    """

    name: str
    spec: LayerSpec
    source: FeatureMap
    target: FeatureMap
    shares: bool = False


class PricedGraph(NamedTuple):
    """The input maps, and for each operation of the layers that work a node and its layer, one for all of them; several
    outputs end in a node more."""

    inputs: tuple[FeatureMap, ...]
    nodes: list[PlanNode]
    layers: list[PricedLayer]


def read_graph(
    network: Network, input_shapes: Sequence[tuple], input_bits: int, logits_bits: int = LOGIT_BITS
) -> PricedGraph:
    """The nodes of a network whose layers are all known."""
    wires = [
        MapWire(FeatureMap(tuple(shape), entry.grid.config["bits"] if entry.grid else input_bits), number)
        for number, (entry, shape) in enumerate(zip(network.entries, input_shapes, strict=True))
    ]
    graph, twice = PricedGraph(tuple(wire.map.as_image for wire in wires), [], []), network.twice
    for position, call in enumerate(network.calls):
        sources, spec = [wires[source] for source in call.sources], layer_spec(call)
        shape = shape_after(call.name, spec, [each.map.shape for each in sources])
        if spec.kind.needs_no_memory:
            wires.append(MapWire(FeatureMap(shape, sources[0].map.bits), sources[0].number))
            continue
        source = sources[0].map
        target = FeatureMap(shape, _width_of(network, position, spec, source.bits, logits_bits))
        shares = position in twice and spec.kind.form != "Lookup"  # tables are as their inputs are
        layer = PricedLayer(call.name, spec, source, target, shares)
        wires.append(_add(graph, layer, sources, network.is_sum(position)))
    if network.gives_all:
        ends = [wires[number] for number in network.outputs]
        node = gathering([end.number for end in ends], [end.map for end in ends], logits_bits)
        graph.nodes.append(node)
        graph.layers.append(PricedLayer("outputs", LayerSpec("Concatenate", {}), ends[0].map, node.target))
    if not graph.nodes:
        raise ValueError(f"the model {network.name!r} holds no layer that works")
    return graph


def read_shaped(
    layers: Sequence[tuple[str, LayerSpec, tuple]], source: FeatureMap, logits_bits: int = LOGIT_BITS
) -> PricedGraph:
    """The same of a chain of layers, (name, what it is priced by, shape after it): a description's."""
    has_grid = layers[0][1].class_name == INPUT_GRID.name
    if has_grid:
        source = source._replace(bits=layers[0][1].config["bits"])
    graph, wire = PricedGraph((source.as_image,), [], []), MapWire(source, 0)
    for position, (name, spec, shape) in enumerate(layers[has_grid:], start=1 + has_grid):
        is_last = position == len(layers)
        if spec.kind.needs_no_memory:
            wire = MapWire(FeatureMap(shape, wire.map.bits), wire.number)
            continue
        width = grid_bits(spec, wire.map.bits, is_last and not has_grid)
        if is_last:
            check_logits(name, width, logits_bits)
        target = FeatureMap(shape, logits_bits if is_last and width != FLOAT_BITS else width)
        wire = _add(graph, PricedLayer(name, spec, wire.map, target), [wire], is_last and not has_grid)
    return graph


def _add(graph: PricedGraph, layer: PricedLayer, sources: Sequence[MapWire], is_sum: bool) -> MapWire:
    """Add the nodes of a layer; what it makes. `is_sum`: whether its sums are the logits."""
    name, spec, source, target, _ = layer
    numbers, streams = [each.number for each in sources], "no"
    if _has_stages(spec, source):
        found = steps_of(spec, source, target, code_bits(spec, source, target, is_sum))
        each_alone: list[tuple[Step, ...]] = [(step,) for step in found]
    else:
        each_alone = [tuple(_step_of(spec, each.map, target) for each in sources)]
        streams = spec.price.streams(spec.config)
    for steps in each_alone:
        graph.nodes.append(PlanNode(name, tuple(numbers), steps, streams))
        graph.layers.append(layer)
        numbers = [len(graph.inputs) + len(graph.nodes) - 1]
    return MapWire(target, numbers[0])


def _width_of(network: Network, position: int, spec: LayerSpec, input_bits: int, logits_bits: int) -> int:
    """Bits of a cell that a call makes: users read `logits_bits`, and sums that are copied for them have 16."""
    number = len(network.entries) + position
    width = grid_bits(spec, input_bits, network.is_sum(position))
    if number in network.outputs:
        check_logits(network.calls[position].name, width, logits_bits)
    is_read = network.gives_all or any(number in call.sources for call in network.calls)
    return width if width == FLOAT_BITS or is_read else logits_bits


def grid_bits(spec: LayerSpec, input_bits: int, is_sum: bool) -> int:
    """Bits of a number that a layer gives, or of its sum where these are the logits."""
    width = spec.price.bits(spec.config, input_bits)
    return LOGIT_BITS if is_sum and width != FLOAT_BITS and spec.kind.form in SUMS else width


def code_bits(spec: LayerSpec, source: FeatureMap, target: FeatureMap, is_sum: bool) -> int:
    """Bits of what a layer computes, before users read it as logits."""
    return FLOAT_BITS if target.bits == FLOAT_BITS else grid_bits(spec, source.bits, is_sum)


def _has_stages(spec: LayerSpec, source: FeatureMap) -> bool:
    return spec.kind.stages is not None and bool(spec.kind.stages(spec.config, source.shape))


def steps_of(spec: LayerSpec, source: FeatureMap, target: FeatureMap, codes: int) -> tuple[Step, ...]:
    """The steps of a layer. `codes`: bits of what the stages of one compute: the last of them may move it, and gives
    the target."""
    if not _has_stages(spec, source):
        return spec.price.steps(spec.config, source, target)
    return with_target_bits(spec.price.steps(spec.config, source, target._replace(bits=codes)), target.bits)


class MapWire(NamedTuple):
    """A map as the next layer sees it, and the number of the map in memory that holds it."""

    map: FeatureMap
    number: int


def _step_of(spec: LayerSpec, source: FeatureMap, target: FeatureMap) -> Step:
    """How a layer works its way through a source; where it takes several steps, both maps are there at once."""
    steps = spec.price.steps(spec.config, source, target)
    if len(steps) == 1:
        return steps[0]
    needed = max(live_bits(step).bits for step in steps)
    scratch = max(needed - source.total_bits - target.total_bits, 0)
    return WholeStep(source.as_image, target.as_image, scratch=scratch)
