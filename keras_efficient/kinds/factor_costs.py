"""Products (multiply-adds) a sample of the layers with Kronecker factors, in their cheapest order.

The functions in `ops` choose the order here, and the byte calculator counts it.
"""

from __future__ import annotations

from keras_efficient.kinds.factors import FactorSizes


def is_second_first(sizes: FactorSizes, taps: int = 1) -> bool:
    """Whether A K B' costs least as A (K B'). `taps`: of a convolution with B."""
    p, q, s, t = sizes
    return s * q * (taps * t + p) <= p * t * (q + taps * s)


def sum_products(sizes: FactorSizes, terms: int = 1, taps: int = 1) -> int:
    """Products with a sum of Kronecker products."""
    p, q, s, t = sizes
    return terms * (s * q * (taps * t + p) if is_second_first(sizes, taps) else p * t * (q + taps * s))


def low_rank_products(sizes: FactorSizes, rank: int) -> int:
    """Products with A kron (S T') through the rank."""
    p, q, s, t = sizes
    return rank * (q * t + p * q + p * s)


def is_low_rank_cheaper(sizes: FactorSizes, rank: int) -> bool:
    """Whether going through the rank of S T' takes no more products than multiplying it out."""
    return low_rank_products(sizes, rank) <= sum_products(sizes)


def dual_products(sizes: FactorSizes, rank: int) -> int:
    """Products with (P Q') kron (S T') through both ranks."""
    p, q, s, t = sizes
    return rank * (q * t + rank * (q + p) + p * s)


def is_dual_cheaper(sizes: FactorSizes, rank: int) -> bool:
    """Whether P and Q hold fewer numbers than P Q'."""
    p, q, _, _ = sizes
    return rank * (p + q) < p * q
