"""C code of residual blocks: two convolutions, the second one row behind the first."""

from __future__ import annotations

from collections.abc import Callable

from keras_efficient.export.c.cells import Cells, integer_of, sum_type
from keras_efficient.export.c.convolution import ConvolutionWriter, StoredWeights
from keras_efficient.export.c.places import Places
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.text import braces, count_type, function, times, wrapped
from keras_efficient.export.integer.operations import Residual


def residual(
    program: Program,
    number: str,
    layer: Residual,
    weights: tuple[StoredWeights, StoredWeights],
    cells: tuple[Cells, Cells, Cells],
    places: tuple[Places, Places],
    inner_pixels: int,
) -> None:
    """Functions for a pixel of either convolution, and the loop over both.

    `cells`: source, ring of inner pixels, target. `places`: of the source, of the target; the order
    of the target is that of both convolutions.
    """
    source, inner, target = cells
    ring = ring_place(places[1], layer.source.shape, inner_pixels)
    first = ConvolutionWriter(program, f"{number}_inner", layer.first, weights[0], source, inner, places[0].of)
    pixel = times(wrapped(places[0].of("row", "column")), layer.source.shape[2])
    read = source.get(source.place(f"{pixel} + {{filter}}" if pixel != "0" else "{filter}"))
    kind = sum_type(source.codes.bound)
    skip = (kind, "skip", f"({kind})({integer_of(read, source.codes)})")
    second = ConvolutionWriter(program, number, layer.second, weights[1], inner, target, ring, extra=skip)
    size = count_type(max(layer.source.shape[:2]))
    for writer, name in ((first, f"{number}_inner"), (second, f"{number}_outer")):
        writer.write_rounding()
        head = f"static void network_pixel_{name}({size} row, {size} column, network_index made)"
        program.add(function(head, writer.pixel_lines()))
    program.add(function(f"static void network_layer_{number}(void)", loop(number, layer, places[1], inner_pixels)))


def ring_place(order: Places, shape: tuple, inner_pixels: int) -> Callable[[str, str], str]:
    """The place of inner pixel (row, column) in its ring."""

    def place(row: str, column: str) -> str:
        pixel = order.of(row, column)
        return pixel if inner_pixels >= shape[0] * shape[1] else f"({pixel}) % {inner_pixels}u"

    return place


def loop(number: str, layer: Residual, order: Places, inner_pixels: int) -> list[str]:
    """Each inner pixel, and behind it the target pixels that waited for it."""
    rows, columns, channels = layer.source.shape
    size = count_type(max(rows, columns))
    next_row, next_column = next_line("out_row", rows), next_line("out_column", columns)
    advance = ("out_column", columns, "out_row") if order.is_row_order else ("out_row", rows, "out_column")
    outer = [
        f"network_pixel_{number}_outer(out_row, out_column, (network_index)({times('out', channels)}));",
        "out++;",
        *braces(f"if (++{advance[0]} == {advance[1]})", [f"{advance[0]} = 0;", f"{advance[2]}++;"]),
    ]
    slot = "made" if inner_pixels >= rows * columns else f"made % {inner_pixels}u"
    body = [
        f"network_pixel_{number}_inner(row, column, (network_index)({times(wrapped(slot), channels)}));",
        "made++;",
        *braces(f"while (out < {rows * columns}u && {order.of(next_row, next_column)} < made)", outer),
    ]
    return [
        "network_index made = 0, out = 0; /* inner and target pixels that are done */",
        f"{size} out_row = 0, out_column = 0;",
        *order.loop(body),
    ]


def next_line(name: str, size: int) -> str:
    """The row or column behind `name`, within the map."""
    return "0" if size == 1 else f"({name} < {size - 1} ? {name} + 1 : {size - 1})"
