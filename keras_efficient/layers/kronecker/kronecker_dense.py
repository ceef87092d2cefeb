"""Dense layers on two Kronecker factors: a sum of products, and factors of low rank."""

from typing import Any

import keras
from keras import ops

from keras_efficient.checks import positive_integer
from keras_efficient.kinds.factors import check_divisor, check_layout, factor_sizes
from keras_efficient.kinds.kronecker_stages import dual_low_rank_stages, one_low_rank_stages, sum_stages
from keras_efficient.layers.kronecker.factored_layer import FactoredDense
from keras_efficient.ops.kronecker import kronecker_dual_low_rank, kronecker_low_rank, kronecker_matrix, kronecker_sum
from keras_efficient.ops.tinybig_layout import tinybig_matrix, tinybig_product
from keras_efficient.type_aliases import Shape, Tensor


class KroneckerDense(FactoredDense):
    """A dense layer whose kernel is made of A (p, q) and B (s, t): the sizes and the layout.

    Args:
        units: Number of outputs, p s.
        p: Rows of A, a divisor of `units`; None takes the largest one up to its square root.
        q: Columns of A, a divisor of the inputs q t; None in the same way.
        layout: `"kronecker"`, or `"tinybig"` for the matrix that tinyBIG computes instead; see
            `ops.tinybig_layout`.
        **kwargs: See `FactoredLayer`.
    """

    config_keys = ["p", "q", "layout"]

    def __init__(
        self, units: int, p: int | None = None, q: int | None = None, layout: str = "kronecker", **kwargs: Any
    ):
        super().__init__(units, **kwargs)
        self.p = None if p is None else check_divisor(positive_integer(p, "p"), "p", self.units, "the outputs")
        self.q = None if q is None else positive_integer(q, "q")
        self.layout = check_layout(layout)

    def build(self, input_shape: Shape) -> None:
        inputs = self.fix_inputs(input_shape)
        sizes = factor_sizes(self.units, inputs, self.p, self.q)
        self.add_factors(self.factor_shapes(sizes), self.units, self.paths, (inputs, self.units), (inputs,))

    def factor_shapes(self, sizes: tuple[int, int, int, int]) -> dict[str, tuple[int, ...]]:
        """The shape of each factor by its name, in the order of the weights."""
        raise NotImplementedError

    @property
    def paths(self) -> int:
        """How many products of one number of each factor an entry of W is the sum of."""
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="keras_efficient")
class PHMDense(KroneckerDense):
    """A fully connected layer whose kernel is a sum of Kronecker products.

        y = activation(x W' + bias),    W = sum_i A_i kron B_i,    A_i (p, q), B_i (s, t)

    with p s = units and q t = inputs. It stores terms (p q + s t) numbers instead of
    p q s t. With p = q = terms it is the layer of "Beyond Fully-Connected Layers with Quaternions"
    (Zhang et al., ICLR 2021); free p and q serve images well: p, q their rows, s, t their columns.

    Args:
        units: Number of outputs.
        terms: Number of Kronecker products.
        p, q, layout: See `KroneckerDense`. `"tinybig"` has one term.
        **kwargs: `activation`, `use_bias`, `kernel_bits`, ...: see `FactoredLayer`.

    Input shape: (batch, ..., inputs). Output shape: (batch, ..., units).

    Weights: A (terms, p, q), B (terms, s, t), bias (units,), then the log2 scales.

    Raises:
        ValueError: If p does not divide `units` or q the inputs; the text names the nearest divisors.

    Example:

    >>> PHMDense(256, terms=5, p=16, q=28, activation="relu")(keras.ops.ones((2, 784))).shape
    (2, 256)
    """

    config_keys = ["terms"]

    def __init__(
        self,
        units: int,
        terms: int = 1,
        p: int | None = None,
        q: int | None = None,
        layout: str = "kronecker",
        **kwargs: Any,
    ):
        super().__init__(units, p, q, layout, **kwargs)
        self.terms = positive_integer(terms, "terms")
        if self.layout == "tinybig" and self.terms > 1:
            raise ValueError(f"`layout='tinybig'` has one term. Received: terms={terms!r}")

    stages_of = staticmethod(sum_stages)

    def factor_shapes(self, sizes: tuple[int, int, int, int]) -> dict[str, tuple[int, ...]]:
        p, q, s, t = sizes
        return {"A": (self.terms, p, q), "B": (self.terms, s, t)}

    @property
    def paths(self) -> int:
        return self.terms

    def product(self, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        if self.layout == "tinybig":
            return tinybig_product(x, None, ops.transpose(a[0]), b[0])
        return kronecker_sum(x, a, b, self.between)

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        return tinybig_matrix(a[0], b[0]) if self.layout == "tinybig" else kronecker_matrix(a, b)


class LowRankKroneckerDense(KroneckerDense):
    """A `KroneckerDense` of one product, in which factors have low rank."""

    config_keys = ["rank"]

    def __init__(
        self,
        units: int,
        rank: int,
        p: int | None = None,
        q: int | None = None,
        layout: str = "kronecker",
        **kwargs: Any,
    ):
        super().__init__(units, p, q, layout, **kwargs)
        self.rank = positive_integer(rank, "rank")


@keras.saving.register_keras_serializable(package="keras_efficient")
class LPHMDense(LowRankKroneckerDense):
    """A fully connected layer whose kernel is one Kronecker product, its second factor of low rank.

        y = activation(x W' + bias),    W = A kron (S T'),    A (p, q), S (s, rank), T (t, rank)

    with p s = units and q t = inputs. It stores p q + rank (s + t) numbers. Source: Compacter
    (Karimi Mahabadi et al., NeurIPS 2021), with one term as in tinyBIG.

    Args:
        units: Number of outputs.
        rank: Rank of the second factor; a warning says when it stores no less than a full one.
        p, q, layout: See `KroneckerDense`.
        **kwargs: `activation`, `use_bias`, `kernel_bits`, ...: see `FactoredLayer`.

    Input shape: (batch, ..., inputs). Output shape: (batch, ..., units).

    Weights: A (p, q), S (s, rank), T (t, rank), bias (units,), then the log2 scales.

    Raises:
        ValueError: If p does not divide `units` or q the inputs; the text names the nearest divisors.
    """

    stages_of = staticmethod(one_low_rank_stages)

    def factor_shapes(self, sizes: tuple[int, int, int, int]) -> dict[str, tuple[int, ...]]:
        p, q, s, t = sizes
        self.warn_of_waste(self.rank, **{"S T'": (s, t)})
        return {"A": (p, q), "S": (s, self.rank), "T": (t, self.rank)}

    @property
    def paths(self) -> int:
        return self.rank

    def product(self, x: Tensor, a: Tensor, s: Tensor, t: Tensor) -> Tensor:
        if self.layout == "tinybig":
            return tinybig_product(x, None, ops.transpose(a), ops.matmul(s, ops.transpose(t)))
        return kronecker_low_rank(x, a, s, t, self.between)

    def matrix(self, a: Tensor, s: Tensor, t: Tensor) -> Tensor:
        b = ops.matmul(s, ops.transpose(t))
        return tinybig_matrix(a, b) if self.layout == "tinybig" else kronecker_matrix(a[None], b[None])


@keras.saving.register_keras_serializable(package="keras_efficient")
class DualLPHMDense(LowRankKroneckerDense):
    """A fully connected layer whose kernel is one Kronecker product of two factors of low rank.

        y = activation(x W' + bias),    W = (P Q') kron (S T')

    with P (p, rank), Q (q, rank), S (s, rank), T (t, rank), p s = units and q t = inputs. It stores
    rank (p + q + s + t) numbers. Source: tinyBIG's `dual_lphm` (Zhang, 2024), as its paper has it.

    Args:
        units: Number of outputs.
        rank: Rank of both factors; a warning says when one stores no less than a full matrix.
        p, q, layout: See `KroneckerDense`.
        **kwargs: `activation`, `use_bias`, `kernel_bits`, ...: see `FactoredLayer`.

    Input shape: (batch, ..., inputs). Output shape: (batch, ..., units).

    Weights: P, Q, S, T, bias (units,), then the log2 scales.

    Raises:
        ValueError: If p does not divide `units` or q the inputs; the text names the nearest divisors.
    """

    stages_of = staticmethod(dual_low_rank_stages)

    def factor_shapes(self, sizes: tuple[int, int, int, int]) -> dict[str, tuple[int, ...]]:
        self.warn_of_waste(self.rank, **{"P Q'": sizes[:2], "S T'": sizes[2:]})
        return {name: (size, self.rank) for name, size in zip("PQST", sizes, strict=True)}

    @property
    def paths(self) -> int:
        return self.rank**2

    def product(self, x: Tensor, p: Tensor, q: Tensor, s: Tensor, t: Tensor) -> Tensor:
        if self.layout == "tinybig":
            return tinybig_product(x, p, q, ops.matmul(s, ops.transpose(t)))
        return kronecker_dual_low_rank(x, p, q, s, t, self.between)

    def matrix(self, p: Tensor, q: Tensor, s: Tensor, t: Tensor) -> Tensor:
        a, b = ops.matmul(p, ops.transpose(q)), ops.matmul(s, ops.transpose(t))
        return tinybig_matrix(a, b) if self.layout == "tinybig" else kronecker_matrix(a[None], b[None])
