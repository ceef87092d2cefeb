"""C code of layers with several sources: sums, and maps side by side."""

from __future__ import annotations

from collections.abc import Sequence

from keras_efficient.export.c.cells import Cells, index_type, number_line, stored
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.rounding import rounding_lines
from keras_efficient.export.c.text import braces, counting, function, plus, times
from keras_efficient.export.integer.operations import Addition, Concatenation
from keras_efficient.export.integer.rounding import Rounding


def addition(program: Program, name: str, layer: Addition, sources: Sequence[Cells], target: Cells) -> None:
    """Cell by cell: all sources are read before the target is written, which may lie over one of them."""
    lines = [cell_line(program, f"x_{i}", source, "cell") for i, source in enumerate(sources)]
    names = [f"x_{i}" for i in range(len(sources))]
    lines += rounded_lines(program, layer.rounding, names, target, "cell")
    program.add(function(f"static void {name}(void)", counting("cell", layer.source.cells, lines)))


def concatenation(program: Program, name: str, layer: Concatenation, sources: Sequence[Cells], target: Cells) -> None:
    """Pixel by pixel, the channels of one source after those of the other."""
    pixels, made, lines = layer.source.cells // layer.source.shape[2], 0, []
    for rounding, source, each in zip(layer.roundings, sources, layer.sources, strict=True):
        channels = each.shape[2]
        cell = "channel" if pixels == 1 else f"{times('(network_index)pixel', channels)} + channel"
        goes = "channel" if pixels == 1 else f"{times('(network_index)pixel', layer.target.shape[2])} + channel"
        body = [cell_line(program, "x", source, cell)]
        body += rounded_lines(program, rounding, ["x"], target, plus(goes, made))
        lines += braces("", counting("channel", channels, body))
        made += channels
    program.add(function(f"static void {name}(void)", counting("pixel", pixels, lines)))


def cell_line(program: Program, name: str, source: Cells, cell: str) -> str:
    """The declaration of the integer in a cell."""
    return number_line(name, program.get(source, source.place(cell)), source.codes)


def rounded_lines(program: Program, rounding: Rounding, terms: list[str], target: Cells, cell: str) -> list[str]:
    """The sum of the terms on the target's grid, stored."""
    used = rounding_lines(rounding, terms, "result")
    text = " ".join(used)
    return [
        *(f"(void){term};" for term in terms if term not in text),
        f"{index_type(target.codes.bits)} result;",
        *used,
        program.put(target, cell, stored(target, "result")),
    ]
