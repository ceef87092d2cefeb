"""C code of weighted sums: convolutions, depthwise convolutions, dense layers. The loops: `kernels/filters.c`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_efficient.export.c.cells import Cells, index_type, integer_of, sum_type
from keras_efficient.export.c.places import Places, axis_lines
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.rounding import rounding_lines
from keras_efficient.export.c.sparse_weights import group_filters
from keras_efficient.export.c.text import function, unused_lines, words
from keras_efficient.export.c.weights import Segment
from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.operations import Convolution
from keras_efficient.kinds.measures import SHIFT_BITS
from keras_efficient.storage.planner.layouts import Layout
from keras_efficient.storage.sparse import FILTERS_AT_ONCE


@dataclass(eq=False)
class StoredWeights:
    """A layer's kernel and bias in the weight stream, and the shifts of its filters.

    by_rows: Whether a kernel for all of a map goes by the map's rows, whatever order its cells have in memory: so it
        takes as many bits as its price says, where those depend on the order.
    by_words: Whether its groups are read by words.
    """

    groups: Sequence[Any]  # of segments that have a `format`, `first`, `filters`, `width`
    bias: Segment | None
    shifts: Segment | None = None
    by_rows: bool = False
    by_words: bool = False

    @property
    def segments(self) -> list[Segment]:
        return [*self.groups, *(segment for segment in (self.bias, self.shifts) if segment is not None)]


def store_weights(layer: Convolution, source_layout: Layout, sparse: bool = True) -> StoredWeights:
    """The weights in the order of the loops below; of a dense layer in the order of its source map, unless it was
    pruned."""
    products = layer.products
    pruned = products.pruned and sparse
    kernel = products.kernel.reshape(-1, *products.kernel.shape[2:])
    if layer.is_whole and not pruned:
        kernel = kernel[np.argsort(source_layout.addresses, axis=None)]
    groups = group_filters(products.kernel_codes, kernel, pruned, layer.groups)
    return StoredWeights(groups, *bias_and_shifts(layer), pruned)


def bias_and_shifts(layer: Convolution) -> tuple[Segment | None, Segment | None]:
    products, bias = layer.products, None
    if products.bias is not None and products.bias_codes is not None:
        bias = Segment(products.bias_codes, products.bias_codes.indices(products.bias))
    shifts = None if layer.shifts is None else Segment(Codes(SHIFT_BITS, False, 0), layer.shifts)
    return bias, shifts


@dataclass(frozen=True)
class Sums:
    """A layer of weighted sums at its place.

    Attributes:
        number: Of the layer, part of the names.
        layer: The operation.
        weights: Its `StoredWeights`, packed.
        source, target: The maps in the arena.
        places: Of the source's pixels.
        kept: So many of them lie in a ring; 0: all.
        beside: The map whose cells are added to the sums, the skip of a residual block, and the places of its pixels.
    """

    number: str
    layer: Convolution
    weights: StoredWeights
    source: Cells
    target: Cells
    places: Places
    kept: int = 0
    beside: tuple[Cells, Places] | None = None

    @property
    def filters(self) -> int:
        return self.layer.target.shape[2]

    @property
    def sum_bits(self) -> str:
        return "32" if self.weights.by_words else sum_type(self.layer.products.bound).strip("int_")

    @property
    def in_runs(self) -> bool:
        """Whether the cells of a window's row lie side by side."""
        layer, window = self.layer, self.layer.window
        in_rows = self.places.is_row_order and not self.kept and layer.groups == 1
        return in_rows and window.covers_all and window.dilation == (1, 1)

    def cell_beside(self, program: Program) -> str:
        """The cell before that which is added beside the sum of the first filter."""
        if self.beside is None:
            return "0"
        places = program.use_places(self.beside[1])
        pixel = f"network_place({program.layout(places)}, {places.finder}, row, column)"
        return f"(network_index)({pixel} * {self.filters}u)"

    def result_lines(self, bias: str, shift: str) -> list[str]:
        """`result`, what is stored for `sum`. The others: C expressions, read unless the plan leaves them out."""
        terms = ["sum" if self.weights.shifts is None else "shifted", "bias" if self.weights.bias else "0"]
        lines, first = [], self.layer.rounding.terms[0].bound
        if self.beside:
            terms.append("skip")
            cells, _ = self.beside
            kind, read = sum_type(cells.codes.bound), cells.get(cells.place("added"))
            lines.append(f"const {kind} skip = ({kind})({integer_of(read, cells.codes)});")
        result = "network_logit" if self.target.is_logits else index_type(self.target.codes.bits)
        rounding = rounding_lines(
            self.layer.rounding, terms, "result", not self.target.is_logits, self.weights.by_words
        )
        used = words(rounding)
        if "shifted" in used:
            kind = sum_type(first)
            lines.append(f"const {kind} shifted = ({kind})(({kind})sum * (({kind})1 << ({shift})));")
        if "bias" in used:
            lines.append(f"const int16_t bias = (int16_t)({bias});")
        return [*lines, f"{result} result;", *rounding]


def _write_rounding(program: Program, sums: Sums) -> str:
    """The name of the function that adds the bias, applies the activation, and returns the index or the logit."""
    weights, kind = sums.weights, "static"
    bias, shifts = ("" if each is None else each.read("filter") for each in (weights.bias, weights.shifts))
    parameters = {"sum": f"network_wide_of_{sums.sum_bits}", "filter": "network_count"}
    if weights.by_words:
        parameters |= dict.fromkeys(("filter", "shift"), "uint32_t")
        kind, shifts = "NETWORK_INLINE", "shift"
    lines = [*sums.result_lines(bias, shifts), "return (uint16_t)result;"]
    if sums.beside is not None:
        parameters["added"] = "network_index"
    name, arguments = f"network_round_{sums.number}", ", ".join(f"{type_} {name}" for name, type_ in parameters.items())
    lines = [*unused_lines(parameters, lines), *lines]
    program.add(
        ["/* From a sum of products to what is stored. */", *function(f"{kind} uint16_t {name}({arguments})", lines)]
    )
    return name


def write_pixel(program: Program, sums: Sums) -> str:
    """The name of the function that computes the target pixel (row, column), from cell `made` on."""
    layer, window, name, bits = sums.layer, sums.layer.window, f"network_pixel_{sums.number}", sums.sum_bits
    rounding = _write_rounding(program, sums)
    whole = _reads_in_order(sums)
    if not whole:
        ends = (size + zeros for size, zeros in zip(window.spread_source, window.before, strict=True))
        program.count(*window.source, *ends, *window.reach, *window.sizes, layer.source.shape[2])
    program.count(sums.filters + FILTERS_AT_ONCE)
    layout = "0, 0, 0" if whole else f"{program.layout(sums.places)}, &rows, &columns"
    finder = "0" if whole else program.use_places(sums.places).finder
    channels = [each.shape[2] // layer.groups for each in (layer.source, layer.target)]
    numbers = (
        sums.kept,
        layer.source.cells if whole else 0,
        0 if whole else channels[0],
        layer.groups,
        channels[1],
        int(sums.in_runs),
    )
    fields = f"&source, &target, {layout}, &kernel, {', '.join(map(str, numbers))}"
    groups = sums.weights.groups
    if not sums.target.is_logits:
        program.uses_cells(sums.target.codes.bits)
    lines = [
        program.map("source", sums.source),
        sums.target.declaration("target"),
        *([] if whole else axis_lines(window)),
        *groups[0].kernel_lines(program, sums.number),
        f"static const network_layer_of_{bits} layer = {{{fields}}};",
        *groups[0].window_lines(finder),
        *(group.filters_line(program, sums, finder, rounding) for group in groups),
    ]
    head = f"NETWORK_PIXEL void {name}(network_count row, network_count column, network_index made)"
    program.add(function(head, [*unused_lines(("row", "column", "made"), lines), *lines]))
    return name


def _reads_in_order(sums: Sums) -> bool:
    """Whether the weights follow each other as the cells of the source do, from the first to the last."""
    return sums.layer.is_whole and (sums.places.is_row_order or not sums.weights.by_rows)
