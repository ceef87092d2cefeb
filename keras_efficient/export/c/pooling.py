"""C code of pooling and of cells that change their grid."""

from __future__ import annotations

import numpy as np

from keras_efficient.export.c.cells import Cells, index_type, integer_of, number_line, stored, sum_type
from keras_efficient.export.c.places import Places, table
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.rounding import rounding_lines
from keras_efficient.export.c.text import count_type, counting, function, plus_text, times, wrapped
from keras_efficient.export.c.window_loops import window_loop, window_place
from keras_efficient.export.integer.operations import AveragePooling, MaxPooling, MeanPooling, Rescale, mean_limit
from keras_efficient.export.integer.windows import Window


def window_cell(window: Window, places: Places, channels: int, source: Cells) -> str:
    """The place of the source cell (down, across) in the window, of channel `channel`."""
    pixel = places.of(*window_place(window))
    first = "0" if pixel == "0" else times(wrapped(pixel), channels)
    return source.place(plus_text(first, "channel") if channels > 1 else first)


def pool_loop(target_places: Places, channels: int, lines: list[str]) -> list[str]:
    """`lines` for every cell of the target, in order; `made` counts them."""
    body = counting("channel", channels, [*lines, "made++;"])
    return ["network_index made = 0;", *target_places.loop(body)]


def max_pooling(
    program: Program, name: str, layer: MaxPooling, source: Cells, target: Cells, places: tuple[Places, Places]
) -> None:
    """The largest index: indices rise with the integers."""
    kind = index_type(source.codes.bits)
    read = source.get(window_cell(layer.window, places[0], layer.source.shape[2], source))
    lines = [
        f"{kind} largest = 0;",
        *window_loop(layer.window, [f"const {kind} index = {read};", "if (index > largest)", "    largest = index;"]),
        target.put("made", stored(target, "largest")),
    ]
    program.add(function(f"static void {name}(void)", pool_loop(places[1], layer.target.shape[2], lines)))


def average_pooling(
    program: Program, name: str, layer: AveragePooling, source: Cells, target: Cells, places: tuple[Places, Places]
) -> None:
    """The sum of a window, shifted and divided."""
    kind = mean_type(layer)
    read = source.get(window_cell(layer.window, places[0], layer.source.shape[2], source))
    value = integer_of(read, source.codes)
    all_on_map = layer.window.covers_all
    lines = [
        f"{kind} sum = 0;",
        *([] if all_on_map else ["uint32_t count = 0;"]),
        *window_loop(layer.window, [f"sum = ({kind})(sum + {value});", *([] if all_on_map else ["count++;"])]),
        *mean_lines(layer),
        target.put("made", stored(target, "mean")),
    ]
    program.add(function(f"static void {name}(void)", pool_loop(places[1], layer.target.shape[2], lines)))


def mean_pooling(
    program: Program, name: str, layer: MeanPooling, source: Cells, target: Cells, places: tuple[Places, Places]
) -> None:
    """The sum of a window times a factor, rounded. The factors of windows that reach over the edge stand in a table."""
    kind, all_on_map, factors = sum_type(layer.bound), layer.window.covers_all, layer.factors
    factor, least = str(factors[-1]), int(np.flatnonzero(factors)[0])
    if not all_on_map:
        program.tables.append(table(f"{name}_factors", tuple(factors[least:].tolist())))
        factor = f"({kind})NETWORK_TABLE({name}_factors, count - {least})"
    read = source.get(window_cell(layer.window, places[0], layer.source.shape[2], source))
    value = integer_of(read, source.codes)
    lines = [
        f"{kind} sum = 0;",
        *([] if all_on_map else [f"{count_type(len(factors))} count = 0;"]),
        *window_loop(
            layer.window, [f"sum = ({kind})(sum + ({kind})({value}));", *([] if all_on_map else ["count++;"])]
        ),
        f"sum = ({kind})(sum * {factor});",
        f"{index_type(target.codes.bits)} result;",
        *rounding_lines(layer.rounding, ["sum"], "result"),
        target.put("made", stored(target, "result")),
    ]
    program.add(function(f"static void {name}(void)", pool_loop(places[1], layer.target.shape[2], lines)))


def mean_type(layer: AveragePooling) -> str:
    """The type in which sums, and sums shifted, fit."""
    count = int(layer.window.counts().max())
    limit, shift = mean_limit(count, max(layer.shift, 0), layer.target.codes.high)
    needed = max(layer.sum_bound, min(limit, layer.sum_bound) << shift).bit_length()
    bits = next(bits for bits in (16, 32, 64) if needed <= bits - layer.source.codes.signed)
    return f"{'' if layer.source.codes.signed else 'u'}int{bits}_t"


def mean_lines(layer: AveragePooling) -> list[str]:
    """`mean`, the index of the output, from `sum` (and `count`)."""
    high, kind = layer.target.codes.high, mean_type(layer)
    counts = layer.window.counts()
    largest = int(counts.max())
    count = f"{largest}" if layer.window.covers_all else "count"
    unsigned = "u" + kind.lstrip("u")
    lines = [f"{index_type(layer.target.codes.bits)} mean;"]
    if layer.source.codes.signed:
        lines += ["if (sum < 0)", "    sum = 0;"]
    limit, shift = mean_limit(largest, max(layer.shift, 0), high)
    if layer.shift >= 0 and limit < layer.sum_bound:
        lines += [
            f"if (sum > {limit}{'' if limit < 2**15 else 'll'})",
            f"    sum = {limit}{'' if limit < 2**15 else 'll'};",
        ]
    value = f"({unsigned})sum"
    if layer.shift < 0:
        width = int(kind.strip("uint_"))
        value = f"({value} >> {-layer.shift})" if -layer.shift < width else f"({unsigned})0"
    elif shift:
        value = f"({unsigned})({value} << {shift})"
    quotient = value if count == "1" else f"{value} / {count}"
    lines += [
        f"{{ const {unsigned if count != 'count' else wider(unsigned)} quotient = {quotient};",
        f"    mean = ({index_type(layer.target.codes.bits)})(quotient > {high} ? {high} : quotient); }}",
    ]
    return lines


def wider(kind: str) -> str:
    return kind if kind == "uint64_t" else "uint32_t"


def rescale(program: Program, name: str, layer: Rescale, source: Cells, target: Cells) -> None:
    """Every cell on another grid, from the first to the last."""
    read = source.get(source.place("cell"))
    lines = [
        number_line("x", read, source.codes),
        f"{index_type(layer.target.codes.bits)} result;",
        *rounding_lines(layer.rounding, ["x"], "result"),
        target.put("cell", stored(target, "result")),
    ]
    program.add(function(f"static void {name}(void)", counting("cell", layer.source.cells, lines)))
