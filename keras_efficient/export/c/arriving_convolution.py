"""C code of a convolution that runs while its source, the input, arrives."""

from __future__ import annotations

from functools import partial

from keras_efficient.export.c.layers import PlacedLayer, pixel_lines, title_of, writer_of
from keras_efficient.export.c.places import Places
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.text import (
    AXES,
    braces,
    count_type,
    counting,
    function,
    plus,
    times,
    unused_lines,
    wrapped,
)
from keras_efficient.export.integer import Convolution
from keras_efficient.export.network import Arrival
from keras_efficient.kinds.steps import WindowStep
from keras_efficient.storage.planner import Layout, PlacedStep
from keras_efficient.storage.planner.arrival import kept_lines, line_axis
from keras_efficient.storage.planner.occupancy import Need


def arriving_layers(
    arrival: Arrival, target: Layout, target_offset: int, lines_offset: int, sparse: bool, by_words: bool
) -> list[PlacedLayer[Convolution]]:
    """The convolution that runs while the input arrives, if there is one: at its source are the lines that it keeps."""
    if arrival.convolution is None:
        return []
    step = arrival.step
    pixels = arrival.line_bits // step.source.pixel_bits
    placed = PlacedStep(
        step=step,
        source_layout=Layout.by_rows(*step.source.shape[:2]),
        target_layout=target,
        arrives_at=lines_offset,
        source_offset=lines_offset,
        kept_pixels=pixels,
        need=Need(0, pixels),
        target_offset=target_offset,
    )
    is_last = arrival.logits_bits is not None
    return [PlacedLayer("1", arrival.convolution, placed, is_last, sparse, by_words=by_words)]


def kept_place(layer: PlacedLayer, row: str, column: str) -> str:
    """The place of a source pixel among the lines that are kept: each new line takes the place of one that nobody needs
    any more."""
    step, lines = layer.placed.step, [row, column]
    assert isinstance(step, WindowStep)
    sizes, axis = list(step.source.shape[:2]), line_axis(step.source)
    sizes[axis] = kept_lines(step)
    lines[axis] = f"{wrapped(lines[axis])} % {sizes[axis]}"
    return Places(Layout.by_rows(*sizes), "").of(*lines)


def write_arriving(program: Program, layer: PlacedLayer[Convolution], target: Places) -> None:
    """A convolution whose source arrives: its function computes the pixels whose windows end with the line, a row or a
    pixel, that has arrived. `target`: where its pixels lie."""
    operation, step = layer.operation, layer.placed.step
    assert isinstance(step, WindowStep)
    axis, window = line_axis(step.source), operation.window
    writer = writer_of(program, layer, operation, partial(kept_place, layer), runs=False)
    line, stride = AXES[axis], window.strides[axis]
    size, last = window.target[axis], window.slide.extents[axis] - 1 - window.before[axis]
    kind = count_type(max(window.source[axis], size * stride) + last + stride)
    first = plus(plus("arrived", -last), stride - 1)
    start = first if stride == 1 else f"{wrapped(first)} / {stride}"
    is_last = f"{plus(times(line, stride), last)} == arrived"
    if (size - 1) * stride + last >= window.source[axis]:  # windows that reach over the edge end with the last line
        is_last = f"({is_last} || arrived == {window.source[axis] - 1}u)"
    made = times(wrapped(target.of("row", "column")), operation.target.shape[2])
    lines = [f"const network_index made = (network_index)({made});", *pixel_lines(program, layer, writer)]
    if axis == 0:
        lines = counting("column", window.target[1], lines)
    else:
        lines = [f"const {kind} row = 0;", *unused_lines(("row",), lines), *lines]
    start = f"({kind})({start})" if start != "arrived" else start
    start = f"arrived < {last} ? 0 : {start}" if last else start
    loop = braces(f"for ({line} = {start}; {line} < {size}u && {is_last}; {line}++)", lines)
    head = f"static void network_layer_{layer.number}({kind} arrived)"
    title = f"/* {title_of(operation)}, while the input arrives */"
    program.add([title, *function(head, [f"{kind} {line};", *loop])])
    program.computed += 1
