"""A stack of ACDC layers as a computation: no weights, only transforms, sizes and fixed permutations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from keras import ops

from keras_efficient.ops.dct import dct_matrix, fft_filter, fft_order, fft_signal, fft_spectrum
from keras_efficient.ops.permute import permute, random_order, riffle_order
from keras_efficient.ops.separable_dct import dct2d, dct2d_filter, idct2d
from keras_efficient.type_aliases import Tensor

TRANSFORMS = ("dct", "dct2d")
ALGORITHMS = ("auto", "fft", "matmul")
# Up to this size the transform is a product with its matrix, one step in place of several. Chosen, not tuned.
LARGEST_MATRIX = 64
PERMUTATIONS = (None, "riffle", "random")
BIASES = (None, "output", "spectrum")
ORDERS = ("paper", "inner_riffle")


@dataclass(frozen=True)
class MatrixTransform:
    """The cosine transform C of a block, on tensors (..., size), here as a product with its matrix.

    `order` are the indices in the order in which it likes its entries; `is_matrix` says that it costs as much as the
    product with any matrix.
    """

    size: int
    is_matrix = True

    @property
    def order(self) -> np.ndarray:
        return np.arange(self.size)

    def filter(self, x: Tensor, gains: Tensor) -> Tensor:
        """`x C diag(gains) C'`."""
        return self.signal(self.spectrum(x) * gains)

    def spectrum(self, x: Tensor) -> Tensor:
        """`x C`, in natural order."""
        return ops.matmul(x, dct_matrix(self.size))

    def signal(self, spectrum: Tensor, /) -> Tensor:
        """`spectrum C'`."""
        return ops.matmul(spectrum, dct_matrix(self.size).T)


class FourierTransform(MatrixTransform):
    """The same by a real FFT, on entries in FFT order."""

    is_matrix = False
    filter = staticmethod(fft_filter)
    spectrum = staticmethod(fft_spectrum)
    signal = staticmethod(fft_signal)

    @property
    def order(self) -> np.ndarray:
        return fft_order(self.size)


class SeparableTransform(MatrixTransform):
    """The separable transform, as two small matrix products."""

    is_matrix = False
    filter = staticmethod(dct2d_filter)
    spectrum = staticmethod(dct2d)
    signal = staticmethod(idct2d)


def _make_transform(transform: str, algorithm: str, size: int) -> MatrixTransform:
    """The transform of a block of `size` entries."""
    if transform == "dct2d":
        return SeparableTransform(size)
    by_matrix = algorithm == "matmul" or (algorithm == "auto" and size <= LARGEST_MATRIX)
    return MatrixTransform(size) if by_matrix else FourierTransform(size)


@dataclass(frozen=True)
class AcdcStack:
    """`depth` layers y = x diag(a) C diag(d) [R] C' + bias, each followed by its permutation.

    The transform may like its entries in another order than the natural one. They are brought
    into that order once, at the entry; between two layers the way out of it, the permutation and
    the way into it are one permutation. The elementwise work in between does not see the order.

    Attributes:
        size: Entries of every layer, a multiple of `groups`.
        depth: Number of layers.
        transform, algorithm, permutation, bias, order, groups: As in `ACDC`.
        seed: Of random permutations; layer k takes `random_order(size, seed, k)`.
    """

    size: int
    depth: int
    transform: str
    algorithm: str
    permutation: str | None
    bias: str | None
    order: str
    groups: int
    seed: int

    def __call__(
        self,
        x: Tensor,
        a: Tensor,
        d: Tensor,
        bias: Tensor | None = None,
        between: Callable[[int, Tensor], Tensor] | None = None,
        as_matrices: bool = False,
    ) -> Tensor:
        """Rows (n, size) through all layers.

        Args:
            x: Float32 tensor (n, size).
            a, d, bias: Tensors (depth, size) in natural order; bias may be None.
            between: Function (layer number, rows) -> rows, elementwise, after all layers but the
                last.
            as_matrices: Make the matrix of each layer first, and multiply by that. Cheaper for
                many rows when the transform itself is done by matrices.
        """
        a, constants = permute(a, self._inward), self._constants(bias)
        v = permute(x, self._inward)
        for layer in range(self.depth):
            v = self._layer(v, a[layer], d[layer], as_matrices)
            v = v if constants is None else v + constants[layer]
            if layer < self.depth - 1:
                v = permute(v, self._outward[self.permutation_of(layer)[self._inward]])
                v = v if between is None else between(layer, v)
        return permute(v, self._outward[self.permutation_of(self.depth - 1)])

    @cached_property
    def block(self) -> MatrixTransform:
        """The transform of one group."""
        return _make_transform(self.transform, self.algorithm, self.size // self.groups)

    @cached_property
    def _inward(self):
        starts = np.arange(0, self.size, self.block.size)[:, None]
        return (starts + self.block.order).ravel()

    @cached_property
    def _outward(self):
        return np.argsort(self._inward)

    def permutation_of(self, layer: int) -> np.ndarray:
        """The order of the entries after a layer."""
        if self.permutation is None:
            return np.arange(self.size)
        if self.permutation == "riffle":
            return riffle_order(self.size)
        return random_order(self.size, self.seed, layer)

    def _layer(self, v, a, d, as_matrix):
        if as_matrix:
            return ops.matmul(v, self._filter(ops.diag(a), d))
        return self._filter(v * a, d)

    def _filter(self, v, d):
        """`v C diag(d) [R] C'`, group by group."""
        v, d = self._split(v), self._split(d)
        if self.order == "paper":
            v = self.block.filter(v, d)
        else:
            v = self.block.signal(permute(self.block.spectrum(v) * d, riffle_order(self.block.size)))
        return self._join(v)

    def _constants(self, bias):
        """What each layer adds to its rows, (depth, size), in the order of the transform."""
        if bias is None or self.bias == "output":
            return None if bias is None else permute(bias, self._inward)
        bias = self._split(bias)
        if self.order == "inner_riffle":
            bias = permute(bias, riffle_order(self.block.size))
        return self._join(self.block.signal(bias))

    def _split(self, v):
        return v if self.groups == 1 else ops.reshape(v, (*_lead(v), self.groups, self.block.size))

    def _join(self, v):
        return v if self.groups == 1 else ops.reshape(v, (*_lead(v)[:-1], self.size))


def _lead(v: Tensor) -> Sequence[int]:
    """All sizes but the last; one that is not known is -1."""
    return tuple(-1 if size is None else size for size in v.shape[:-1])
