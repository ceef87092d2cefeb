"""PHMDense: a fully connected layer with a sum of Kronecker products as its kernel."""

from typing import Any

import keras
from keras import ops

from keras_efficient.kinds.kronecker_stages import sum_stages
from keras_efficient.layers.arguments import positive_integer
from keras_efficient.layers.kronecker.kronecker_dense import KroneckerDense
from keras_efficient.ops.kronecker import kronecker_matrix, kronecker_sum
from keras_efficient.ops.tinybig_layout import tinybig_matrix, tinybig_product
from keras_efficient.type_aliases import Tensor


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
