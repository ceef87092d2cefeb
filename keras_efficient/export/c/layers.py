"""From placed operations to C functions: one function a layer, and the moves between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from keras_efficient.export.c import changes, merging, pooling
from keras_efficient.export.c.basis import store_basis
from keras_efficient.export.c.cells import Cells
from keras_efficient.export.c.convolution import StoredWeights, Sums, store_weights, write_pixel
from keras_efficient.export.c.moves import move_cells, move_up, permute
from keras_efficient.export.c.places import Places
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.text import function
from keras_efficient.export.c.weights import Segment
from keras_efficient.export.c.word_weights import store_words, words_of_layer
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
from keras_efficient.kinds.words import Words
from keras_efficient.storage.planner import Layout, PlacedStep

Layer = TypeVar("Layer", bound=Operation, covariant=True)


@dataclass(eq=False)
class PlacedLayer(Generic[Layer]):
    """An operation, its place in the arena, and its weights in the stream."""

    number: str
    operation: Layer
    placed: PlacedStep
    is_last: bool
    sparse: bool = True  # pruned kernels in their smallest encoding
    # Where all sources of a layer with several of them start, in bits.
    source_offsets: tuple[int, ...] = ()
    by_words: bool = False  # products two at a time, where they can be
    # Those of an earlier call of the same Keras layer, which are stored once; maps lie by rows there.
    weights: tuple[StoredWeights, ...] = ()

    def __post_init__(self):
        operation: Operation = self.operation
        parts = _convolutions_of(operation, self.read_layout)
        self.weights = self.weights or tuple(map(self._stored, parts))
        self.table = changes.stored_table(operation, self.read_layout) if isinstance(operation, Lookup) else None

    @property
    def words(self) -> Words | None:
        """How the kernel is read where products are taken two at a time."""
        operation = self.operation
        if not self.by_words or not isinstance(operation, Convolution) or operation.products.basis is not None:
            return None
        if self.sparse and operation.products.pruned:
            return None
        return words_of_layer(operation)

    @property
    def leaves_zeros_out(self) -> bool:
        """Whether its time depends on how many cells are 0."""
        return bool(self.weights) and self.words is None

    def _stored(self, part: Convolution) -> StoredWeights:
        if part.products.basis is not None:
            return store_basis(part)
        if self.words is not None:
            return store_words(part, self.words, self.read_layout)
        return store_weights(part, self.read_layout, self.sparse)

    @property
    def segments(self) -> list[Segment]:
        tables = [] if self.table is None else [self.table]
        return [*tables, *(segment for weights in self.weights for segment in weights.segments)]

    @property
    def weight_formats(self) -> list[str]:
        """How the kernels are stored."""
        return list(dict.fromkeys(group.format for weights in self.weights for group in weights.groups))

    @property
    def read_layout(self) -> Layout:
        """The layout in which the source is read."""
        return self.placed.relayout or self.placed.source_layout

    @property
    def source(self) -> Cells:
        return Cells(self.operation.source.codes, self.placed.source_offset)

    @property
    def target(self) -> Cells:
        return Cells(self.operation.target.codes, self.placed.target_offset, is_logits=self.is_last)


def _convolutions_of(operation: Operation, layout: Layout) -> list[Convolution]:
    """The convolutions of a layer, whose weights it stores. `layout`: of its source."""
    if isinstance(operation, Scale):
        return [operation.as_it_lies(layout.cells(operation.source.shape[2]))]
    if isinstance(operation, Residual):
        return [operation.first, operation.second]
    return [operation] if isinstance(operation, Convolution) else []


def _merged_cells(layer: PlacedLayer[Combination | Concatenation | Outputs]) -> list[Cells]:
    """The sources of a layer with several of them."""
    pairs = zip(layer.operation.sources, layer.source_offsets, strict=True)
    return [Cells(source.codes, offset) for source, offset in pairs]


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


def _layer_places(program: Program, layer: PlacedLayer) -> tuple[Places, Places]:
    """The places of the source's pixels, and of the target's (whose order is that of the loop)."""
    return program.places_of(layer.read_layout), program.places_of(layer.placed.target_layout)


def _write_convolution(program: Program, name: str, layer: PlacedLayer[Convolution]) -> None:
    _write_places(program, layer, layer.operation, _layer_places(program, layer))


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
    source, target = _layer_places(program, layer)
    skip = (layer.source, source)
    sums = (
        Sums(f"{layer.number}_inner", operation.first, layer.weights[0], layer.source, inner, source),
        Sums(layer.number, operation.second, layer.weights[1], inner, layer.target, target, kept, skip),
    )
    pixels = ", ".join(write_pixel(program, each) for each in sums)
    order = program.use_places(target)
    call = f"network_residual({program.layout(order)}, {order.finder}, {kept}, {channels}, {pixels});"
    program.add(function(f"NETWORK_LAYER void {name}(void)", [call]))


def _write_pooling(program: Program, name: str, layer: PlacedLayer[pooling.Pooling]) -> None:
    pooling.pool(program, name, layer.operation, layer.source, layer.target, _layer_places(program, layer))


def _write_combination(program: Program, name: str, layer: PlacedLayer[Combination]) -> None:
    merging.combination(program, name, layer.operation, _merged_cells(layer), layer.target)


def _write_concatenation(program: Program, name: str, layer: PlacedLayer[Concatenation]) -> None:
    changes.concatenation(program, name, layer.operation, _merged_cells(layer), layer.target)


def _write_outputs(program: Program, name: str, layer: PlacedLayer[Outputs]) -> None:
    changes.outputs(program, name, layer.operation, _merged_cells(layer))


def _write_move(program: Program, name: str, layer: PlacedLayer[Move]) -> None:
    move_cells(program, name, layer.operation, layer.source, layer.target)


def _write_lookup(program: Program, name: str, layer: PlacedLayer[Lookup]) -> None:
    assert layer.table is not None
    changes.look_up(program, name, layer.operation, layer.table, layer.source, layer.target)


def _write_rescale(program: Program, name: str, layer: PlacedLayer[Rescale]) -> None:
    changes.rescale(program, name, layer.operation, layer.source, layer.target)


WRITERS: dict[type[Operation], Callable[[Program, str, Any], None]] = {
    Convolution: _write_convolution,
    Residual: _write_residual,
    Scale: _write_scale,
    MaxPooling: _write_pooling,
    AveragePooling: _write_pooling,
    Lookup: _write_lookup,
    Rescale: _write_rescale,
    MeanPooling: _write_pooling,
    Move: _write_move,
    Combination: _write_combination,
    Concatenation: _write_concatenation,
    Outputs: _write_outputs,
}
