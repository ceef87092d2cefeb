"""From a network with branches to nodes, with the widths that the layers declare. Keras is not imported."""

from __future__ import annotations

from typing import NamedTuple

from keras_efficient.descriptions.specs import LayerSpec
from keras_efficient.kinds.measures import FLOAT_BITS, LOGIT_BITS, FeatureMap
from keras_efficient.kinds.steps import Step, WholeStep
from keras_efficient.reading.network import Network
from keras_efficient.storage.graphs.graph import Node
from keras_efficient.storage.live_bits import live_bits
from keras_efficient.storage.models import layer_spec, shape_behind


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
    graph = PricedGraph(wires[0].map.as_image, [], [])
    read = {source for call in network.calls for source in call.sources}
    for number, call in enumerate(network.calls, start=1):
        sources, spec = [wires[source] for source in call.sources], layer_spec(call)
        shape = shape_behind(call.name, spec, [each.map.shape for each in sources])
        if spec.kind.needs_no_memory:
            wires.append(Wire(FeatureMap(shape, sources[0].map.bits), sources[0].number))
            continue
        width = spec.price.bits(call.config, sources[0].map.bits)
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


def step_of(spec: LayerSpec, source: FeatureMap, target: FeatureMap) -> Step:
    """How a layer works its way through a source; where it takes several steps, both maps are there at once."""
    steps = spec.price.steps(spec.config, source, target)
    if len(steps) == 1:
        return steps[0]
    needed = max(live_bits(step).bits for step in steps)
    scratch = max(needed - source.total_bits - target.total_bits, 0)
    return WholeStep(source.as_image, target.as_image, scratch=scratch)
