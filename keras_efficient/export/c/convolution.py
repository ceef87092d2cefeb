"""C code of weighted sums: convolutions, depthwise convolutions, dense layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_efficient.export.c.cells import Cells, index_type, number_line, sum_type
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.rounding import rounding_lines
from keras_efficient.export.c.sparse_weights import group_filters
from keras_efficient.export.c.text import (
    braces,
    count_type,
    counting,
    function,
    plus,
    plus_text,
    times,
    unused_lines,
    words,
    wrapped,
)
from keras_efficient.export.c.weights import Group, Segment
from keras_efficient.export.c.window_loops import corner, window_loop, window_place
from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.operations import Convolution
from keras_efficient.kinds.measures import SHIFT_BITS
from keras_efficient.storage.planner.layouts import Layout


@dataclass(eq=False)
class StoredWeights:
    """A layer's kernel and bias in the weight stream, and the shifts of its filters.

    by_rows: Whether a kernel for all of a map goes by the map's rows, whatever order its cells have in memory: so it
        takes as many bits as its price says, where those depend on the order.
    """

    groups: Sequence[Any]  # of segments that have a `format`, `first`, `filters`, `width`
    bias: Segment | None
    shifts: Segment | None = None
    by_rows: bool = False

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


class ConvolutionWriter:
    """Writes the functions of one layer of weighted sums.

    Args:
        program: Where functions and helpers go.
        number: Of the layer, part of the names.
        layer: The operation.
        weights: Its `StoredWeights`, packed.
        source, target: The maps in the arena.
        place: (row, column) as C expressions -> the place of a source pixel, in pixels.
        runs: Whether the pixels of a row lie side by side.
        extra: Type, name and C expression of further terms of the sum (the skip of a residual
            block); the expression may use `filter` and `made`.
    """

    by_words = False  # whether products are taken two at a time

    def __init__(
        self,
        program: Program,
        number: str,
        layer: Convolution,
        weights: StoredWeights,
        source: Cells,
        target: Cells,
        place: Callable[[str, str], str],
        runs: bool = False,
        extra: tuple[str, str, str] | None = None,
    ):
        self.program, self.number, self.layer, self.weights = program, number, layer, weights
        self.source, self.target, self.place, self.runs, self.extra = source, target, place, runs, extra
        self.channels = layer.source.shape[2]
        self.filters = layer.target.shape[2]
        self.sum = sum_type(layer.products.bound)

    def write_rounding(self) -> None:
        """`network_round_N(sum, filter)`: bias, activation, and the index of the output."""
        terms = ["sum" if self.weights.shifts is None else "shifted", "bias" if self.weights.bias else "0"]
        parameters = {"sum": self.sum}
        if self.by_filter:
            parameters["filter"] = self.filter_type
        if self.has_shift_parameter:
            parameters["shift"] = "uint32_t"
        if self.extra:
            parameters[self.extra[1]] = self.extra[0]
            terms.append(self.extra[1])
        result = "network_logit" if self.target.is_logits else index_type(self.target.codes.bits)
        as_index = not self.target.is_logits
        rounding = rounding_lines(self.layer.rounding, terms, "result", as_index, self.by_words)
        lines = [*self._term_lines(rounding), f"{result} result;", *rounding, "return result;"]
        arguments = ", ".join(f"{kind} {name}" for name, kind in parameters.items())
        head = f"{'NETWORK_INLINE' if self.by_words else 'static'} {result} network_round_{self.number}({arguments})"
        lines = [*unused_lines(parameters, lines), *lines]
        self.program.add(["/* From a sum of products to what is stored. */", *function(head, lines)])

    has_shift_parameter = False

    @property
    def filter_type(self) -> str:
        """Of the number of a filter."""
        return count_type(self.filters)

    def shift_text(self, shifts: Segment) -> str:
        """How many places the sum of a filter is shifted, in the function that rounds."""
        return shifts.read("filter")

    def bias_text(self, bias: Segment) -> str:
        return bias.read("filter")

    @property
    def by_filter(self) -> bool:
        """Whether rounding needs to know the filter."""
        return self.weights.bias is not None or self.weights.shifts is not None

    def _term_lines(self, rounding: list[str]) -> list[str]:
        """The terms that the plan reads: one can be too small, or another too large, to matter."""
        used, lines = words(rounding), []
        bias, shifts = self.weights.bias, self.weights.shifts
        if shifts and "shifted" in used:
            kind = sum_type(self.layer.rounding.terms[0].bound)
            lines.append(f"const {kind} shifted = ({kind})(({kind})sum * (({kind})1 << ({self.shift_text(shifts)})));")
        if bias and "bias" in used:
            lines.append(f"const int16_t bias = (int16_t)({self.bias_text(bias)});")
        return lines

    def head_lines(self) -> list[str]:
        """What all pixels share."""
        return []

    def pixel_lines(self, made: str = "made") -> list[str]:
        """The target pixel (row, column): all its cells, from cell `made` on."""
        lines = []
        for group in self.weights.groups:
            lines += braces("", self._group_lines(group, made))
        return lines

    def _group_lines(self, group: Group, made: str) -> list[str]:
        sums = ", ".join(f"sum_{i} = 0" for i in range(group.width))
        body = [f"{self.sum} {sums};", *self._sum_lines(group)]
        for i in range(group.width):
            body += self._store_lines(plus("filter", i), i, made)
        last = group.first + group.filters
        return [group.declaration(), *counting("filter", last, body, group.first, group.width)]

    def _store_lines(self, filter_: str, number: int, made: str) -> list[str]:
        cell = filter_ if made == "0" else f"{made} + {filter_}"
        return [self.target.put(cell, self._rounded(filter_, number, made))]

    def _rounded(self, filter_: str, number: int, made: str) -> str:
        """What is stored for sum `number` of a block."""
        arguments = self._sum(number)
        if self.by_filter:
            arguments += f", {filter_ if filter_ == 'filter' else f'({self.filter_type})({filter_})'}"
        arguments += self._shift(number)
        if self.extra:
            arguments += f", {self.extra[2].format(filter=filter_, made=made)}"
        return f"network_round_{self.number}({arguments})"

    def _sum(self, number: int) -> str:
        """The sum of a filter of the block."""
        return f"sum_{number}"

    def _shift(self, number: int) -> str:
        return ""

    def _sum_lines(self, group: Group) -> list[str]:
        """sum_i += the products of the whole window."""
        window = self.layer.window
        if self.reads_in_order:
            return self._run_lines(group, "0", self.layer.source.cells)
        if self.runs and self.layer.groups == 1 and window.covers_all and window.dilation == (1, 1):
            first = self.place(corner("row", window, 0), corner("column", window, 1))
            run = self._run_lines(group, first, self.channels * window.sizes[1], offset="down", step=self._row_cells)
            return counting("down", window.sizes[0], run)
        cells = self.channels // self.layer.groups
        pixel = self._run_lines(group, self.place(*window_place(window)), cells)
        return window_loop(window, pixel, group.advance(cells), group.advance(cells * window.sizes[1]))

    @property
    def reads_in_order(self) -> bool:
        """Whether the weights follow each other as the cells of the source do, from the first to the last."""
        return self.layer.is_whole and (self.runs or not self.weights.by_rows)

    @property
    def _first_channel(self) -> str:
        """The first channel of the group that a filter reads."""
        groups = self.layer.groups
        filters, channels = self.filters // groups, self.channels // groups
        number = "filter" if filters == 1 else f"filter / {filters}"
        return number if channels == 1 else times(wrapped(number), channels)

    @property
    def _row_cells(self) -> int:
        return self.layer.source.shape[1] * self.channels

    def _run_lines(self, group: Group, pixel: str, cells: int, offset: str = "", step: int = 0) -> list[str]:
        """Cells that lie side by side, each times its weights."""
        first = times(wrapped(pixel), self.channels) if pixel != "0" else "0"
        if self.layer.groups > 1:
            first = plus_text(first, self._first_channel)
        if offset:
            first = f"{first} + {times(offset, step)}"
        place = f"network_index place = (network_index)({self.source.place(first)});"
        if cells == 1:
            return [f"const {place}", *self._cell_lines(group)]
        body = [*self._cell_lines(group), f"place = (network_index)(place + {self.source.stride}u);"]
        return [place, *counting("cell", cells, body)]

    def _cell_lines(self, group: Group) -> list[str]:
        return [self._number_line(), *group.cell_lines(self.sum)]

    def _number_line(self) -> str:
        """`x`, the integer of the cell at `place`."""
        return number_line("x", self.source.get("place"), self.source.codes)
