"""DualLPHMDense: a Kronecker product of two factors of low rank."""

from typing import Any

import keras
from keras import ops

from keras_efficient.kinds.kronecker_stages import dual_low_rank_stages
from keras_efficient.layers.arguments import positive_integer
from keras_efficient.layers.kronecker.kronecker_dense import KroneckerDense
from keras_efficient.ops.kronecker import kronecker_dual_low_rank, kronecker_matrix
from keras_efficient.ops.tinybig_layout import tinybig_matrix, tinybig_product
from keras_efficient.type_aliases import Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class DualLPHMDense(KroneckerDense):
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
