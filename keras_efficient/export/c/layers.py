"""From placed operations to C functions: one function a layer, and the moves between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from keras_efficient.export.c import changes, merging, pooling
from keras_efficient.export.c.cells import Cells
from keras_efficient.export.c.convolution import Sums, write_pixel
from keras_efficient.export.c.moves import move_cells, move_up, permute
from keras_efficient.export.c.placed import PlacedLayer
from keras_efficient.export.c.places import Places
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.text import function
from keras_efficient.export.integer import (
    AveragePooling,
    Combination,
    Concatenation,
    Convolution,
    Lookup,
    MaxPooling,
    MeanPooling,
    Move,
    Operation,
    Outputs,
    Rescale,
    Residual,
    Scale,
)
from keras_efficient.storage.planner import Layout


def write_layer(program: Program, layer: PlacedLayer) -> None:
    """The functions of a layer; `program.calls` gets the statements that run it."""
    operation, placed = layer.operation, layer.placed
    shape = operation.source.shape
    title = title_of(operation)
    program.calls.append(f"/* {title} */")
    arrived = replace(layer.source, offset=placed.arrives_at)
    if placed.relayout:
        name = f"network_permute_{layer.number}"
        program.calls.append(permute(program, name, arrived, shape[2], placed.source_layout, placed.relayout))
    if placed.source_offset != placed.arrives_at:
        cells = placed.kept_pixels * shape[2]
        program.calls.append(move_up(program, f"network_move_{layer.number}", arrived, layer.source, cells))
    name = f"network_layer_{layer.number}"
    WRITERS[type(operation)](program, name, layer)
    program.functions[-1].insert(0, f"/* {title} */")
    program.calls += [f"{name}();", f"NETWORK_HOOK({program.computed});"]
    program.computed += 1


def title_of(operation: Operation) -> str:
    """For people who read the C."""
    source, target = ("x".join(map(str, each.shape)) for each in (operation.source, operation.target))
    return f"{operation.name}: {source} -> {target}"


def _write_convolution(program: Program, name: str, layer: PlacedLayer[Convolution]) -> None:
    _write_places(program, layer, layer.operation, layer.places(program))


def _write_scale(program: Program, name: str, layer: PlacedLayer[Scale]) -> None:
    """The cells lie in the target as in the source: place by place through both, wherever those belong."""
    operation = layer.operation.places
    by_rows = program.places_of(Layout.by_rows(*operation.source.shape[:2]))
    _write_places(program, layer, operation, (by_rows, by_rows))


def _write_places(program: Program, layer: PlacedLayer, operation: Convolution, places: tuple[Places, Places]) -> None:
    """A window that slides over the places of a map, or is all of it."""
    pixel = pixel_of(program, layer, operation, places[0])
    call = f"{pixel}(0, 0, 0);"
    if not operation.is_whole:
        program.count(operation.target.shape[2])
        call = f"network_each_pixel({program.layout(places[1])}, {operation.target.shape[2]}, {pixel});"
    program.add(function(f"NETWORK_LAYER void network_layer_{layer.number}(void)", [call]))


def pixel_of(program: Program, layer: PlacedLayer, operation: Convolution, source: Places, kept: int = 0) -> str:
    """The name of the function that computes a pixel of the target."""
    sums = Sums(layer.number, operation, layer.weights[0], layer.source, layer.target, source, kept)
    return write_pixel(program, sums)


def _write_residual(program: Program, name: str, layer: PlacedLayer[Residual]) -> None:
    """Two convolutions, the second one row after the first, both in the order of the target; between them is a ring."""
    placed, operation = layer.placed, layer.operation
    assert placed.inner_offset is not None
    rows, columns, channels = operation.source.shape
    kept = 0 if placed.inner_pixels >= rows * columns else placed.inner_pixels
    inner = Cells(operation.first.target.codes, placed.inner_offset)
    source, target = layer.places(program)
    skip = (layer.source, source)
    sums = (
        Sums(f"{layer.number}_inner", operation.first, layer.weights[0], layer.source, inner, source),
        Sums(layer.number, operation.second, layer.weights[1], inner, layer.target, target, kept, skip),
    )
    pixels = ", ".join(write_pixel(program, each) for each in sums)
    order = program.use_places(target)
    call = f"network_residual({program.layout(order)}, {order.finder}, {kept}, {channels}, {pixels});"
    program.add(function(f"NETWORK_LAYER void {name}(void)", [call]))


WRITERS: dict[type[Operation], Callable[[Program, str, Any], None]] = {
    Convolution: _write_convolution,
    Residual: _write_residual,
    Scale: _write_scale,
    MaxPooling: pooling.pool,
    AveragePooling: pooling.pool,
    Lookup: changes.look_up,
    Rescale: changes.rescale,
    MeanPooling: pooling.pool,
    Move: move_cells,
    Combination: merging.combination,
    Concatenation: changes.concatenation,
    Outputs: changes.outputs,
}
