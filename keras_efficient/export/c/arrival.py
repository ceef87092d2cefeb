"""C code of `network_push`: the input as it arrives, cell by cell. What becomes of a cell: the kernels push.c."""

from __future__ import annotations

from collections.abc import Sequence

from keras_efficient.export.c.arriving_convolution import kept_pixels
from keras_efficient.export.c.cells import Cells, index_type, number_line
from keras_efficient.export.c.placed import PlacedLayer
from keras_efficient.export.c.places import Places, axis_lines
from keras_efficient.export.c.pooling import write_mean
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.rounding import rounding_lines
from keras_efficient.export.c.text import braces, function, plus, stored_type
from keras_efficient.export.integer import AveragePooling, Codes, IntegerMap
from keras_efficient.export.network import Arrival
from keras_efficient.storage.planner.arrival import line_axis

TITLE = "/* Takes a number of the input; after the last one the layers run. */"
HEAD = "void network_push(network_input pixel)"


class PushWriter:
    """Writes `network_push`: what is done with a number, and after the last one the layers.

    counters: (name, limit) of the position, innermost first.
    """

    def __init__(self, program: Program, counters: Sequence[tuple[str, int]]):
        self.program, self.counters = program, counters

    def static_lines(self) -> list[str]:
        return [f"static {stored_type(size)} {name};" for name, size in self.counters]

    @property
    def static_bytes(self) -> int:
        return sum({"uint8_t": 1, "uint16_t": 2, "uint32_t": 4}[stored_type(size)] for _, size in self.counters)

    @property
    def resets(self) -> list[str]:
        return [f"{name} = 0;" for name, _ in self.counters]

    def write(self) -> None:
        lines = self.lines()
        for name, size in self.counters:
            lines += [*self.line_end(name), f"if (++{name} < {size}u)", "    return;", f"{name} = 0;"]
        self.program.add([TITLE, *function(HEAD, [*lines, "network_compute();"])])

    def lines(self) -> list[str]:
        """What is done with the number `pixel`."""
        raise NotImplementedError

    def line_end(self, counter: str) -> list[str]:
        """What is done when the numbers of this counter's place are there."""
        return []


class ArrivalWriter(PushWriter):
    """Of one input: a cell is rescaled, then pooled or stored."""

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
        names = zip(("network_channel", "network_column", "network_row"), reversed(arrival.input.shape), strict=True)
        super().__init__(program, [(name, size) for name, size in names if size > 1])
        self.arrival, self.target, self.places = arrival, target, places
        self.lines_offset, self.layer = lines_offset, layer

    def lines(self) -> list[str]:
        rescaling, index = self._rescaling()
        return [*rescaling, *self._storing(index)]

    def _rescaling(self) -> tuple[list[str], str]:
        """Statements, and the name of the cell on the grid that the first map, or its pooling, takes."""
        codes, index = self.arrival.input.codes, "code"
        lines = [f"const {index_type(codes.bits)} code = {_code_of(codes)};"]
        for number, layer in enumerate(self.arrival.rescales):
            lines += [
                number_line(f"x_{number}", index, codes),
                f"{index_type(layer.target.codes.bits)} index_{number};",
                *rounding_lines(layer.rounding, [f"x_{number}"], f"index_{number}"),
            ]
            index, codes = f"index_{number}", layer.target.codes
        return lines, index

    def _storing(self, index: str) -> list[str]:
        """The cell at its place: among the lines that a convolution keeps, in its window, or on the map."""
        program, pooling, shape = self.program, self.arrival.pooling, self.arrival.input.shape
        target, places, kept = self.target, self.places, 0
        if self.layer is not None:
            target, kept = self.layer.source, kept_pixels(self.layer)
            places = program.places_of(self.layer.placed.source_layout)
        program.count(*shape[:2])
        counted = dict(self.counters)
        at = [name if name in counted else "0" for name in ("network_row", "network_column", "network_channel")]
        pixel = f"{program.layout(places)}, {program.use_places(places).finder}"
        place = ", ".join([*at, str(shape[2])])
        lines = [program.map("target", target)]
        if pooling is None:
            return [*lines, f"network_take(&target, {pixel}, {kept}, {place}, {index});"]
        program.count(*map(sum, zip(shape, pooling.window.sizes, pooling.window.before, strict=False)))
        lines += axis_lines(pooling.window)
        window = f"&target, {pixel}, &rows, &columns, {place}, {index}"
        if not isinstance(pooling, AveragePooling):
            return [*lines, f"network_take_largest({window});"]
        program.uses("sum_bits", self.arrival.sum_bits)
        lines.append(program.map("source", Cells(pooling.source.codes, 0)))
        sums = f"{self.lines_offset // 8}, {self.arrival.sum_bits}, {write_mean(program, 'network_mean', pooling)}"
        return [*lines, f"network_take_mean({window}, &source, {sums});"]

    def line_end(self, counter: str) -> list[str]:
        """The convolution takes a line."""
        if self.layer is None or counter != ("network_row", "network_column")[line_axis(self.layer.placed.step.source)]:
            return []
        return [f"network_layer_{self.layer.number}({counter});", "NETWORK_HOOK(0);"]


class InputsWriter(PushWriter):
    """Of several inputs, which arrive one after another and are stored by rows."""

    def __init__(self, program: Program, inputs: Sequence[IntegerMap], targets: Sequence[Cells]):
        super().__init__(program, [("network_arrived", sum(each.cells for each in inputs))])
        self.inputs, self.targets = inputs, targets

    def lines(self) -> list[str]:
        first, lines = 0, []
        for integers, target in zip(self.inputs, self.targets, strict=True):
            last = first + integers.cells
            head = f"{'else ' if first else ''}if (network_arrived < {last}u)" if target != self.targets[-1] else "else"
            lines += braces(head, [target.put(plus("network_arrived", -first, "u"), _code_of(integers.codes))])
            first = last
        return lines


def _code_of(codes: Codes) -> str:
    """The code of the number that has arrived, as it lies in the arena."""
    kind = index_type(codes.bits)
    return f"({kind})(({kind})pixel + {-codes.low}u)" if codes.signed else f"({kind})pixel"


def input_type(codes: Codes) -> str:
    """The type of what is pushed."""
    return f"{'' if codes.signed else 'u'}int{codes.bits}_t"
