"""C code of combinations of maps, cell by cell."""

from __future__ import annotations

from keras_efficient.export.c.cells import index_type, number_line, sum_type
from keras_efficient.export.c.placed import PlacedLayer
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.rounding import rounding_lines
from keras_efficient.export.c.text import AXES, function, plus_text, times, unused_lines
from keras_efficient.export.integer.merging import Combination
from keras_efficient.export.integer.rounding_steps import Rounding


def combination(program: Program, name: str, placed: PlacedLayer[Combination]) -> None:
    """Cell by cell: all sources are read before the target is written, which may lie over one of them."""
    layer = placed.operation
    shape, made = layer.target.shape, name.replace("layer", "make")
    repeats = any(source.shape != shape for source in layer.sources)
    places = [_repeated_cell(each.shape, shape) if repeats else "cell" for each in layer.sources]
    lines = [
        number_line(f"x_{i}", source.get(source.place(place)), source.codes)
        for i, (source, place) in enumerate(zip(placed.sources, places, strict=True))
    ]
    parameters = {"cell": "network_index"}
    extents: tuple[int, ...] = (layer.target.cells,)
    if repeats:
        parameters, extents = parameters | dict.fromkeys(AXES, "network_count"), shape
        program.count(*shape)
    make = [*unused_lines(parameters, lines), *lines, *_combined_lines(layer), "return result;"]
    head = ", ".join(f"{kind} {name}" for name, kind in parameters.items())
    program.add(function(f"static network_code {made}({head})", make))
    kernel = "network_make_places" if repeats else "network_make"
    call = f"{kernel}(&target, {', '.join(map(str, extents))}, {made});"
    program.add(function(f"static void {name}(void)", [program.map("target", placed.target), call]))


def _repeated_cell(source: tuple[int, ...], target: tuple[int, ...]) -> str:
    """The cell of a map at (row, column, channel) of a map in which some of its axes are repeated."""
    if source == target:
        return "cell"
    text, strides = "0", (source[1] * source[2], source[2], 1)
    for axis, size, stride in zip(AXES, source, strides, strict=True):
        text = plus_text(text, times(axis, stride)) if size > 1 else text
    return f"(network_index)({text})"


def _combined_lines(layer: Combination) -> list[str]:
    """`result`, the index of what becomes of x_0, x_1 ..."""
    kind, names = index_type(layer.target.codes.bits), [f"x_{i}" for i in range(len(layer.sources))]
    if layer.function in ("maximum", "minimum"):
        sign = ">" if layer.function == "maximum" else "<"
        lines = [f"{kind} result, other;", *_used_lines(layer.roundings[0], names[:1], "result")]
        for rounding, name in zip(layer.roundings[1:], names[1:], strict=True):
            lines += [*_used_lines(rounding, [name], "other"), f"if (other {sign} result)", "    result = other;"]
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
    return [*lines, f"{kind} result;", *_used_lines(rounding, terms, "result")]


def _used_lines(rounding: Rounding, terms: list[str], result: str) -> list[str]:
    """The sum of the terms as an index of the target; a term that cannot matter is named all the same."""
    used = rounding_lines(rounding, terms, result)
    return [*unused_lines(terms, used), *used]
