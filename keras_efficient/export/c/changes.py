"""C code of layers that take each cell by itself: rescaling, tables, and maps one after another or side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from keras_efficient.export.c.cells import Cells, index_type, number_line
from keras_efficient.export.c.placed import PlacedLayer
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.rounding import rounding_lines
from keras_efficient.export.c.text import as_index, counting, function, plus, times, unused_lines, words
from keras_efficient.export.integer.merging import Concatenation, Outputs
from keras_efficient.export.integer.operations import Lookup, Rescale
from keras_efficient.export.integer.rounding_steps import Rounding


class Part(NamedTuple):
    """Cells of a pixel that come from one source; `lines` make `result` from `index` and `number`, or all is copied."""

    source: Cells
    target: Cells
    cells: int
    lines: list[str]


def change(program: Program, name: str, parts: Sequence[Part], pixels: int = 1) -> None:
    """Pixel by pixel, the cells of the parts one after another."""
    maps, calls, made, width = [], [], 0, sum(part.cells for part in parts)
    for number, part in enumerate(parts):
        suffix = f"_{number}" if len(parts) > 1 else ""
        maps += [program.map(f"source{suffix}", part.source), program.map(f"target{suffix}", part.target)]
        changed = f"{name.replace('layer', 'change')}{suffix}" if part.lines else "network_same"
        if part.lines:
            head = f"static network_code {changed}(network_code index, network_index number)"
            lines = [*unused_lines(("index", "number"), part.lines), *part.lines, "return result;"]
            program.add(function(head, lines))
        places = [as_index(times("pixel", each)) if pixels > 1 else "0" for each in (part.cells, width)]
        to = as_index(plus(times("pixel", width) if pixels > 1 else "0", made))
        calls.append(f"network_change(&source{suffix}, {places[0]}, &target{suffix}, {to}, {part.cells}, {changed});")
        made += part.cells
    lines = counting("pixel", pixels, calls) if pixels > 1 else calls
    program.add(function(f"static void {name}(void)", [*maps, *lines]))


def rounded(rounding: Rounding, source: Cells, target: Cells) -> list[str]:
    """`result`: an index on another grid."""
    lines = rounding_lines(rounding, ["x"], "result")
    read = [number_line("x", "index", source.codes)] if "x" in words(lines) else []
    return [*read, f"{index_type(target.codes.bits)} result;", *lines]


def rescale(program: Program, name: str, layer: PlacedLayer[Rescale]) -> None:
    source, target, operation = layer.source, layer.target, layer.operation
    change(program, name, [Part(source, target, operation.source.cells, rounded(operation.rounding, source, target))])


def look_up(program: Program, name: str, layer: PlacedLayer[Lookup]) -> None:
    """Every cell through the table, or through that of its channel."""
    operation = layer.operation
    assert layer.table is not None
    tables, entries = operation.table.shape
    entry = "index" if tables == 1 else f"(network_index)({times('number', entries)} + index)"
    kind = index_type(layer.target.codes.bits)
    lines = [f"const {kind} result = ({kind})({layer.table.read(entry)});"]
    cells = operation.source.cells if tables == 1 else tables
    change(program, name, [Part(layer.source, layer.target, cells, lines)], operation.source.cells // cells)


def concatenation(program: Program, name: str, layer: PlacedLayer[Concatenation]) -> None:
    """Place by place before the axis, the cells of one source after those of the other."""
    operation, target = layer.operation, layer.target
    pixels = math.prod(operation.target.shape[: operation.axis])
    parts = [
        Part(source, target, each.cells // pixels, rounded(rounding, source, target))
        for rounding, source, each in zip(operation.roundings, layer.sources, operation.sources, strict=True)
    ]
    change(program, name, parts, pixels)


def outputs(program: Program, name: str, layer: PlacedLayer[Outputs]) -> None:
    """The integers of one map after those of the other."""
    parts = [
        Part(source, replace(source, is_logits=True), each.cells, [])
        for source, each in zip(layer.sources, layer.operation.sources, strict=True)
    ]
    change(program, name, parts)
