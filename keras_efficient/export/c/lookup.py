"""C code of functions that are tables."""

from __future__ import annotations

from dataclasses import replace

from keras_efficient.export.c.cells import Cells, index_type, stored
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.text import counting, function, times
from keras_efficient.export.c.weights import Segment
from keras_efficient.export.integer.operations import Lookup
from keras_efficient.storage.planner.layouts import Layout


def stored_table(layer: Lookup, layout: Layout) -> Segment:
    """The table in the weight stream: what memory holds for each entry. `layout`: of the source."""
    codes, table = layer.target.codes, layer.as_it_lies(layout.cells(layer.source.shape[2]))
    return Segment(replace(codes, signed=False), codes.indices(table).ravel())


def look_up(program: Program, name: str, layer: Lookup, table: Segment, source: Cells, target: Cells) -> None:
    """Every cell through the table, from the first to the last."""
    entries, channels = layer.table.shape[1], len(layer.table)
    entry = "index" if channels == 1 else f"(network_index)({times('(network_index)channel', entries)} + index)"
    kind = index_type(layer.target.codes.bits)
    lines = [
        f"const {index_type(layer.source.codes.bits)} index = {source.get(source.place('cell'))};",
        f"const {kind} result = ({kind})({table.read(entry)});",
        target.put("cell", stored(target, "result")),
    ]
    if channels > 1:
        lines += ["cell++;"]
        loop = counting("channel", channels, lines)
        body = ["network_index cell = 0;", *counting("pixel", layer.source.cells // channels, loop)]
    else:
        body = counting("cell", layer.source.cells, lines)
    program.add(function(f"static void {name}(void)", body))
