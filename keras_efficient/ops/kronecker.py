"""Products with matrices made of small factors; the matrix itself is never built.

In all of them x has one sample per row, `(batch, inputs)`, W is (outputs, inputs), and the result
`x W'` is (batch, outputs). The inputs are read as K = reshape(x, (q, t)), row by row; then
`(A kron B) x = vec(A K B')`, and the order of the two products is a matter of cost alone.
"""

from collections.abc import Callable
from typing import TypeAlias

from keras import ops

from keras_efficient.kinds.factors import FactorSizes, is_dual_cheaper, is_low_rank_cheaper, is_second_first
from keras_efficient.type_aliases import Tensor

Between: TypeAlias = Callable[[int, Tensor], Tensor] | None


def kronecker_sum(x: Tensor, a: Tensor, b: Tensor, between: Between = None) -> Tensor:
    """`x W'` with `W = sum_i A_i kron B_i`: x (batch, q t), a (terms, p, q), b (terms, s, t).

    between: Function (number of a product from 0, its sums) -> what the next product takes, elementwise, or None.

    Multiply-adds per sample: terms s q (t + p) or terms p t (q + s), whichever is less.
    """
    (terms, p, q), (_, s, t) = a.shape, b.shape
    if is_second_first(FactorSizes(p, q, s, t)):
        u = _columns(x, ops.reshape(ops.transpose(b, (2, 0, 1)), (t, terms * s)))
        u = _swap(passed(between, 0, u), q, terms, s)  # (batch s, q terms)
        return ops.reshape(_transposed(ops.matmul(u, _stacked(a)), s, p), (-1, p * s))  # from (batch s, p)
    v = _columns(_transposed(x, q, t), ops.reshape(ops.transpose(a, (2, 0, 1)), (q, terms * p)))
    v = _swap(passed(between, 0, v), t, terms, p)  # (batch p, t terms)
    return ops.reshape(ops.matmul(v, _stacked(b)), (-1, p * s))


def kronecker_low_rank(x: Tensor, a: Tensor, s: Tensor, t: Tensor, between: Between = None) -> Tensor:
    """`x W'` with `W = A kron (S T')`: x (batch, q t), a (p, q), s (s, rank), t (t, rank).

    Multiply-adds per sample: rank (q t + p q + p s), or those of `kronecker_sum` where the rank is too large to save
    anything; with `between`, as of `kronecker_sum`, there are always the three products.
    """
    (p, q), (rows, rank), columns = a.shape, s.shape, t.shape[0]
    if between is None and not is_low_rank_cheaper(FactorSizes(p, q, rows, columns), rank):
        return kronecker_sum(x, a[None], ops.matmul(s, ops.transpose(t))[None])
    u = _transposed(passed(between, 0, _columns(x, t)), q, rank)  # (batch, rank q)
    v = passed(between, 1, ops.matmul(ops.reshape(u, (-1, q)), ops.transpose(a)))
    return _expand(_transposed(v, rank, p), s, p)


def kronecker_dual_low_rank(x: Tensor, p: Tensor, q: Tensor, s: Tensor, t: Tensor, between: Between = None) -> Tensor:
    """`x W'` with `W = (P Q') kron (S T')`: x (batch, q t), p (p, rank), q (q, rank), s (s, rank), t (t, rank).

    Multiply-adds per sample: rank (q t + rank (q + p) + p s); only rank x rank numbers per sample pass between the two
    halves. Where P Q' has fewer numbers than P and Q it is multiplied out first; with `between`, as of
    `kronecker_sum`, there are always the four products.
    """
    (rows, rank), columns = p.shape, q.shape[0]
    if between is None and not is_dual_cheaper(FactorSizes(rows, columns, s.shape[0], t.shape[0]), rank):
        return kronecker_low_rank(x, ops.matmul(p, ops.transpose(q)), s, t)
    u = _transposed(passed(between, 0, _columns(x, t)), columns, rank)  # (batch, rank q)
    z = passed(between, 1, ops.matmul(ops.reshape(u, (-1, columns)), q))
    v = passed(between, 2, ops.matmul(z, ops.transpose(p)))
    return _expand(_transposed(v, rank, rows), s, rows)


def low_rank(x: Tensor, a: Tensor, b: Tensor, between: Between = None) -> Tensor:
    """`x W'` with `W = A B'`: x (batch, inputs), a (outputs, rank), b (inputs, rank), `between` as of `kronecker_sum`.

    Multiply-adds per sample: rank (inputs + outputs).
    """
    return ops.matmul(passed(between, 0, ops.matmul(x, b)), ops.transpose(a))


def kronecker_matrix(a: Tensor, b: Tensor) -> Tensor:
    """`sum_i A_i kron B_i` itself, (p s, q t), for tests and export: a (terms, p, q), b (terms, s, t)."""
    (_, p, q), (_, s, t) = a.shape, b.shape
    return ops.reshape(ops.einsum("ipq,ist->psqt", a, b), (p * s, q * t))


def passed(between: Between, number: int, sums: Tensor) -> Tensor:
    """The sums of product `number` as the next one takes them."""
    return sums if between is None else between(number, sums)


def _columns(x, matrix):
    """K times a matrix (t, n), for all rows of all K at once."""
    return ops.matmul(ops.reshape(x, (-1, matrix.shape[0])), matrix)


def _transposed(x, rows, columns):
    """Each sample, read as (rows, columns), transposed."""
    return ops.transpose(ops.reshape(x, (-1, rows, columns)), (0, 2, 1))


def _swap(u, outer, terms, inner):
    """(batch outer, terms inner) as (batch inner, outer terms)."""
    return ops.reshape(_transposed(u, outer * terms, inner), (-1, outer * terms))


def _stacked(factors):
    """Factors (terms, rows, columns) as (columns terms, rows)."""
    terms, rows, columns = factors.shape
    return ops.reshape(ops.transpose(factors, (2, 0, 1)), (columns * terms, rows))


def _expand(v, s, outer):
    """V (batch, outer, rank) times S': (batch, outer s)."""
    rows, rank = s.shape
    return ops.reshape(ops.matmul(ops.reshape(v, (-1, rank)), ops.transpose(s)), (-1, outer * rows))


def kronecker_conv(
    x: Tensor,
    a: Tensor,
    b: Tensor,
    strides: tuple[int, int] = (1, 1),
    padding: str = "valid",
    dilation_rate: tuple[int, int] = (1, 1),
    between: Between = None,
) -> Tensor:
    """2-D convolution, channels last, with the kernel `sum_i A_i kron B_i[r, c]` at each tap (r, c).

    x (batch, rows, columns, q t), a (terms, p, q), b (terms, s, t, kernel rows, kernel columns); strides, padding and
    dilation_rate as in `keras.ops.conv`, `between` as of `kronecker_sum`.

    The q groups of t channels pass through the same small convolution and are then mixed, or are
    mixed first, into p groups; with k taps and the same size on both sides that is
    terms s q (k t + p) or terms p t (q + k s) multiply-adds per pixel, whichever is less. A plain
    convolution takes k p q s t.
    """
    (terms, p, q), (_, s, t, *taps) = a.shape, b.shape
    window = {"strides": strides, "padding": padding, "dilation_rate": dilation_rate}
    settings = {**window, "data_format": "channels_last"}
    if is_second_first(FactorSizes(p, q, s, t), taps[0] * taps[1]):
        kernel = ops.reshape(ops.transpose(b, (3, 4, 2, 0, 1)), (*taps, t, terms * s))
        u = passed(between, 0, ops.conv(_groups_to_batch(x, q, t), kernel, **settings))
        return _mixed(u, ops.reshape(ops.transpose(a, (2, 0, 1)), (q * terms, p)), q, terms, s)
    mixing = ops.reshape(ops.transpose(a, (2, 1, 0)), (q, p * terms))
    # On PyTorch, Keras's product of float64 is float32, and its convolution takes one dtype only.
    mixed = passed(between, 0, ops.cast(_mix_groups(x, mixing, q, p, terms, t), b.dtype))
    kernel = ops.reshape(ops.transpose(b, (3, 4, 0, 2, 1)), (*taps, terms * t, s))
    return _batch_to_groups(ops.conv(mixed, kernel, **settings), p)


def _mixed(u, mixing, q, terms, s):
    """(batch q, rows, columns, terms s) times (q terms, p): (batch, rows, columns, p s)."""
    rows, columns = ops.shape(u)[1:3]
    u = ops.reshape(u, (-1, q, rows, columns, terms, s))
    u = ops.transpose(u, (0, 2, 3, 5, 1, 4))  # batch, rows, columns, s, q, terms
    p = mixing.shape[1]
    y = ops.matmul(ops.reshape(u, (-1, mixing.shape[0])), mixing)
    y = ops.transpose(ops.reshape(y, (-1, s, p)), (0, 2, 1))
    return ops.reshape(y, (-1, rows, columns, p * s))


def _mix_groups(x, mixing, q, p, terms, t):
    """(batch, rows, columns, q t) times (q, p terms): (batch p, rows, columns, terms t)."""
    rows, columns = ops.shape(x)[1:3]
    v = ops.transpose(ops.reshape(x, (-1, q, t)), (0, 2, 1))
    v = ops.matmul(ops.reshape(v, (-1, q)), mixing)
    v = ops.transpose(ops.reshape(v, (-1, rows, columns, t, p, terms)), (0, 4, 1, 2, 5, 3))
    return ops.reshape(v, (-1, rows, columns, terms * t))


def _groups_to_batch(x, groups, channels):
    rows, columns = ops.shape(x)[1:3]
    x = ops.transpose(ops.reshape(x, (-1, rows, columns, groups, channels)), (0, 3, 1, 2, 4))
    return ops.reshape(x, (-1, rows, columns, channels))


def _batch_to_groups(y, groups):
    (rows, columns), channels = ops.shape(y)[1:3], y.shape[-1]
    y = ops.transpose(ops.reshape(y, (-1, groups, rows, columns, channels)), (0, 2, 3, 1, 4))
    return ops.reshape(y, (-1, rows, columns, groups * channels))
