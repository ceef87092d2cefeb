"""C code of `network_push`: the input as it arrives, cell by cell."""

from __future__ import annotations

import re
from collections.abc import Sequence

from keras_efficient.export.c.arriving_convolution import kept_pixels
from keras_efficient.export.c.cells import Cells, index_type, integer_of, number_line, stored
from keras_efficient.export.c.layers import PlacedLayer
from keras_efficient.export.c.places import Places
from keras_efficient.export.c.pooling import mean_lines, mean_type
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.rounding import rounding_lines
from keras_efficient.export.c.text import braces, count_type, function, plus, plus_text, stored_type, times, wrapped
from keras_efficient.export.integer import AveragePooling, Codes, IntegerMap, MaxPooling
from keras_efficient.export.integer.windows import Window
from keras_efficient.export.network import Arrival
from keras_efficient.storage.planner.arrival import line_axis

TITLE = "/* Takes a number of the input; after the last one the layers run. */"
HEAD = "void network_push(network_input pixel)"


class ArrivalWriter:
    """Writes `network_push`: rescales a cell, pools it, or stores it, and starts the layers after
    the last one."""

    def __init__(
        self,
        program: Program,
        arrival: Arrival,
        target: Cells,
        places: Places,
        lines_offset: int,
        layer: PlacedLayer | None = None,
    ):
        """`layer`: the convolution that runs while the input arrives."""
        self.program, self.arrival, self.target, self.places = program, arrival, target, places
        self.lines_offset, self.layer = lines_offset, layer
        self.shape = arrival.input.shape
        self.channels = self.shape[2]

    @property
    def counters(self) -> list[tuple[str, int]]:
        """(name, limit) of the position, innermost first."""
        sizes = zip(("network_channel", "network_column", "network_row"), reversed(self.shape), strict=True)
        return [(name, size) for name, size in sizes if size > 1]

    def static_lines(self) -> list[str]:
        return [f"static {stored_type(size)} {name};" for name, size in self.counters]

    @property
    def static_bytes(self) -> int:
        return sum({"uint8_t": 1, "uint16_t": 2, "uint32_t": 4}[stored_type(size)] for _, size in self.counters)

    @property
    def resets(self) -> list[str]:
        return [f"{name} = 0;" for name, _ in self.counters]

    def write(self) -> None:
        lines = [*self._rescaling_lines(), *self._storing_lines()]
        for name, size in self.counters:
            if name == self._line_counter:
                assert self.layer is not None
                lines += [f"network_layer_{self.layer.number}({name});", "NETWORK_HOOK(0);"]
            lines += [f"if (++{name} < {size})", "    return;", f"{name} = 0;"]
        self.program.add([TITLE, *function(HEAD, [*lines, "network_compute();"])])

    def _rescaling_lines(self) -> list[str]:
        """`index`: the cell on the grid that the first map, or its pooling, takes."""
        lines, codes = [], self.arrival.input.codes
        index = "code" if codes.signed else "pixel"
        if codes.signed:
            lines.append(f"const {index_type(codes.bits)} code = {code_of(codes)};")
        for number, layer in enumerate(self.arrival.rescales):
            lines += [
                number_line(f"x_{number}", index, codes),
                f"{index_type(layer.target.codes.bits)} index_{number};",
                *rounding_lines(layer.rounding, [f"x_{number}"], f"index_{number}"),
            ]
            index, codes = f"index_{number}", layer.target.codes
        self.index, self.codes = index, codes
        return lines

    def _storing_lines(self) -> list[str]:
        pooling = self.arrival.pooling
        if self.layer is not None:
            return [self.layer.source.put(self._kept_cell(), self.index)]
        if pooling is None:
            cell = self._cell("network_row", "network_column")
            return [self.target.put(cell, stored(self.target, self.index))]
        inside = self._max_lines(pooling) if isinstance(pooling, MaxPooling) else self._average_lines(pooling)
        condition = " && ".join(self._inside_conditions(pooling.window))
        lines = braces(f"if ({condition})", inside) if condition else inside
        return [*self._window_lines(pooling.window, set(re.findall(r"\w+", " ".join(lines)))), *lines]

    @property
    def _line_counter(self) -> str | None:
        """The counter of the lines that a convolution waits for."""
        if self.layer is None:
            return None
        return ("network_row", "network_column")[line_axis(self.layer.placed.step.source)]

    def _kept_cell(self) -> str:
        """The cell among the lines that a convolution keeps."""
        assert self.layer is not None
        lines = ["network_row" if self.shape[0] > 1 else "0", "network_column" if self.shape[1] > 1 else "0"]
        if kept := kept_pixels(self.layer):
            axis, columns = line_axis(self.layer.placed.step.source), self.shape[1]
            lines[axis] += f" % {kept // columns if axis == 0 else kept}"
        pixel = Places(self.layer.placed.source_layout, "").of(*lines)
        return self._in_channel("0" if pixel == "0" else times(wrapped(pixel), self.channels))

    def _cell(self, row: str, column: str) -> str:
        """The cell of the stored map, as a C expression."""
        rows, columns, _ = self.arrival.stored.shape
        pixel = self.places.of(row if rows > 1 else "0", column if columns > 1 else "0")
        return self._in_channel("0" if pixel == "0" else times(wrapped(pixel), self.channels))

    def _in_channel(self, cell: str) -> str:
        """The cell of the channel that has arrived, `cell` being that of channel 0."""
        return cell if self.channels == 1 else plus_text(cell, "network_channel")

    def _window_lines(self, window: Window, used: set[str]) -> list[str]:
        """Which window a pixel belongs to, and its place there; only what is `used`."""
        lines = []
        for axis, (name, at, offset) in enumerate(
            (("row", "network_row", "down"), ("column", "network_column", "across"))
        ):
            size, kind = self.shape[axis], count_type(self.shape[axis] + window.sizes[axis])
            position = plus(at, window.before[axis]) if size > 1 else str(window.before[axis])
            stride = window.strides[axis]
            for variable, operator in ((name, "/"), (offset, "%")):
                if variable in used:
                    lines.append(f"const {kind} {variable} = ({kind})({wrapped(position)} {operator} {stride});")
        return lines

    def _inside_conditions(self, window: Window) -> list[str]:
        conditions = []
        for axis, (name, offset) in enumerate((("row", "down"), ("column", "across"))):
            if window.strides[axis] > window.sizes[axis]:
                conditions.append(f"{offset} < {window.sizes[axis]}")
            if (self.shape[axis] - 1 + window.before[axis]) // window.strides[axis] >= window.target[axis]:
                conditions.append(f"{name} < {window.target[axis]}")
        return conditions

    def _is_first(self, window: Window) -> str:
        """Whether a pixel is the first of its window."""
        parts = []
        for axis, (offset, at) in enumerate((("down", "network_row"), ("across", "network_column"))):
            first = f"{offset} == 0"
            parts.append(f"({first} || {at} == 0)" if window.before[axis] and self.shape[axis] > 1 else first)
            if self.shape[axis] == 1:
                parts[-1] = "1"
        return " && ".join(part for part in parts if part != "1") or "1"

    def _is_last(self, window: Window) -> str:
        parts = []
        for axis, (offset, at) in enumerate((("down", "network_row"), ("across", "network_column"))):
            size = self.shape[axis]
            last = f"{offset} == {window.sizes[axis] - 1}"
            reach = (window.target[axis] - 1) * window.strides[axis] + window.sizes[axis] - window.before[axis]
            if size > 1:
                parts.append(f"({last} || {at} == {size - 1})" if reach > size else last)
        return " && ".join(parts) or "1"

    def _max_lines(self, pooling: MaxPooling) -> list[str]:
        cell = self._cell("row", "column")
        window = pooling.window
        logit = f"network_arena.logits[{cell}]"
        now = logit if self.target.is_logits else self.target.get(self.target.place(cell))
        new = stored(self.target, self.index)
        return [f"if (({self._is_first(window)}) || {new} > {now})", f"    {self.target.put(cell, new)}"]

    def _average_lines(self, pooling: AveragePooling) -> list[str]:
        """Sums wait in `lines` until their window is complete."""
        kind = mean_type(pooling)
        bits = self.arrival.sum_bits
        columns = self.arrival.stored.shape[1]
        line = self._in_channel("0" if columns == 1 else times("column", self.channels))
        place = plus(times(wrapped(line), bits // 8), self.lines_offset // 8)
        value = integer_of(self.index, self.codes)
        # A narrow sum may be negative: its sign goes with it into a wider type.
        waiting = f"(int{bits}_t)network_sum_{bits}(line)" if self.codes.signed else f"network_sum_{bits}(line)"
        cell = self._cell("row", "column")
        window = pooling.window
        return [
            f"const network_index line = (network_index)({place});",
            f"{kind} sum = ({kind})({value});",
            f"if (!({self._is_first(window)}))",
            f"    sum = ({kind})(sum + ({kind}){waiting});",
            f"if (!({self._is_last(window)})) {{",
            f"    network_set_sum_{bits}(line, (uint{bits}_t)sum);",
            "} else {",
            *("    " + text for text in [*self._count_lines(window), *mean_lines(pooling)]),
            f"    {self.target.put(cell, stored(self.target, 'mean'))}",
            "}",
        ]

    def _count_lines(self, window: Window) -> list[str]:
        """`count`: how many places of the window lie on the map."""
        if window.covers_all:
            return []
        factors = []
        for axis, at in enumerate(("network_row", "network_column")):
            size, before, name = self.shape[axis], window.before[axis], ("row", "column")[axis]
            last = at if size > 1 else "0"
            first = f"({name} * {window.strides[axis]} > {before} ? {name} * {window.strides[axis]} - {before} : 0)"
            factors.append(f"(uint32_t)({last} - {first} + 1)")
        return [f"const uint32_t count = {' * '.join(factors)};"]


class InputsWriter:
    """Writes `network_push` for several inputs, which arrive one after another and are stored by rows."""

    def __init__(self, program: Program, inputs: Sequence[IntegerMap], targets: Sequence[Cells]):
        self.program, self.inputs, self.targets = program, inputs, targets
        self.count = sum(each.cells for each in inputs)

    def static_lines(self) -> list[str]:
        return [f"static {stored_type(self.count)} network_arrived;"]

    @property
    def static_bytes(self) -> int:
        return {"uint8_t": 1, "uint16_t": 2, "uint32_t": 4}[stored_type(self.count)]

    @property
    def resets(self) -> list[str]:
        return ["network_arrived = 0;"]

    def write(self) -> None:
        first, lines = 0, []
        for integers, target in zip(self.inputs, self.targets, strict=True):
            last = first + integers.cells
            head = f"{'else ' if first else ''}if (network_arrived < {last}u)" if last < self.count else "else"
            cell = plus("network_arrived", -first, "u")
            lines += braces(head, [target.put(cell, code_of(integers.codes))])
            first = last
        lines += [f"if (++network_arrived < {self.count}u)", "    return;", "network_arrived = 0;"]
        self.program.add([TITLE, *function(HEAD, [*lines, "network_compute();"])])


def code_of(codes: Codes) -> str:
    """The code of the number that has arrived, as it lies in the arena."""
    kind = index_type(codes.bits)
    return f"({kind})(({kind})pixel + {-codes.low}u)" if codes.signed else f"({kind})pixel"


def input_type(codes: Codes) -> str:
    """The type of what is pushed."""
    return f"{'' if codes.signed else 'u'}int{codes.bits}_t"
