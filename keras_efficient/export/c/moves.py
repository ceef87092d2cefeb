"""C code that moves maps within the arena."""

from __future__ import annotations

import numpy as np

from keras_efficient.export.c.cells import Cells, index_type, stored
from keras_efficient.export.c.places import table
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.text import AXES, braces, count_type, counting, function, plus, plus_text, times, wrapped
from keras_efficient.export.integer.operations import Move
from keras_efficient.kinds.measures import whole_bytes
from keras_efficient.storage.planner.layouts import Layout


def move_bytes(first: int, count: int, to: int) -> str:
    """The statement that moves bytes of the arena."""
    name = "shift" if to > first else "shift_down"
    return f"network_{name}({first}, {count}, {abs(to - first)});"


def move_up(program: Program, name: str, old: Cells, new: Cells, cells: int) -> str:
    """The statement that moves a map of so many cells up, from the last cell to the first."""
    by = new.offset - old.offset
    if by % 8 == 0 and old.offset % 8 == 0:
        return f"network_shift({old.offset // 8}, {whole_bytes(cells * old.codes.bits)}, {by // 8});"
    lines = [
        f"{count_type(cells)} cell = {cells};",
        *braces("while (cell--)", [new.put("cell", old.get(old.place("cell")))]),
    ]
    program.add(function(f"static void {name}(void)", lines))
    return f"{name}();"


def permute(program: Program, name: str, cells: Cells, channels: int, old: Layout, new: Layout) -> str:
    """The statement that brings the pixels of a map from one layout into another, in place.

    Every cycle of the permutation is turned once, from its smallest place on.
    """
    goes_to = np.empty(old.rows * old.columns, dtype=int)
    goes_to[old.addresses.ravel()] = new.addresses.ravel()
    program.tables.append(table(f"{name}_to", tuple(goes_to.tolist())))
    kind = "network_logit" if cells.is_logits else index_type(cells.codes.bits)

    def read(cell: str) -> str:
        return f"network_arena.logits[{cell}]" if cells.is_logits else cells.get(cells.place(cell))

    at = f"pixel * {channels}u + channel"
    turn = [
        f"{kind} carried = {read(f'(first * {channels}u + channel)')};",
        "pixel = first;",
        *braces(
            "do",
            [
                f"pixel = NETWORK_TABLE({name}_to, pixel);",
                f"const {kind} next = {read(f'({at})')};",
                cells.put(f"({at})", "carried"),
                "carried = next;",
            ],
        )[:-1],
        "} while (pixel != first);",
    ]
    lines = [
        "network_index first, pixel, channel;",
        *braces(
            f"for (first = 0; first < {goes_to.size}u; first++)",
            [
                "pixel = first;",
                "do",
                f"    pixel = NETWORK_TABLE({name}_to, pixel);",
                "while (pixel > first);",
                *braces("if (pixel == first)", braces(f"for (channel = 0; channel < {channels}; channel++)", turn)),
            ],
        ),
    ]
    program.add(function(f"static void {name}(void)", lines))
    return f"{name}();"


def move_cells(program: Program, name: str, layer: Move, source: Cells, target: Cells) -> None:
    """Each cell of the target from its place in the source, in order: none lies over what is still to be read."""
    if layer.ways is None:
        same_place = source.offset == target.offset and not target.is_logits
        copied = ["network_index made;", *_copied(program, source, target, "made")]
        loop = braces(f"for (made = 0; made < {layer.target.cells}u; made++)", copied[1:])
        lines = ["/* The cells stay where they are. */"] if same_place else [copied[0], *loop]
        program.add(function(f"static void {name}(void)", lines))
        return
    kind, fill = index_type(source.codes.bits), int(source.codes.indices(0))
    axes = list(zip(AXES, layer.ways, layer.target.shape, strict=True))
    conditions = [text for axis in axes for text in _outside(*axis, layer.source.shape)]
    cell = _source_cell(axes, layer.source.shape)
    if conditions:
        read = [f"index = {source.get(source.place(cell))};"]
        inside = braces(f"if (!({' || '.join(conditions)}))", read)
        lines = [f"{kind} index = {fill};", *inside, target.put("made", stored(target, "index"))]
    else:
        lines = _copied(program, source, target, cell)
    lines.append("made++;")
    for axis, _, size in reversed(axes):
        lines = counting(axis, size, lines)
    program.add(function(f"static void {name}(void)", ["network_index made = 0;", *lines]))


def _copied(program, source, target, cell):
    read = source.get(source.place(cell))
    kind = index_type(source.codes.bits)
    return [f"const {kind} index = {read};", target.put("made", stored(target, "index"))]


def _source_cell(axes, shape):
    """The cell of the source, as a C expression."""
    strides = (shape[1] * shape[2], shape[2], 1)
    text, first = "0", 0
    for axis, way, size in axes:
        stride, place = strides[way.source], axis if way.repeat == 1 else f"{axis} / {way.repeat}"
        first += way.first * stride
        if size > 1:
            factor = times(wrapped(place), abs(way.step) * stride)
            text = f"{text} - {factor}" if way.step < 0 else plus_text(text, factor)
    return f"(network_index)({plus(text, first)})"


def _outside(axis, way, size, shape):
    """Where the place along an axis is not on the source."""
    places = way.first + np.arange(size) // way.repeat * way.step
    (inside,) = np.nonzero((places >= 0) & (places < shape[way.source]))
    first, end = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (size, size)
    return [*([f"{axis} < {first}"] if first else []), *([f"{axis} >= {end}"] if end < size else [])]
