"""`write_network`: network.c and network.h."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from keras_efficient.export.c.arrival import ArrivalWriter, input_type
from keras_efficient.export.c.cells import Cells
from keras_efficient.export.c.layers import PlacedLayer, write_layer
from keras_efficient.export.c.moves import move_bytes, permute
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.text import INDENT, count_type, function
from keras_efficient.export.c.weights import pack
from keras_efficient.export.integer import IntegerModel
from keras_efficient.export.integer.reading import PIXEL
from keras_efficient.export.network import (
    Arrival,
    feature_map,
    graph_nodes,
    planner_steps,
    split_arrival,
)
from keras_efficient.kinds.measures import whole_bytes
from keras_efficient.kinds.steps import ResidualStep
from keras_efficient.storage.graphs import Node, plan_order
from keras_efficient.storage.planner import ArenaPlan, Layout, PlacedStep, plan_arena
from keras_efficient.storage.planner.graph import PlacedNode, place_graph
from keras_efficient.storage.planner.occupancy import Need
from keras_efficient.storage.prefix import row_ring
from keras_efficient.version import __version__

NUMBERS_A_LINE = 24
AVR_ARRAY_BYTES = 2**15 - 1
CLASSES = 256  # that a byte can name
# A compiler may take an array that is never written for a constant.
RAM_LINES = [
    "#if defined __GNUC__ && defined __ELF__",
    '#define NETWORK_RAM __attribute__((section(".data")))',
    "#else",
    "#define NETWORK_RAM",
    "#endif",
]


@dataclass(frozen=True)
class Network:
    """The C text of a network, and what it takes; `network_id` tells it from all others."""

    source: str
    header: str
    network_id: str
    layers: tuple[dict, ...]
    arena_bytes: int
    weight_bytes: int
    static_bytes: int


def write_network(model: IntegerModel, weights: str = "flash", sparse: bool = True) -> Network:
    """Generate the C code.

    Args:
        model: The network in integers.
        weights: "flash" or "ram", where an AVR keeps them.
        sparse: Whether pruned kernels are stored in their smallest encoding, or densely.
    """
    if not model.network.is_chain:
        return write_graph(model, weights, sparse)
    arrival, operations = split_arrival(model.input, model.operations)
    steps = planner_steps(operations)
    first = feature_map(arrival.stored, is_last=not operations)
    plan = plan_arena(first, steps, arrival.line_bits)
    layers = [
        PlacedLayer(str(number), operation, placed, operation is operations[-1], sparse)
        for number, (operation, placed) in enumerate(zip(operations, plan.steps, strict=True), start=1)
    ]
    packed = pack(segment for layer in layers for segment in layer.segments)
    program = new_program(model, plan.arena_bytes, len(packed))
    for layer in layers:
        write_layer(program, layer)
    write_end(program, model, plan)
    stored = Cells(arrival.stored.codes, plan.first_offset, is_logits=not operations)
    places = program.use_places(program.places_of(plan.first_layout))
    push = ArrivalWriter(program, arrival, stored, places, plan.lines_offset)
    rows = tuple(layer_row(program, layer, whole_bytes(layer.placed.need_bits)) for layer in layers)
    return finished(model, program, push, packed, weights, rows, plan.arena_bytes)


def write_graph(model: IntegerModel, weights: str, sparse: bool) -> Network:
    """The C code of a network with branches: the layers in the planned order, with moves between."""
    nodes, first = graph_nodes(model.network), feature_map(model.input)
    plan = plan_order(first, nodes)
    placement = place_graph(first, nodes, plan)
    layers = [graph_layer(model, nodes[placed.number], placed, sparse) for placed in placement.nodes]
    packed = pack(segment for layer in layers for segment in layer.segments)
    program = new_program(model, plan.arena_bytes, len(packed))
    for placed, layer in zip(placement.nodes, layers, strict=True):
        program.calls += [move_bytes(program, move.first, move.bytes, move.to) for move in placed.moves]
        write_layer(program, layer)
    program.add(function("static void network_run(void)", program.calls))
    stored = Cells(model.input.codes, 8 * placement.first)
    places = program.use_places(program.places_of(Layout.by_rows(*model.input.shape[:2])))
    push = ArrivalWriter(program, Arrival(model.input, (), None, model.input), stored, places, 0)
    rows = tuple(layer_row(program, layer, cost) for layer, cost in zip(layers, plan.costs, strict=True))
    return finished(model, program, push, packed, weights, rows, plan.arena_bytes)


def graph_layer(model: IntegerModel, node: Node, placed: PlacedNode, sparse: bool) -> PlacedLayer:
    """A layer at its places, all maps in row order."""
    operation, step = model.operations[placed.number], node.steps[0]
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
    is_last = placed.number == len(model.operations) - 1
    offsets = tuple(8 * place for place in placed.sources)
    return PlacedLayer(str(placed.number + 1), operation, placed_step, is_last, sparse, offsets)


def new_program(model: IntegerModel, arena_bytes: int, weight_bytes: int) -> Program:
    program = Program(count_type(max(8 * arena_bytes, 8 * weight_bytes, model.input.cells, model.output.cells)))
    program.add(["static void network_run(void);"])
    return program


def finished(
    model: IntegerModel,
    program: Program,
    push: ArrivalWriter,
    packed: np.ndarray,
    weights: str,
    rows: tuple[dict, ...],
    arena_bytes: int,
) -> Network:
    """The files of a program whose layers are written."""
    push.write()
    write_interface(program, model)
    body = assemble(program, packed, weights, push.static_lines())
    interface = header(model, arena_bytes, len(packed))
    network_id = identifier(body + interface)
    source = f"{source_top(network_id)}\n{body}"
    text = header_top(model, network_id) + interface
    return Network(source, text, network_id, rows, arena_bytes, len(packed), push.static_bytes)


def identifier(text: str) -> str:
    """32 bits of a hash, as C writes them: the source refuses a header that was made for other code."""
    return f"0x{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def source_top(network_id: str) -> str:
    return f"""/* Generated by keras_efficient {__version__}. network.h says how to call it. */
#include "network.h"

#if !defined NETWORK_ID || NETWORK_ID != {network_id}
#error "network.h was made for another network.c: export both again"
#endif
"""


def layer_row(program: Program, layer: PlacedLayer, arena_bytes: int) -> dict:
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


def write_end(program: Program, model: IntegerModel, plan: ArenaPlan) -> None:
    """`network_run`: all layers, once the image is there."""
    if plan.final_relayout:
        rows, columns, channels = model.output.shape
        logits = Cells(model.output.codes, 0, is_logits=True)
        old, new = plan.steps[-1].target_layout, Layout(columns, (0,) * rows)
        program.calls.append(permute(program, "network_permute_logits", logits, channels, old, new))
    program.add(function("static void network_run(void)", program.calls))


def write_interface(program: Program, model: IntegerModel) -> None:
    outputs = min(model.output.cells, CLASSES)
    index = count_type(outputs)
    program.add(
        function("const int16_t *network_logits(void)", ["return network_arena.logits;"]),
    )
    lines = [
        f"{index} output, largest = 0;",
        f"for (output = 1; output < {outputs}; output++)",
        "    if (network_arena.logits[output] > network_arena.logits[largest])",
        "        largest = output;",
        "return (uint8_t)largest;",
    ]
    program.add(
        function("uint8_t network_classify(void)", lines if outputs > 1 else ["return network_arena.logits[0] > 0;"])
    )


def assemble(program: Program, packed: np.ndarray, weights: str, static_lines: list[str]) -> str:
    """All of the source but its top."""
    in_flash, helpers = weights == "flash", program.used_helpers()
    blocks = [
        machine_lines(
            in_flash,
            len(packed),
            any("NO_LIBRARY" in line for lines in helpers for line in lines),
        ),
        [f"typedef {program.index_type} network_index; /* cells, bytes and bits of arena and weights */"],
        [
            "static union {",
            "    uint8_t bytes[NETWORK_ARENA_BYTES];",
            "    int16_t logits[NETWORK_LOGITS];",
            "} network_arena;",
            *static_lines,
        ],
        *([weight_lines(packed, in_flash)] if len(packed) else []),
        *([program.all_tables()] if program.all_tables() else []),
        *helpers,
        *program.functions,
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def machine_lines(in_flash: bool, weight_bytes: int, moves_bytes: bool) -> list[str]:
    has_weights = weight_bytes > 0
    why = "/* or the loop becomes a call of memmove */"
    weight = "NETWORK_TABLE(network_weights, place)" if in_flash else "network_weights[place]"
    return [
        "#ifdef __AVR__ /* constants stay in flash only if they are read by an instruction of their own */",
        "#include <avr/pgmspace.h>",
        *([f'#error "{too_large_for_avr(weight_bytes)}"'] if weight_bytes > AVR_ARRAY_BYTES else []),
        "#define NETWORK_FLASH PROGMEM",
        "#define NETWORK_TABLE(table, place) \\",
        "    (sizeof(table[0]) == 1 ? pgm_read_byte(&table[place]) : pgm_read_word(&table[place]))",
        "#else",
        "#define NETWORK_FLASH",
        "#define NETWORK_TABLE(table, place) table[place]",
        "#endif",
        *([f"#define NETWORK_WEIGHT(place) {weight.replace('place', '(place)')}"] if has_weights else []),
        *(RAM_LINES if has_weights and not in_flash else []),
        "#ifdef __GNUC__",
        "#define NETWORK_INLINE static inline __attribute__((always_inline))",
        *([f'#define NETWORK_NO_LIBRARY __asm__ volatile("") {why}'] if moves_bytes else []),
        "#else",
        "#define NETWORK_INLINE static inline",
        *(["#define NETWORK_NO_LIBRARY"] if moves_bytes else []),
        "#endif",
    ]


def too_large_for_avr(weight_bytes: int) -> str:
    """Smaller ones lie in the first 64 KB of flash, where the linker puts constants and short reads reach."""
    return f"the weights take {weight_bytes} bytes: an array of an AVR has at most {AVR_ARRAY_BYTES}"


def weight_lines(packed: np.ndarray, in_flash: bool) -> list[str]:
    """The weights as bytes."""
    rows = [packed[start : start + NUMBERS_A_LINE] for start in range(0, len(packed), NUMBERS_A_LINE)]
    text = [INDENT + ", ".join(map(str, row)) + "," for row in rows]
    place = " NETWORK_FLASH" if in_flash else " NETWORK_RAM"
    const = "const " if in_flash else ""
    return [f"static {const}uint8_t network_weights[NETWORK_WEIGHT_BYTES]{place} = {{", *text, "};"]


def header_top(model: IntegerModel, network_id: str) -> str:
    """The network.h, up to its numbers."""
    rows, columns, channels = model.input.shape
    codes = model.input.codes
    if codes == PIXEL:
        what = "bytes of an image, row by row (channels last); a byte stands for byte / 256."
    else:
        what = f"numbers, row by row (channels last); a number stands for number x 2^{codes.exponent}."
    return f"""/* Generated by keras_efficient {__version__}.

   Push the {rows} x {columns} x {channels} {what}
   Then read the logits, or the class. The next push starts the next image. */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdint.h>

#define NETWORK_ID {network_id} /* network.c takes no other network.h */
"""


def header(model: IntegerModel, arena_bytes: int, weight_bytes: int) -> str:
    """The numbers and functions of network.h."""
    codes = model.input.codes
    kind, size = input_type(codes), codes.bits // 8
    which = f"the first largest logit{' of the first 256' if model.output.cells > CLASSES else ''}"
    which = "1 where the one logit is above 0, else 0" if model.output.cells == 1 else which
    return f"""#define NETWORK_INPUTS {model.input.cells}
#define NETWORK_INPUT_TYPE {kind}
#define NETWORK_INPUT_BYTES {size}
#define NETWORK_INPUT_SIGNED {int(codes.signed)}
#define NETWORK_LOGITS {model.output.cells}
#define NETWORK_LOGIT_EXPONENT ({model.logit_exponent}) /* value = logit * 2^exponent */
#define NETWORK_WEIGHT_BYTES {weight_bytes}
#ifndef NETWORK_ARENA_BYTES
#define NETWORK_ARENA_BYTES {arena_bytes}
#endif

#ifdef __cplusplus
extern "C" {{
#endif

void network_push({kind} pixel);
const int16_t *network_logits(void); /* NETWORK_LOGITS numbers, after a whole image and until the next push */
uint8_t network_classify(void);      /* {which} */

#ifdef __cplusplus
}}
#endif

#endif
"""
