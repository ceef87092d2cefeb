"""`write_network`: network.c and network.h."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np

from keras_efficient.export.c.arrival import ArrivalWriter, InputsWriter, PushWriter
from keras_efficient.export.c.arriving_convolution import arriving_layers, write_arriving
from keras_efficient.export.c.assembly import (
    assemble,
    class_type,
    header,
    identifier,
    input_cells,
    source_top,
)
from keras_efficient.export.c.cells import Cells
from keras_efficient.export.c.convolution import StoredWeights
from keras_efficient.export.c.layers import write_layer
from keras_efficient.export.c.moves import move_bytes, permute
from keras_efficient.export.c.placed import PlacedLayer
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.text import count_type, function
from keras_efficient.export.c.weights import pack
from keras_efficient.export.integer import Convolution, IntegerMap, IntegerModel, Operation
from keras_efficient.export.network import (
    Arrival,
    feature_map,
    graph_nodes,
    planner_steps,
    split_arrival,
)
from keras_efficient.kinds.measures import FeatureMap, whole_bytes
from keras_efficient.kinds.steps import ResidualStep
from keras_efficient.storage.graphs import OrderPlan, PlanNode, plan_order
from keras_efficient.storage.planner import ArenaPlan, Layout, PlacedStep, plan_arena
from keras_efficient.storage.planner.arrival import arrival_bits
from keras_efficient.storage.planner.graph import PlacedNode, place_graph
from keras_efficient.storage.planner.occupancy import Need
from keras_efficient.storage.prefix import row_ring


@dataclass(frozen=True)
class NetworkText:
    """The C text of a network, and what it takes; `network_id` tells it from all others.

    `source` gives the text of network.c piece by piece, as it holds all weights. `leaves_zeros_out`: so that its time
    depends on the input.
    """

    source: Callable[[], Iterator[str]]
    header: str
    network_id: str
    layers: tuple[dict, ...]
    arena_bytes: int
    weight_bytes: int
    static_bytes: int
    leaves_zeros_out: bool


def write_network(
    model: IntegerModel, weights: str = "flash", sparse: bool = True, by_words: bool = False
) -> NetworkText:
    """Generate the C code.

    Args:
        model: The network in integers.
        weights: "flash" or "ram", where an AVR keeps them.
        sparse: Whether pruned kernels are stored in their smallest encoding, or densely.
        by_words: Whether products are taken two at a time, for cores with such instructions.
    """
    if not model.network.network.is_chain:
        return _write_graph(model, weights, sparse, by_words)
    logits_bits = model.network.logits_bits
    arrival, operations = split_arrival(model.input, model.operations, logits_bits)
    steps = planner_steps(operations, logits_bits)
    first = feature_map(arrival.stored, None if operations else logits_bits)
    plan = plan_arena(first, steps, arrival.line_bits)
    arriving = arriving_layers(arrival, plan.first_layout, plan.first_offset, plan.lines_offset, sparse, by_words)
    layers = [
        PlacedLayer(str(number), operation, placed, operation is operations[-1], sparse, by_words=by_words)
        for number, (operation, placed) in enumerate(zip(operations, plan.steps, strict=True), 1 + len(arriving))
    ]
    packed = pack(segment for layer in (*arriving, *layers) for segment in layer.segments)
    program = _new_program(model, plan.arena_bytes, len(packed), by_words)
    places = program.use_places(program.places_of(plan.first_layout))
    for convolution in arriving:
        write_arriving(program, convolution, places)
    for layer in layers:
        write_layer(program, layer)
    _write_end(program, model, plan)
    stored = Cells(arrival.stored.codes, plan.first_offset, is_logits=not operations)
    push = ArrivalWriter(program, arrival, stored, places, plan.lines_offset, *arriving)
    bits = [arrival_bits(first, arrival.line_bits) for _ in arriving] + [each.placed.need_bits for each in layers]
    costs = [whole_bytes(each) for each in bits]
    return finished(model, program, push, packed, weights, [*arriving, *layers], costs, plan.arena_bytes)


def _write_graph(model: IntegerModel, weights: str, sparse: bool, by_words: bool) -> NetworkText:
    """The C code of a network with branches: the layers in the planned order, with moves between."""
    nodes, inputs = graph_nodes(model.network), [feature_map(each) for each in model.inputs]
    plan = plan_order(inputs, nodes, streaming=True)
    first, costs = plan.arriving, plan.costs[max(plan.arriving - 1, 0) :]
    owners = [id(owner) for owner in model.network.owners]
    if first:
        inputs, nodes, plan = _after_arrival(nodes, plan)
    placement = place_graph(inputs, nodes, plan)
    arrival, arriving = Arrival(model.inputs[0], (), None, None, model.inputs[0]), []
    if first:
        arrival = _graph_arrival(model.inputs[0], model.operations[:first])
        layout = Layout.by_rows(*arrival.stored.shape[:2])
        arriving = arriving_layers(arrival, layout, 8 * placement.inputs[0], 0, sparse, by_words)
    stored: dict[int, tuple] = {}
    for convolution in arriving:
        stored[owners[first - 1]] = convolution.weights
    layers = []
    for placed in placement.nodes:
        number = first + placed.number
        given = stored.get(owners[number], ())
        layers.append(_graph_layer(model, number, nodes[placed.number], placed, sparse, given, by_words))
        stored.setdefault(owners[number], layers[-1].weights)
    packed = pack(segment for layer in (*arriving, *layers) for segment in layer.segments)
    program = _new_program(model, plan.arena_bytes, len(packed), by_words)
    places = program.use_places(program.places_of(Layout.by_rows(*arrival.stored.shape[:2])))
    for convolution in arriving:
        write_arriving(program, convolution, places)
    for placed, layer in zip(placement.nodes, layers, strict=True):
        program.calls += [move_bytes(move.first, move.bytes, move.to) for move in placed.moves]
        write_layer(program, layer)
    program.add(function("static void network_compute(void)", program.calls))
    push: PushWriter
    if len(model.inputs) > 1:
        cells = [Cells(each.codes, 8 * at) for each, at in zip(model.inputs, placement.inputs, strict=True)]
        push = InputsWriter(program, model.inputs, cells)
    else:
        cells = [Cells(arrival.stored.codes, 8 * placement.inputs[0])]
        push = ArrivalWriter(program, arrival, cells[0], places, 0, *arriving)
    return finished(model, program, push, packed, weights, [*arriving, *layers], costs, plan.arena_bytes)


def _after_arrival(nodes: list[PlanNode], plan: OrderPlan) -> tuple[list[FeatureMap], list[PlanNode], OrderPlan]:
    """The maps that arrive in place of the inputs, and the layers and the plan that follow."""
    count = plan.arriving
    rest = [replace(node, sources=tuple(source - count for source in node.sources)) for node in nodes[count:]]
    order = tuple(number - count for number in plan.order[count:])
    return [nodes[count - 1].target], rest, OrderPlan(order, plan.costs[count:], plan.arena_bytes, plan.exact)


def _graph_arrival(source: IntegerMap, operations: list[Operation]) -> Arrival:
    """The first layers, which run while the input arrives."""
    *rescales, convolution = operations
    assert isinstance(convolution, Convolution)
    return Arrival(source, tuple(rescales), None, convolution, convolution.target)  # type: ignore[arg-type]


def _graph_layer(
    model: IntegerModel,
    number: int,
    node: PlanNode,
    placed: PlacedNode,
    sparse: bool,
    weights: tuple[StoredWeights, ...],
    by_words: bool,
) -> PlacedLayer:
    """Layer `number` at its places, all maps in row order, with the weights that are stored for it already, if any."""
    operation, step = model.operations[number], node.steps[0]
    offset = 8 * placed.sources[0]
    source, target = (Layout.by_rows(*each.shape[:2]) for each in (step.source, step.target))
    is_residual = isinstance(step, ResidualStep)
    placed_step = PlacedStep(
        step=step,
        source_layout=source,
        target_layout=target,
        arrives_at=offset,
        source_offset=offset,
        kept_pixels=source.rows * source.columns,
        need=Need(0, source.rows * source.columns),
        inner_offset=8 * placed.ring if is_residual else None,
        inner_pixels=row_ring(*step.source.shape[:2]) if is_residual else 0,
        target_offset=8 * placed.target,
    )
    is_last = number == len(model.operations) - 1
    offsets = tuple(8 * place for place in placed.sources)
    return PlacedLayer(str(number + 1), operation, placed_step, is_last, sparse, offsets, by_words, weights)


def _new_program(model: IntegerModel, arena_bytes: int, weight_bytes: int, by_words: bool) -> Program:
    largest = max(8 * arena_bytes, 8 * weight_bytes, input_cells(model), model.output.cells)
    program = Program(count_type(largest), by_words)
    program.add(["static void network_compute(void);"])
    return program


def finished(
    model: IntegerModel,
    program: Program,
    push: PushWriter,
    packed: np.ndarray,
    weights: str,
    layers: Sequence[PlacedLayer],
    costs: Sequence[int],
    arena_bytes: int,
) -> NetworkText:
    """The files of a program whose layers are written. `costs`: bytes of the arena while each of them runs."""
    rows = tuple(_layer_row(program, layer, cost) for layer, cost in zip(layers, costs, strict=True))
    leaves_zeros_out = any(layer.leaves_zeros_out for layer in layers)
    push.write()
    _write_interface(program, model, push.resets)
    body = partial(assemble, program, packed, weights, push.static_lines())
    interface = header(model, arena_bytes, len(packed))
    _, first, numbers = interface.partition("#define NETWORK_INPUTS")  # the version before does not count
    network_id = identifier(chain(body(), [first, numbers]))
    text = interface.replace("@id@", network_id)

    def source() -> Iterator[str]:
        return chain([source_top(network_id), "\n"], body())

    return NetworkText(source, text, network_id, rows, arena_bytes, len(packed), push.static_bytes, leaves_zeros_out)


def _layer_row(program: Program, layer: PlacedLayer, arena_bytes: int) -> dict:
    """A layer's line in the report."""
    placed = layer.placed
    stored = {"weight_format": " + ".join(layer.weight_formats)} if layer.weights else {}
    return {
        "name": layer.operation.name,
        **stored,
        "arena_bytes": arena_bytes,
        "order": program.places_of(placed.target_layout).order_name,
        "moved_by_bytes": (placed.source_offset - placed.arrives_at) / 8,
    }


def _write_end(program: Program, model: IntegerModel, plan: ArenaPlan) -> None:
    """`network_compute`: all layers, once the image is there."""
    if plan.final_relayout:
        rows, columns, channels = model.output.shape
        logits = Cells(model.output.codes, 0, is_logits=True)
        old, new = plan.steps[-1].target_layout, Layout(columns, (0,) * rows)
        program.calls.append(permute(program, "network_permute_logits", logits, channels, old, new))
    program.add(function("static void network_compute(void)", program.calls))


def _write_interface(program: Program, model: IntegerModel, resets: list[str]) -> None:
    """What users call beside `network_push`. `resets`: the statements after which the next input starts."""
    outputs = model.outputs[0].cells
    index, kind = count_type(outputs), class_type(outputs)
    program.add(function("void network_reset(void)", resets))
    lines = ["network_index number;", *(["network_reset();"] if resets else [])]
    lines += ["for (number = 0; number < NETWORK_INPUTS; number++)", "    network_push(input[number]);"]
    run = "const network_logit *network_run(const network_input *input)"
    program.add(function(run, [*lines, "return network_arena.logits;"]))
    program.add(function("const network_logit *network_logits(void)", ["return network_arena.logits;"]))
    lines = [
        f"{index} output, largest = 0;",
        f"for (output = 1; output < {outputs}; output++)",
        "    if (network_arena.logits[output] > network_arena.logits[largest])",
        "        largest = output;",
        f"return ({kind})largest;",
    ]
    head = f"{kind} network_classify(void)"
    program.add(function(head, lines if outputs > 1 else ["return network_arena.logits[0] > 0;"]))
