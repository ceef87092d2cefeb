"""The cosine transforms of a block: ways to compute them behind one interface.

Each has a size, the `order` in which it likes the entries of its input and output (indices), and

    filter(x, gains)     x C diag(gains) C'
    spectrum(x)          x C, in natural order
    signal(spectrum)     spectrum C'

on tensors (..., size) whose entries are in that order. `is_matrix` says that a transform costs as
much as the product with any matrix.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from keras import ops

from keras_efficient.ops.dct import dct_matrix, fft_filter, fft_order, fft_signal, fft_spectrum
from keras_efficient.ops.separable_dct import dct2d, dct2d_filter, idct2d
from keras_efficient.type_aliases import Tensor

TRANSFORMS = ("dct", "dct2d")
ALGORITHMS = ("auto", "fft", "matmul")
# Up to this size the transform is a product with its matrix, one step in place of several. Chosen, not tuned.
LARGEST_MATRIX = 64


@dataclass(frozen=True)
class FourierTransform:
    """The DCT by a real FFT, on entries in FFT order."""

    size: int
    is_matrix = False
    filter = staticmethod(fft_filter)
    spectrum = staticmethod(fft_spectrum)
    signal = staticmethod(fft_signal)

    @property
    def order(self) -> np.ndarray:
        return fft_order(self.size)


@dataclass(frozen=True)
class MatrixTransform:
    """The DCT as a product with its matrix."""

    size: int
    is_matrix = True

    @property
    def order(self) -> np.ndarray:
        return np.arange(self.size)

    def filter(self, x: Tensor, gains: Tensor) -> Tensor:
        return self.signal(self.spectrum(x) * gains)

    def spectrum(self, x: Tensor) -> Tensor:
        return ops.matmul(x, dct_matrix(self.size))

    def signal(self, spectrum: Tensor) -> Tensor:
        return ops.matmul(spectrum, dct_matrix(self.size).T)


@dataclass(frozen=True)
class SeparableTransform:
    """The separable transform, as two small matrix products."""

    size: int
    is_matrix = False
    filter = staticmethod(dct2d_filter)
    spectrum = staticmethod(dct2d)
    signal = staticmethod(idct2d)

    @property
    def order(self) -> np.ndarray:
        return np.arange(self.size)


Transform: TypeAlias = FourierTransform | MatrixTransform | SeparableTransform


def make_transform(transform: str, algorithm: str, size: int) -> Transform:
    """The transform of a block of `size` entries."""
    if transform == "dct2d":
        return SeparableTransform(size)
    by_matrix = algorithm == "matmul" or (algorithm == "auto" and size <= LARGEST_MATRIX)
    return MatrixTransform(size) if by_matrix else FourierTransform(size)
