"""C code that moves maps within the arena."""

from __future__ import annotations

import numpy as np

from keras_efficient.export.c.cells import Cells
from keras_efficient.export.c.changes import Part, change
from keras_efficient.export.c.placed import PlacedLayer
from keras_efficient.export.c.places import table
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.text import AXES, function
from keras_efficient.export.integer.operations import Move
from keras_efficient.kinds.measures import whole_bytes
from keras_efficient.kinds.steps import Way
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
    maps = [program.map("from", old), program.map("to", new)]
    program.add(function(f"static void {name}(void)", [*maps, f"network_move_up(&from, &to, {cells});"]))
    return f"{name}();"


def permute(program: Program, name: str, cells: Cells, channels: int, old: Layout, new: Layout) -> str:
    """The statement that brings the pixels of a map from one layout into another, in place."""
    goes_to = np.empty(old.rows * old.columns, dtype=int)
    goes_to[old.addresses.ravel()] = new.addresses.ravel()
    program.tables.append(table(f"{name}_to", tuple(goes_to.tolist())))
    program.count(channels)
    lines = [f"return NETWORK_TABLE({name}_to, pixel);"]
    program.add(function(f"static network_index {name}_place(network_index pixel)", lines))
    # Logits move as cells of the arena: their bytes stay as they are.
    declared = program.map("map", cells)
    if cells.is_logits:
        declared = "static const network_map map = {0, 8 * sizeof(network_logit), 0, 0, 0};"
        for bits in (8, 16):
            program.uses_cells(bits)
    lines = [
        declared,
        f"network_permute(&map, {goes_to.size}, {channels}, {name}_place);",
    ]
    program.add(function(f"static void {name}(void)", lines))
    return f"{name}();"


def move_cells(program: Program, name: str, placed: PlacedLayer[Move]) -> None:
    """Each cell of the target from its place in the source, in order: none lies over what is still to be read."""
    layer, source, target = placed.operation, placed.source, placed.target
    if layer.ways is None:
        if source.offset == target.offset and not target.is_logits:
            program.add(function(f"static void {name}(void)", ["/* The cells stay where they are. */"]))
        else:
            change(program, name, [Part(source, target, layer.target.cells, [])])
        return
    strides = (layer.source.shape[1] * layer.source.shape[2], layer.source.shape[2], 1)
    first = sum(way.first * strides[way.source] for way in layer.ways)
    program.count(*layer.target.shape, *(way.repeat for way in layer.ways))
    ways = [
        _way_line(f"{axis}s", way, size, layer.source.shape[way.source], strides[way.source])
        for axis, way, size in zip(AXES, layer.ways, layer.target.shape, strict=True)
    ]
    numbers = f"(network_index){first}" if first < 0 else str(first)
    fill = int(source.codes.indices(0))
    call = f"network_move(&source, {numbers}, &target, &rows, &columns, &channels, {fill});"
    maps = [program.map("source", source), program.map("target", target)]
    program.add(function(f"static void {name}(void)", [*maps, *ways, call]))


def _way_line(name: str, way: Way, size: int, source_size: int, stride: int) -> str:
    """The declaration of a way along an axis of the target."""
    places = way.first + np.arange(size) // way.repeat * way.step
    (inside,) = np.nonzero((places >= 0) & (places < source_size))
    first, end = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (size, size)
    numbers = (size, way.repeat, first, end, abs(way.step) * stride, int(way.step < 0))
    return f"static const network_way {name} = {{{', '.join(map(str, numbers))}}};"
