"""Sizes of Kronecker factors: which divide, which are the defaults, what a Taylor expansion needs; and the
multiply-adds per sample of products with them in their cheapest order, which `ops` takes, too.

The layers and the byte calculator both ask here, so they cannot disagree.
"""

import math
from typing import Any, NamedTuple

from keras_efficient.checks import one_of
from keras_efficient.kinds.fields import check_size

LAYOUTS = ("kronecker", "tinybig")
ORDERS = (1, 2, 3)
# A third-order expansion stores a row of Q for each pair of inputs. tinyBIG warns from here on.
MOST_THIRD_ORDER_FEATURES = 10**7


class FactorSizes(NamedTuple):
    """A is (p, q) and B is (s, t): a map of q t inputs to p s outputs."""

    p: int
    q: int
    s: int
    t: int


def factor_sizes(units: int, inputs: int, p: int | None = None, q: int | None = None) -> FactorSizes:
    """The sizes of A (p, q) and B (s, t) with p s = units and q t = inputs.

    p and q default to `default_divisor`. Raises ValueError for one that does not divide.
    """
    p = default_divisor(units) if p is None else check_divisor(p, "p", units, "the outputs")
    q = default_divisor(inputs) if q is None else check_divisor(q, "q", inputs, "the inputs")
    return FactorSizes(p, q, units // p, inputs // q)


class BlockSizes(NamedTuple):
    """`blocks` matrices (inputs, inner), then as many (inner, outputs)."""

    blocks: int
    inputs: int
    inner: int
    outputs: int

    @property
    def stored(self) -> int:
        """Numbers in all matrices."""
        return self.blocks * self.inner * (self.inputs + self.outputs)

    def passed_on(self, first: int, second: int) -> range:
        """The columns of matrix `first` of the first product whose sums matrix `second` of the other takes.

        The sum of column i of matrix g lies at place i blocks + g; matrix k takes places k inner to (k + 1) inner - 1.
        """
        start, end = (math.ceil((matrix * self.inner - first) / self.blocks) for matrix in (second, second + 1))
        return range(start, end)

    @property
    def minimal(self) -> int:
        """The fewest numbers for the same kernels: block (g, k) of a kernel has the rank of what g passes on to k."""
        ranks = [len(self.passed_on(g, k)) for g in range(self.blocks) for k in range(self.blocks)]
        return sum(min(rank * (self.inputs + self.outputs), self.inputs * self.outputs) for rank in ranks)


def monarch_sizes(units: int, inputs: int, blocks: int | None = None) -> BlockSizes:
    """The sizes of the two block-diagonal matrices of a Monarch matrix, with min(inputs, units) sums between them.

    `blocks` defaults to the largest common divisor of inputs and units up to the square root of these
    sums: up to there each output depends on each input. Raises ValueError for one that does not divide.
    """
    common, between = math.gcd(units, inputs), min(units, inputs)
    if blocks is None:
        blocks = _largest_divisor(common, math.isqrt(between))
    blocks = check_divisor(
        blocks, "blocks", common, f"the largest common divisor of {inputs} inputs and {units} outputs"
    )
    return BlockSizes(blocks, inputs // blocks, between // blocks, units // blocks)


def taylor_sizes(
    units: int, inputs: int, p: int | None = None, q: int | None = None, order: int = 2, layout: str = "tinybig"
) -> FactorSizes:
    """The sizes of the factors on the `expanded_size(inputs, order)` features of a Taylor expansion.

    Raises ValueError for every p, q, order and layout whose product cannot be computed without
    the features themselves.
    """
    check_layout(layout)
    check_order(order)
    if layout == "tinybig" and order != 2:
        raise ValueError(f"`layout='tinybig'` needs order=2; other orders need 'kronecker'. Received: order={order!r}")
    features = expanded_size(inputs, order)
    if order == 1:
        return factor_sizes(units, inputs, p, q)
    if order == 3 and features > MOST_THIRD_ORDER_FEATURES:
        raise ValueError(
            f"`order=3` is for small inputs, of at most {MOST_THIRD_ORDER_FEATURES:,} features. "
            f"Received: {inputs} inputs, which make {features:,} features"
        )
    aligned = features // inputs
    choices = (inputs, aligned) if layout == "tinybig" else (aligned,)
    q = choices[0] if q is None else q
    if q not in choices:
        raise ValueError(
            f"`q` must be {' or '.join(map(str, choices))} for {inputs} inputs, order={order} and layout={layout!r}: "
            f"any other q needs the {features:,} features themselves. Received: q={q!r}"
        )
    return factor_sizes(units, features, p, q)


def expanded_size(inputs: int, order: int) -> int:
    """The number of features of a Taylor expansion: inputs + inputs^2 + ... + inputs^order."""
    return sum(inputs**power for power in range(1, order + 1))


def default_divisor(size: int) -> int:
    """The largest divisor that is not above the square root (tinyBIG's rule)."""
    return _largest_divisor(size, math.isqrt(size))


def _largest_divisor(size: int, most: int) -> int:
    """The largest divisor of `size` that is not above `most`, which is at least 1."""
    return next(d for d in range(most, 0, -1) if size % d == 0)


def check_divisor(value: Any, name: str, size: int, what: str) -> int:
    """`value` as an int that divides `size`, or a ValueError that names the nearest divisors."""
    value = check_size(value, name)
    if size % value == 0:
        return value
    nearest = " or ".join(map(str, nearest_divisors(size, value)))
    raise ValueError(f"`{name}` must divide {what}, {size}; the nearest is {nearest}. Received: {name}={value}")


def nearest_divisors(size: int, value: int) -> list[int]:
    """The divisors of `size` next to `value`, below and above where there are both."""
    below = [_largest_divisor(size, min(value, size))]
    above = [d for d in range(value, size + 1) if size % d == 0][:1]
    return below + above


def check_layout(layout: str) -> str:
    return one_of(layout, "layout", LAYOUTS)


def check_order(order: int) -> int:
    if isinstance(order, int) and not isinstance(order, bool) and order in ORDERS:
        return order
    raise ValueError(f"`order` must be one of {ORDERS}. Received: order={order!r}")


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
    p, q, _, _ = sizes
    return rank * (p + q) < p * q
