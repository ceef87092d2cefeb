"""Circular correlation of short blocks, in one of two ways by their size."""

from keras import ops

from keras_efficient.type_aliases import Tensor

# Numbers in the Toeplitz matrix up to which one product with it takes the place of the transforms: a
# product costs less than the steps of a transform while its matrix is small. Chosen on two CPU cores.
LARGEST_TOEPLITZ = 2**16


def block_correlation(x: Tensor, filters: Tensor, method: str | None = None) -> Tensor:
    """Correlation with period 2 J of J blocks with filters of J + 1 taps, channels summed.

        y[n, j, o] = sum_(d, c) x[n, (j + d) mod 2 J, c] f[o, d, c],   j < 2 J,   x = 0 from J on

    Args:
        x: Tensor (batch, J, channels).
        filters: Tensor (outputs, J + 1, channels).
        method: `"toeplitz"`: one matrix product, the matrix has 2 J^2 channels outputs numbers.
            `"fft"`: real transforms of length 2 J. None chooses by the size of the matrix.

    Returns:
        Tensor (batch, 2 J, outputs).
    """
    (_, blocks, channels), outputs = x.shape, filters.shape[0]
    if method is None:
        method = "toeplitz" if 2 * blocks**2 * channels * outputs <= LARGEST_TOEPLITZ else "fft"
    return (_by_toeplitz if method == "toeplitz" else _by_fft)(x, filters)


def _by_toeplitz(x, filters):
    (_, blocks, channels), outputs = x.shape, filters.shape[0]
    backwards = ops.reshape(ops.flip(x, axis=1), (-1, blocks * channels))
    return ops.reshape(ops.matmul(backwards, _hankel(filters)), (-1, 2 * blocks, outputs))


def _hankel(filters):
    """The matrix (J channels, 2 J outputs) with f[o, (J - 1 - i - j) mod 2 J, c] at (i, c), (j, o).

    Repeating a row of 2 J numbers and cutting the result into rows of 2 J + 1 shifts each row by
    one: no index table, and a gradient without scattering.
    """
    taps, period = ops.transpose(filters, (1, 2, 0)), 2 * (filters.shape[1] - 1)
    blocks, (channels, outputs) = period // 2, taps.shape[1:]
    silence = ops.zeros((blocks - 1, channels, outputs), dtype=taps.dtype)
    row = ops.concatenate([ops.flip(taps[:blocks], axis=0), silence, taps[blocks:]], axis=0)
    rows = ops.tile(row, (blocks + 1, 1, 1))[: blocks * (period + 1)]
    matrix = ops.reshape(rows, (blocks, period + 1, channels, outputs))[:, :period]
    return ops.reshape(ops.transpose(matrix, (0, 2, 1, 3)), (blocks * channels, period * outputs))


def _by_fft(x, filters):
    period, outputs = 2 * x.shape[1], filters.shape[0]
    x_real, x_imaginary = ops.rfft(ops.transpose(x, (0, 2, 1)), period)
    f_real, f_imaginary = ops.rfft(ops.transpose(filters, (2, 0, 1)), period)
    # A product with the conjugate at each frequency, over the channels, as one real product.
    x_both = ops.transpose(ops.concatenate([x_real, x_imaginary], axis=1), (2, 0, 1))
    upper = ops.concatenate([f_real, -f_imaginary], axis=1)
    lower = ops.concatenate([f_imaginary, f_real], axis=1)
    f_both = ops.transpose(ops.concatenate([upper, lower], axis=0), (2, 0, 1))
    y_both = ops.transpose(ops.matmul(x_both, f_both), (1, 2, 0))
    y = ops.irfft((y_both[:, :outputs], y_both[:, outputs:]), period)
    return ops.transpose(y, (0, 2, 1))
