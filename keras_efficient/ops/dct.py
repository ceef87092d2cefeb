"""The discrete cosine transform, by one real FFT.

The FFT works on the entries in another order ("FFT order"): the even ones first, then the odd ones
backwards (Makhoul, "A fast cosine transform in one and two dimensions", IEEE ASSP 1980). The
functions named `fft_*` take and give that order, so that a caller who transforms forth and back
reorders once or never.
"""

from functools import lru_cache

import numpy as np
from keras import KerasTensor, ops

from keras_efficient.checks import integer
from keras_efficient.kinds.cosine import cosine_matrix
from keras_efficient.ops.permute import permute
from keras_efficient.type_aliases import Tensor

_FLOATS = ("float32", "float64")


def dct(x: Tensor) -> Tensor:
    """Orthonormal discrete cosine transform (DCT-II) along the last axis.

        y_k = s_k sum_n x_n cos(pi (2 n + 1) k / (2 N)),   s_0 = sqrt(1 / N), s_k = sqrt(2 / N)

    Args:
        x: Tensor (..., N) of real numbers; N is any size that is known. Half precision and
            integers are transformed in float32.

    Returns:
        Tensor (..., N) of the dtype of `x` (integers: float32). Its norm is that of `x`.

    Raises:
        ValueError: If the size of the last axis is not known, or 0.
    """
    return _in_float(lambda v: fft_spectrum(permute(v, fft_order(v.shape[-1]))), x)


def idct(x: Tensor) -> Tensor:
    """The inverse of `dct` (an orthonormal DCT-III) along the last axis.

        y_n = sum_k s_k x_k cos(pi (2 n + 1) k / (2 N))      with s_k as in `dct`

    Tensors, dtypes and errors are those of `dct`.
    """
    return _in_float(lambda v: permute(fft_signal(v), np.argsort(fft_order(v.shape[-1]))), x)


def dct_matrix(size: int) -> np.ndarray:
    """The matrix C (size, size), float32, with `dct(x) = x C` and `idct(x) = x C'`."""
    return _matrix(integer(size, "size", 1))


@lru_cache(maxsize=32)
def _matrix(size):
    return cosine_matrix(size).astype("float32")


def fft_order(size: int) -> np.ndarray:
    """Where the entries of the FFT order stand in the natural order: 0, 2, 4 ... 5, 3, 1."""
    return np.concatenate([np.arange(0, size, 2), np.arange(1, size, 2)[::-1]])


def fft_spectrum(x: Tensor) -> Tensor:
    """`dct` of entries in FFT order; the spectrum is in natural order."""
    size = x.shape[-1]
    bins = size // 2 + 1
    real, imaginary = ops.rfft(x)
    cosine, sine = _twiddles(size, 1 / 2, x)
    low = real * cosine + imaginary * sine
    high = real * sine - imaginary * cosine
    # Bin k holds two entries of the spectrum: k and, mirrored, size - k.
    spectrum = ops.concatenate([low, ops.flip(high[..., 1 : size - bins + 1], axis=-1)], axis=-1)
    return spectrum * _constant(_scale(size), x)


def fft_signal(spectrum: Tensor) -> Tensor:
    """`idct` of a spectrum in natural order; the entries are in FFT order."""
    size = spectrum.shape[-1]
    low, high = _halves(spectrum * _constant(1 / _scale(size), spectrum))
    high = high * _constant(np.arange(size // 2 + 1) > 0, spectrum)  # bin 0 has no partner
    cosine, sine = _twiddles(size, 1 / 2, spectrum)
    return ops.irfft((low * cosine + high * sine, low * sine - high * cosine), fft_length=size)


def fft_filter(x: Tensor, gains: Tensor) -> Tensor:
    """`x C diag(gains) C'` for entries in FFT order: forth, one gain per entry, and back.

    With V the real FFT of `x`, g_k and h_k = g_(N-k) the two gains of bin k, and conj the complex
    conjugate, it is the inverse FFT of

        (g + h) / 2 V + (g - h) / 2 exp(i pi k / N) conj(V)

    so that neither twiddles nor the order of the spectrum cost a pass over memory.

    Args:
        x: Tensor (..., N), float32 or float64, in FFT order.
        gains: Tensor (..., N) that broadcasts against it, in natural order.
    """
    size = x.shape[-1]
    real, imaginary = ops.rfft(x)
    low, high = _halves(gains)
    mean, cross = (low + high) * 0.5, (low - high) * 0.5
    cosine, sine = (cross * twiddle for twiddle in _twiddles(size, 1, x))
    filtered = ((mean + cosine) * real + sine * imaginary, (mean - cosine) * imaginary + sine * real)
    return ops.irfft(filtered, fft_length=size)


def _halves(spectrum):
    """Entries k and N - k of a spectrum, for each bin k of a real FFT (bin 0: entry 0 twice)."""
    size = spectrum.shape[-1]
    bins = size // 2 + 1
    mirrored = ops.flip(spectrum[..., size - bins + 1 :], axis=-1)
    return spectrum[..., :bins], ops.concatenate([spectrum[..., :1], mirrored], axis=-1)


def _scale(size):
    scale = np.full(size, np.sqrt(2 / size))
    scale[0] = np.sqrt(1 / size)
    return scale


def _twiddles(size, turns, like):
    """cos and sin of pi k turns / N for every bin k."""
    angle = np.pi * turns * np.arange(size // 2 + 1) / size
    return _constant(np.cos(angle), like), _constant(np.sin(angle), like)


def _constant(values, like):
    return ops.convert_to_tensor(values.astype(ops.dtype(like)))


def _in_float(function, x):
    x = x if isinstance(x, KerasTensor) else ops.convert_to_tensor(x)
    if not len(x.shape) or x.shape[-1] is None or x.shape[-1] < 1:
        raise ValueError(f"`x` must have a last axis of a known size. Received: shape {tuple(x.shape)}")
    dtype = ops.dtype(x)
    y = function(x if dtype in _FLOATS else ops.cast(x, "float32"))
    return ops.cast(y, dtype) if "float" in dtype else y
