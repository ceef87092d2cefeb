"""The strided sketch: a random basis of few directions in a large space.

A basis is a matrix P (n, d) that is never built: `strided_project` gives P' x, `strided_expand` gives P c.
`seed` and `salt` may be tensors, such as a step number.
"""

import math

import keras
import numpy as np
from keras import ops

from keras_efficient.checks import integer
from keras_efficient.ops.hashing import hashed_signs
from keras_efficient.type_aliases import Tensor


def strided_project(
    x: Tensor, dimensions: int, seed: int | Tensor = 0, salt: int | Tensor = 0, sizes: np.ndarray | None = None
) -> Tensor:
    """Coordinates of `x` in the strided sketch: `c_b = sum_{i mod d = b} s_i x_i / sqrt(n_b)`.

    s are the signs `hashed_signs(seed, salt)` and n_b is the size of bucket b, so the d directions
    are exactly orthonormal. O(n) work, no n x d array.

    Args:
        x: Tensor (n,); the result has its dtype.
        dimensions: d, at most n.
        seed, salt: Of the signs.
        sizes: Numpy array (d,) of the bucket sizes, where some entries of `x` are gaps (always 0).
    """
    dimensions = integer(dimensions, "dimensions", 1)
    rows = -(-x.shape[0] // dimensions)
    gap = rows * dimensions - x.shape[0]
    x = ops.pad(x, ((0, gap),)) if gap else x
    signs = _sign_rows(rows, dimensions, seed, salt, x.dtype)
    scales = _scales(x.shape[0] - gap, dimensions, sizes, x.dtype)
    return _sum_rows(signs * ops.reshape(x, (rows, dimensions))) * scales


def strided_expand(
    coordinates: Tensor, n: int, seed: int | Tensor = 0, salt: int | Tensor = 0, sizes: np.ndarray | None = None
) -> Tensor:
    """The vector with these coordinates: `u_i = s_i c_{i mod d} / sqrt(n_{i mod d})`, a tensor (n,).

    Arguments as in `strided_project`; entries in gaps mean nothing.
    """
    n, dimensions = integer(n, "n", 1), coordinates.shape[0]
    rows = -(-n // dimensions)
    scaled = coordinates * _scales(n, dimensions, sizes, coordinates.dtype)
    matrix = _sign_rows(rows, dimensions, seed, salt, coordinates.dtype) * _repeat_rows(scaled, rows)
    return ops.reshape(_finished(matrix), (-1,))[:n]


def coprime_width(width: int, dimensions: int) -> int:
    """The smallest row length from `width` on that shares no factor with `dimensions`.

    Rows of a kernel padded to it put the weights of each output into all buckets in turn. Without, a
    bucket can hold the weights of few outputs only, and a fixed basis loses up to 20 points of accuracy.
    """
    while math.gcd(width, dimensions) > 1:
        width += 1
    return width


def bucket_sizes(positions: np.ndarray, dimensions: int) -> np.ndarray:
    """How many of the positions fall into each bucket, a position being in bucket `position mod d`."""
    return np.bincount(positions % dimensions, minlength=dimensions)


def _sign_rows(rows, dimensions, seed, salt, dtype):
    return ops.reshape(hashed_signs(seed, salt, rows * dimensions, dtype), (rows, dimensions))


def _scales(n, dimensions, sizes, dtype):
    sizes = bucket_sizes(np.arange(n), dimensions) if sizes is None else sizes
    return ops.cast((1 / np.sqrt(np.maximum(sizes, 1))).astype("float32"), dtype)


def _sum_rows(x):
    """The sum over the rows of a matrix.

    XLA for the CPU merges a product and the sum after it into one kernel, which is many times slower
    than both apart. It leaves matrix products alone, so on JAX the sum is one; on TensorFlow, where a
    product with one row is slow, the merged kernel takes four rows at a time.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        ones = jax.numpy.ones((1, x.shape[0]), x.dtype)
        return jax.numpy.matmul(ones, x, precision=jax.lax.Precision.HIGHEST)[0]
    quarter = x.shape[0] // 4
    if backend == "torch" or quarter == 0:
        return ops.sum(x, axis=0)
    first, second, third, fourth = (x[k * quarter : (k + 1) * quarter] for k in range(4))
    return ops.sum(first + second + third + fourth, axis=0) + ops.sum(x[4 * quarter :], axis=0)


def _repeat_rows(x, rows):
    """`x` in each of `rows` rows; on JAX as a product, so that its gradient is one, too (see `_sum_rows`)."""
    if keras.backend.backend() != "jax":
        return ops.expand_dims(x, 0)
    import jax

    ones = jax.numpy.ones((rows, 1), x.dtype)
    return jax.numpy.matmul(ones, x[None], precision=jax.lax.Precision.HIGHEST)


def _finished(matrix):
    """`matrix`, with a row of zeros after it: as a part of a larger one, it is computed before it is read.

    XLA would otherwise merge it into what reads it as a vector, and find row and column of every entry by a
    division in 64 bits, which takes longer than all the rest. Of the two ways to write it, JAX is fast with one,
    and TensorFlow has a gradient for the other. On torch the matrix as it is.
    """
    shape = matrix.shape
    if keras.backend.backend() == "jax":
        return ops.slice_update(ops.zeros((shape[0] + 1, shape[1]), matrix.dtype), (0, 0), matrix)
    if keras.backend.backend() == "tensorflow":
        return ops.concatenate([matrix, ops.zeros((1, shape[1]), matrix.dtype)])
    return matrix
