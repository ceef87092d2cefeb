"""`PlacedLayer`: an operation, and where what it reads and writes lies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from keras_efficient.export.c.basis import store_basis
from keras_efficient.export.c.cells import Cells
from keras_efficient.export.c.convolution import StoredWeights, store_weights
from keras_efficient.export.c.places import Places
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.weights import Segment
from keras_efficient.export.c.word_weights import store_words, words_of_layer
from keras_efficient.export.integer import (
    Combination,
    Concatenation,
    Convolution,
    Lookup,
    Operation,
    Outputs,
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
        self.table = _stored_table(operation, self.read_layout) if isinstance(operation, Lookup) else None

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

    @property
    def sources(self: PlacedLayer[Combination | Concatenation | Outputs]) -> list[Cells]:
        """Those of a layer with several of them."""
        pairs = zip(self.operation.sources, self.source_offsets, strict=True)
        return [Cells(source.codes, offset) for source, offset in pairs]

    def places(self, program: Program) -> tuple[Places, Places]:
        """The places of the source's pixels, and of the target's (whose order is that of the loop)."""
        return program.places_of(self.read_layout), program.places_of(self.placed.target_layout)


def _convolutions_of(operation: Operation, layout: Layout) -> list[Convolution]:
    """The convolutions of a layer, whose weights it stores. `layout`: of its source."""
    if isinstance(operation, Scale):
        return [operation.as_it_lies(layout.cells(operation.source.shape[2]))]
    if isinstance(operation, Residual):
        return [operation.first, operation.second]
    return [operation] if isinstance(operation, Convolution) else []


def _stored_table(layer: Lookup, layout: Layout) -> Segment:
    """The table in the weight stream: what memory holds for each entry. `layout`: of the source."""
    codes, table = layer.target.codes, layer.as_it_lies(layout.cells(layer.source.shape[2]))
    return Segment(replace(codes, signed=False), codes.indices(table).ravel())
