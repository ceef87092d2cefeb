"""Complex arithmetic on pairs (real part, imaginary part) of tensors, and the unitary Fourier pair."""

import math
from collections.abc import Callable

from keras import ops

from keras_efficient.type_aliases import Tensor


def multiply(
    x: tuple[Tensor, Tensor], y: tuple[Tensor, Tensor], product: Callable[[Tensor, Tensor], Tensor] = ops.multiply
) -> tuple[Tensor, Tensor]:
    """The product of two pairs, made of a bilinear `product` of real tensors."""
    return product(x[0], y[0]) - product(x[1], y[1]), product(x[0], y[1]) + product(x[1], y[0])


def fourier(x: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The discrete Fourier transform of a pair along the last axis, divided by sqrt(N)."""
    root = math.sqrt(x[0].shape[-1])
    real, imaginary = ops.fft(x)
    return real / root, imaginary / root


def inverse_fourier_real(x: tuple[Tensor, Tensor]) -> Tensor:
    """The real part of the inverse of `fourier`: that of the transform of the conjugate."""
    return fourier((x[0], -x[1]))[0]
