"""C code of layers with several sources: combinations, and maps side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from keras_efficient.export.c.cells import Cells, index_type, number_line, stored, sum_type
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.rounding import rounding_lines
from keras_efficient.export.c.text import AXES, braces, counting, function, plus, plus_text, times
from keras_efficient.export.integer.merging import Combination, Concatenation, Outputs
from keras_efficient.export.integer.rounding_steps import Rounding


def combination(program: Program, name: str, layer: Combination, sources: Sequence[Cells], target: Cells) -> None:
    """Cell by cell: all sources are read before the target is written, which may lie over one of them."""
    shape = layer.target.shape
    repeats = any(source.shape != shape for source in layer.sources)
    places = [repeated_cell(each.shape, shape) if repeats else "cell" for each in layer.sources]
    lines = []
    for i, (source, place) in enumerate(zip(sources, places, strict=True)):
        lines += cell_lines(program, f"x_{i}", source, place)
    lines += [*combined_lines(layer), target.put("cell", stored(target, "result"))]
    if not repeats:
        program.add(function(f"static void {name}(void)", counting("cell", layer.target.cells, lines)))
        return
    lines.append("cell++;")
    for axis, size in reversed(list(zip(AXES, shape, strict=True))):
        lines = counting(axis, size, lines)
    program.add(function(f"static void {name}(void)", ["network_index cell = 0;", *lines]))


def repeated_cell(source: tuple[int, ...], target: tuple[int, ...]) -> str:
    """The cell of a map at (row, column, channel) of a map in which some of its axes are repeated."""
    if source == target:
        return "cell"
    text, strides = "0", (source[1] * source[2], source[2], 1)
    for axis, size, stride in zip(AXES, source, strides, strict=True):
        text = plus_text(text, times(axis, stride)) if size > 1 else text
    return f"(network_index)({text})"


def combined_lines(layer: Combination) -> list[str]:
    """`result`, the index of what becomes of x_0, x_1 ..."""
    kind, names = index_type(layer.target.codes.bits), [f"x_{i}" for i in range(len(layer.sources))]
    if layer.function in ("maximum", "minimum"):
        sign = ">" if layer.function == "maximum" else "<"
        lines = [f"{kind} result, other;", *used_lines(layer.roundings[0], names[:1], "result")]
        for rounding, name in zip(layer.roundings[1:], names[1:], strict=True):
            lines += [*used_lines(rounding, [name], "other"), f"if (other {sign} result)", "    result = other;"]
        return lines
    (rounding,) = layer.roundings
    terms, lines = names, []
    if layer.function != "add":
        wide = [sum_type(term.bound) for term in rounding.terms]
        if layer.function == "multiply":
            terms = ["product"]
            lines = [f"const {wide[0]} product = ({wide[0]})(({wide[0]})x_0 * x_1);"]
        else:
            factors = ("1", "-1") if layer.function == "subtract" else (str(layer.factor),) * len(names)
            terms = [f"term_{i}" for i in range(len(names))]
            triples = zip(wide, terms, names, factors, strict=True)
            lines = [
                f"const {kind_} {term} = ({kind_})(({kind_}){x} * {factor});" for kind_, term, x, factor in triples
            ]
    return [*lines, f"{kind} result;", *used_lines(rounding, terms, "result")]


def used_lines(rounding: Rounding, terms: list[str], result: str) -> list[str]:
    """The sum of the terms as an index of the target; a term that cannot matter is named all the same."""
    used = rounding_lines(rounding, terms, result)
    text = " ".join(used)
    return [*(f"(void){term};" for term in terms if term not in text), *used]


def concatenation(program: Program, name: str, layer: Concatenation, sources: Sequence[Cells], target: Cells) -> None:
    """Place by place before the axis, the cells of one source after those of the other."""
    pixels, made, lines = math.prod(layer.target.shape[: layer.axis]), 0, []
    for rounding, source, each in zip(layer.roundings, sources, layer.sources, strict=True):
        channels = each.cells // pixels
        cell = "channel" if pixels == 1 else f"{times('(network_index)pixel', channels)} + channel"
        goes = "channel" if pixels == 1 else f"{times('(network_index)pixel', layer.target.cells // pixels)} + channel"
        body = [*cell_lines(program, "x", source, cell), f"{index_type(target.codes.bits)} result;"]
        body += [
            *used_lines(rounding, ["x"], "result"),
            target.put(plus(goes, made), stored(target, "result")),
        ]
        lines += braces("", counting("channel", channels, body))
        made += channels
    program.add(function(f"static void {name}(void)", counting("pixel", pixels, lines)))


def outputs(program: Program, name: str, layer: Outputs, sources: Sequence[Cells], target: Cells) -> None:
    """The integers of one map after those of the other."""
    lines, first = [], 0
    for source, each in zip(sources, layer.sources, strict=True):
        index = source.get(source.place("cell"))
        body = [target.put(plus("cell", first), stored(replace(source, is_logits=True), index))]
        lines += braces("", counting("cell", each.cells, body))
        first += each.cells
    program.add(function(f"static void {name}(void)", lines))


def cell_lines(program: Program, name: str, source: Cells, cell: str) -> list[str]:
    """The declaration of the integer in a cell."""
    return [number_line(name, source.get(source.place(cell)), source.codes)]
