"""Products with matrices made of small factors; the matrix itself is never built.

In all of them x has one sample a row, `(batch, inputs)`, W is (outputs, inputs), and the result
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
    """`x W'` with `W = sum_i A_i kron B_i`.

    Args:
        x: Tensor (batch, q t).
        a: Tensor (terms, p, q).
        b: Tensor (terms, s, t).
        between: Function (number of a product from 0, its sums) -> what the next product takes, elementwise, or None.

    Returns:
        Tensor (batch, p s).

    Multiply-adds a sample: terms s q (t + p) or terms p t (q + s), whichever is less.
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
    """`x W'` with `W = A kron (S T')`.

    Args:
        x: Tensor (batch, q t).
        a: Tensor (p, q).
        s: Tensor (s, rank).
        t: Tensor (t, rank).
        between: As of `kronecker_sum`; with it there are always the three products.

    Returns:
        Tensor (batch, p s).

    Multiply-adds a sample: rank (q t + p q + p s), or those of `kronecker_sum` where the rank is
    too large to save anything.
    """
    (p, q), (rows, rank), columns = a.shape, s.shape, t.shape[0]
    if between is None and not is_low_rank_cheaper(FactorSizes(p, q, rows, columns), rank):
        return kronecker_sum(x, a[None], ops.matmul(s, ops.transpose(t))[None])
    u = _transposed(passed(between, 0, _columns(x, t)), q, rank)  # (batch, rank q)
    v = passed(between, 1, ops.matmul(ops.reshape(u, (-1, q)), ops.transpose(a)))
    return _expand(_transposed(v, rank, p), s, p)


def kronecker_dual_low_rank(x: Tensor, p: Tensor, q: Tensor, s: Tensor, t: Tensor, between: Between = None) -> Tensor:
    """`x W'` with `W = (P Q') kron (S T')`.

    Args:
        x: Tensor (batch, q t).
        p, q, s, t: Tensors (p, rank), (q, rank), (s, rank), (t, rank).
        between: As of `kronecker_sum`; with it there are always the four products.

    Returns:
        Tensor (batch, p s).

    Multiply-adds a sample: rank (q t + rank (q + p) + p s); only rank x rank numbers a sample pass
    between the two halves. Where P Q' has fewer numbers than P and Q it is multiplied out first.
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

    Multiply-adds a sample: rank (inputs + outputs).
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
