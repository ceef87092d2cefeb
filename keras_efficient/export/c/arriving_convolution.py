"""C code of a convolution that runs while its source, the input, arrives."""

from __future__ import annotations

from keras_efficient.export.c.layers import pixel_of, title_of
from keras_efficient.export.c.placed import PlacedLayer
from keras_efficient.export.c.places import Places, axis_line
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.text import function
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


def kept_pixels(layer: PlacedLayer) -> int:
    """The pixels of the source that are kept, where those are not all: each new line takes the place of one that nobody
    needs any more."""
    step = layer.placed.step
    assert isinstance(step, WindowStep)
    sizes, axis = list(step.source.shape[:2]), line_axis(step.source)
    lines = kept_lines(step)
    return lines * sizes[1 - axis] if lines < sizes[axis] else 0


def write_arriving(program: Program, layer: PlacedLayer[Convolution], target: Places) -> None:
    """A convolution whose source arrives: its function computes the pixels whose windows end with the line, a row or a
    pixel, that has arrived. `target`: where its pixels lie."""
    operation = layer.operation
    axis, window = line_axis(layer.placed.step.source), operation.window
    source = program.places_of(layer.read_layout)
    compute, pixel = pixel_of(program, layer, operation, source, kept_pixels(layer)), f"network_arrived_{layer.number}"
    place = f"network_place({program.layout(target)}, {target.finder}, row, column)"
    program.add(
        function(
            f"static void {pixel}(network_count row, network_count column, network_index made)",
            ["(void)made;", f"{compute}(row, column, (network_index)({place} * {operation.target.shape[2]}u));"],
        )
    )
    program.count(*window.reach, *window.source)
    sizes = (window.target[axis], window.target[1] if axis == 0 else 1, int(axis == 0))
    head = f"NETWORK_LAYER void network_layer_{layer.number}(network_count arrived)"
    lines = [
        axis_line("axis", window, axis),
        f"network_arrive(&axis, {', '.join(map(str, sizes))}, arrived, {pixel});",
    ]
    program.add([f"/* {title_of(operation)}, while the input arrives */", *function(head, lines)])
    program.computed += 1
