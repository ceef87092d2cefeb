"""Products with the matrices that tinyBIG calls Kronecker products and that are none.

tinyBIG flattens both factors before it multiplies them, so that its matrix is

    W = reshape(vec(A) vec(B)', (p s, q t))
    W[a s + u, c t + e] = A[a, f // s] B[f % s, e]     with f = u q + c, u < s, c < q

A (p, q), B (s, t). It equals `A kron B` only if s = 1 or q = 1. Where s divides q, every output is
linear in q / s sums that all outputs share. Source: tinyBIG 0.1.0 to 0.2.1, `hm`, `lphm` and
`dual_lphm` reconciliation.
"""

import numpy as np
from keras import ops

from keras_efficient.type_aliases import Tensor


def tinybig_product(x: Tensor, left: Tensor | None, right: Tensor, b: Tensor) -> Tensor:
    """`x W'` for the W above with `A = left right'`: x (batch, q t), left (p, rank), right (q, rank), b (s, t).

    Without `left`, `right` is A' itself.
    """
    q, (s, t) = right.shape[0], b.shape
    if q % s == 0:
        sums = ops.matmul(ops.reshape(x, (-1, s * t)), ops.reshape(b, (s * t, 1)))
        return spread_sums(ops.reshape(sums, (-1, q // s)), left, right, s)
    h = ops.matmul(ops.reshape(x, (-1, t)), ops.transpose(b))
    return spread_products(ops.reshape(h, (-1, q, s)), left, right)


def spread_sums(sums: Tensor, left: Tensor | None, right: Tensor, s: int) -> Tensor:
    """The outputs from the q / s sums `g_j = sum_b H[s j + b, b]`, `H = K B'`, where s divides q.

        y[a s + u] = sum_j A[a, u q / s + j] g_j

    sums (batch, q / s); left and right as in `tinybig_product`.
    """
    count, rank = sums.shape[1], right.shape[1]
    by_sum = ops.transpose(ops.reshape(right, (s, count, rank)), (1, 0, 2))
    return _outputs(ops.matmul(sums, ops.reshape(by_sum, (count, s * rank))), left, s, rank)


def spread_products(h: Tensor, left: Tensor | None, right: Tensor) -> Tensor:
    """The outputs from all products `H = K B'`, for any s and q.

        y[a s + u] = sum_c A[a, f // s] H[c, f % s]     with f = u q + c

    h (batch, q, s); left and right as in `tinybig_product`.
    """
    (_, q, s), rank = h.shape, right.shape[1]
    place = np.arange(s * q)
    chosen = ops.take(ops.reshape(h, (-1, q * s)), (place % q) * s + place % s, axis=1)  # (batch, s q)
    chosen = ops.transpose(ops.reshape(chosen, (-1, s, q)), (1, 0, 2))
    weights = ops.reshape(ops.repeat(right, s, axis=0), (s, q, rank))
    z = ops.transpose(ops.matmul(chosen, weights), (1, 0, 2))
    return _outputs(z, left, s, rank)


def tinybig_matrix(a: Tensor, b: Tensor) -> Tensor:
    """W itself, (p s, q t), for tests and export: a (p, q), b (s, t)."""
    (p, q), (s, t) = a.shape, b.shape
    return ops.reshape(ops.outer(ops.reshape(a, (-1,)), ops.reshape(b, (-1,))), (p * s, q * t))


def _outputs(z, left, s, rank):
    """Z, one row of `rank` numbers for each of the s places, times left': (batch, p s)."""
    z = ops.reshape(z, (-1, rank))
    y = z if left is None else ops.matmul(z, ops.transpose(left))
    p = y.shape[1]
    return ops.reshape(ops.transpose(ops.reshape(y, (-1, s, p)), (0, 2, 1)), (-1, p * s))
