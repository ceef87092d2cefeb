"""How the tensors of a compartment lie in one vector."""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_efficient.ops.sketches import bucket_sizes, coprime_width
from keras_efficient.type_aliases import Tensor


class FlatLayout:
    """Tensors of these shapes one after the other in one vector of length `size`, with gaps if their rows are padded.

    `dimensions` is d; more than there are entries become as many. `padded` rows have a length that shares no factor
    with d: a fixed basis needs it (see `coprime_width`); where signs are drawn anew at each step it is a waste of
    time. `bucket_sizes` are the entries (without gaps) of each bucket.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], dimensions: int, padded: bool):
        self.shapes = [tuple(shape) for shape in shapes]
        self.dimensions = min(dimensions, sum(math.prod(shape) for shape in self.shapes))
        self.widths = [(shape[-1] if shape else 1) for shape in self.shapes]
        self.padded_widths = [coprime_width(w, self.dimensions) if padded else w for w in self.widths]
        self.rows = [math.prod(shape) // max(w, 1) for shape, w in zip(self.shapes, self.widths, strict=True)]
        self.lengths = [rows * width for rows, width in zip(self.rows, self.padded_widths, strict=True)]
        self.starts = [0, *np.cumsum(self.lengths).tolist()][:-1]
        self.size = sum(self.lengths)
        parts = zip(self.starts, self.rows, self.widths, self.padded_widths, strict=True)
        positions = [(start + np.arange(r)[:, None] * padded + np.arange(w)).ravel() for start, r, w, padded in parts]
        self.bucket_sizes = bucket_sizes(np.concatenate(positions), self.dimensions)

    def join(self, tensors: Sequence[Tensor]) -> Tensor:
        """The tensors as one float32 vector, zeros in the gaps."""
        parts = []
        for rows, width, padded, tensor in zip(self.rows, self.widths, self.padded_widths, tensors, strict=True):
            matrix = ops.reshape(ops.cast(tensor, "float32"), (rows, width))
            matrix = ops.pad(matrix, ((0, 0), (0, padded - width))) if padded > width else matrix
            parts.append(ops.reshape(matrix, (-1,)))
        if keras.backend.backend() == "torch":
            return ops.concatenate(parts)
        # XLA would merge a concatenation into what reads it, with a branch for every single number.
        vector = ops.zeros((self.size,), dtype="float32")
        for start, part in zip(self.starts, parts, strict=True):
            vector = ops.slice_update(vector, (start,), part)
        return vector

    def split(self, vector: Tensor) -> list[Tensor]:
        tensors = []
        for index, (start, length) in enumerate(zip(self.starts, self.lengths, strict=True)):
            matrix = ops.reshape(vector[start : start + length], (self.rows[index], self.padded_widths[index]))
            tensors.append(ops.reshape(matrix[:, : self.widths[index]], self.shapes[index]))
        return tensors
