"""A stack of ACDC layers whose inner products are rounded, as `kinds.acdc_stages` has them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from keras import ops

from keras_efficient.kinds.cosine import Cosine, grid_shape
from keras_efficient.layers.acdc.stack import AcdcStack
from keras_efficient.ops.dct import dct_matrix
from keras_efficient.ops.permute import permute, riffle_order
from keras_efficient.type_aliases import Tensor

Rounding = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class RoundedStack:
    """What `AcdcStack` computes, product by product.

    Attributes:
        stack: Sizes, permutations, where the bias goes.
        rounds_matrices: Whether the matrices of the transform are those of the integers (`kinds.cosine`).
    """

    stack: AcdcStack
    rounds_matrices: bool

    def __call__(
        self,
        x: Tensor,
        a: Tensor,
        d: Tensor,
        bias: Tensor | None,
        roundings: Sequence[Rounding],
        between: Callable[[int, Tensor], Tensor],
    ) -> Tensor:
        """Rows (n, size) through all layers; arguments as of `AcdcStack`.

        roundings: One for each product, in the order in which they are taken.
        """
        rest, v = iter(roundings), x
        for layer in range(self.stack.depth):
            v = self._layer(v, a[layer], d[layer], None if bias is None else bias[layer], rest)
            v = permute(v, self.stack.permutation_of(layer))
            v = between(layer, v) if layer < self.stack.depth - 1 else v
        return v

    def _layer(self, v: Tensor, a: Tensor, d: Tensor, bias: Tensor | None, rest: Iterator[Rounding]) -> Tensor:
        spectrum = self._spectrum(next(rest)(v * a), rest) * d
        if bias is not None and self.stack.bias == "spectrum":
            return self._signal(next(rest)(spectrum + bias), rest)
        y = self._signal(next(rest)(spectrum), rest)
        return y if bias is None else next(rest)(y) + bias

    def _spectrum(self, v, rest):
        """`v C`, group by group."""
        block = self._block
        if self.stack.transform == "dct":
            return next(rest)(self._product(v, self._matrix(block)))
        rows, columns = grid_shape(block)
        v = next(rest)(self._product(v, self._matrix(columns)))
        return next(rest)(self._down(v, self._matrix(rows))) if rows > 1 else v

    def _signal(self, v, rest):
        """`v [R] C'`, group by group, the last product not rounded."""
        block = self._block
        if self.stack.order == "inner_riffle":
            v = ops.reshape(permute(ops.reshape(v, (-1, block)), riffle_order(block)), (-1, self.stack.size))
        if self.stack.transform == "dct":
            return self._product(v, self._matrix(block).T)
        rows, columns = grid_shape(block)
        v = next(rest)(self._down(v, self._matrix(rows).T)) if rows > 1 else v
        return self._product(v, self._matrix(columns).T)

    @property
    def _block(self):
        return self.stack.size // self.stack.groups

    def _matrix(self, size: int) -> np.ndarray:
        if not self.rounds_matrices:
            return dct_matrix(size)
        matrix = Cosine(size)
        return np.ldexp(matrix.integers(), matrix.exponent).astype("float32")

    def _product(self, v, matrix):
        """As many entries side by side as the matrix takes, times the matrix."""
        return ops.reshape(ops.matmul(ops.reshape(v, (-1, len(matrix))), matrix), (-1, self.stack.size))

    def _down(self, v, matrix):
        """The columns of each block as an image, times the matrix."""
        rows, columns = grid_shape(self._block)
        v = ops.swapaxes(ops.reshape(v, (-1, rows, columns)), 1, 2)
        v = ops.reshape(ops.matmul(ops.reshape(v, (-1, rows)), matrix), (-1, columns, rows))
        return ops.reshape(ops.swapaxes(v, 1, 2), (-1, self.stack.size))
