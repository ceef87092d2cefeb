"""Cosine transforms: their matrices, also in integers of 8 bits, and the images that "dct2d" reads vectors as."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from keras_efficient.kinds.factors import default_divisor

MATRIX_BITS = 8
LARGEST_CODE = 2 ** (MATRIX_BITS - 1) - 1
# Up to this size the plain transform is a product with its matrix in integers.
LARGEST_MATRIX = 64


class Cosine(NamedTuple):
    """The orthonormal DCT-II of `size` entries as a matrix C, x C; `inverse`: C' instead.

    riffled: C' takes its entries even ones first, then the odd ones: R C'. permuted: its results come in the order of
    the layer's permutation, which a stage names by its row.
    """

    size: int
    inverse: bool = False
    riffled: bool = False
    permuted: bool = False

    def integers(self, order: np.ndarray | None = None) -> np.ndarray:
        """(size, size) integers; value = integer 2^exponent. `order`: of the results."""
        matrix, _ = cosine_codes(self.size)
        matrix = matrix.T if self.inverse else matrix
        matrix = matrix[np.argsort(riffled(self.size))] if self.riffled else matrix
        return matrix if order is None else matrix[:, order]

    @property
    def exponent(self) -> int:
        return cosine_codes(self.size)[1]


def cosine_matrix(size: int) -> np.ndarray:
    """C, float64: C[n, k] = c_k cos(pi (2 n + 1) k / (2 N)), c_0 = sqrt(1 / N), else sqrt(2 / N)."""
    n, k = np.arange(size)[:, None], np.arange(size)
    scale = np.where(k == 0, math.sqrt(1 / size), math.sqrt(2 / size))
    return scale * np.cos(np.pi * (2 * n + 1) * k / (2 * size))


@lru_cache(maxsize=32)
def cosine_codes(size: int) -> tuple[np.ndarray, int]:
    """(integers, exponent) of C, rounded half to even in the finest power of two with which no integer is above 127."""
    matrix = cosine_matrix(size)
    exponent = math.frexp(np.abs(matrix).max() / (LARGEST_CODE + 0.5))[1]
    return np.rint(np.ldexp(matrix, -exponent)).astype(np.int64), exponent


def riffled(size: int) -> np.ndarray:
    """0, 2, 4 ... 1, 3, 5."""
    return np.concatenate([np.arange(0, size, 2), np.arange(1, size, 2)])


def grid_shape(size: int) -> tuple[int, int]:
    """(rows, columns) with rows x columns = size, rows <= columns, as square as possible.

    A prime size gives one row: its transform is the plain cosine transform as a matrix.
    """
    rows = default_divisor(size)
    return rows, size // rows
