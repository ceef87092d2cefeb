"""LPHMDense: a Kronecker product with a second factor of low rank."""

from typing import Any

import keras
from keras import ops

from keras_efficient.kinds.kronecker_stages import one_low_rank_stages
from keras_efficient.layers.arguments import positive_integer
from keras_efficient.layers.kronecker.kronecker_dense import KroneckerDense
from keras_efficient.ops.kronecker import kronecker_low_rank, kronecker_matrix
from keras_efficient.ops.tinybig_layout import tinybig_matrix, tinybig_product
from keras_efficient.type_aliases import Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class LPHMDense(KroneckerDense):
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
