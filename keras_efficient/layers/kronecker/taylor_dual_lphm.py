"""TaylorDualLPHM: dual LPHM on the Taylor features of its input, without features and without W."""

from typing import Any

import keras

from keras_efficient.checks import positive_integer
from keras_efficient.kinds.factors import (
    check_divisor,
    check_layout,
    check_order,
    expanded_size,
    taylor_sizes,
)
from keras_efficient.layers.kronecker.factored_layer import FactoredDense
from keras_efficient.ops.taylor import taylor_kronecker, taylor_tinybig
from keras_efficient.type_aliases import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class TaylorDualLPHM(FactoredDense):
    """Linear in the features [x, x kron x, ...] of its input, with a kernel of four small factors.

        y = activation(k W' + bias),    k = [x, x kron x] or its LayerNorm (order 2)

    The m inputs make D = m + ... + m^order features; P (p, rank), Q (q, rank), S (s, rank) and
    T (t, rank) with p s = units and q t = D make W. Neither the D features nor the D units numbers
    of W are ever built: the cost is about that of a Dense layer of a few units.

    * layout `"kronecker"`: W = (P Q') kron (S T') with t = m. Each output is a product of two
      linear functions of x (order 2): fast, and a weak class of functions.
    * layout `"tinybig"` is what the package tinyBIG computes, which is *not* a Kronecker product:
      W = reshape(vec(P Q') vec(S T')', (units, D)). With q = m every output is a sum of correlations
      of x with itself, so images suit it. Order 2 only.

    Args:
        units: Number of outputs, p s.
        rank: Rank of P Q' and of S T'; a warning says when one stores no less than a full matrix.
        p: Divisor of `units`; None takes the largest one up to its square root.
        q: `"tinybig"`: m (the default) or m + 1. `"kronecker"`: m + 1, for order 3 m^2 + m + 1, for
            order 1 any divisor of m. All else is refused: it needs the features themselves.
        order: 1, 2 or 3, the highest power. 3 is for small inputs: Q has m^2 + m + 1 rows.
        layout: `"tinybig"` or `"kronecker"`.
        normalize: Whether to apply a LayerNorm over the D features (epsilon 1e-5, biased variance)
            without gain and offset, which would store 2 D numbers.
        use_bias: Whether to add a bias.
        **kwargs: `activation`, `kernel_bits`, ...: see `FactoredLayer`.

    Input shape: (batch, ..., inputs). Output shape: (batch, ..., units).

    Weights: P, Q, S, T, bias (units,), then the log2 scales.

    Computes in float32 also under a half-precision policy: the features are squares.

    Raises:
        ValueError: For sizes that do not divide, and for what only the features could compute.

    Example, the first layer of tinyBIG's network for MNIST, 7,925 numbers:

    >>> TaylorDualLPHM(64, rank=5, p=8, q=784)(keras.ops.ones((2, 784))).shape
    (2, 64)
    """

    config_keys = ["rank", "p", "q", "order", "layout", "normalize"]

    def __init__(
        self,
        units: int,
        rank: int,
        p: int | None = None,
        q: int | None = None,
        order: int = 2,
        layout: str = "tinybig",
        normalize: bool = False,
        use_bias: bool = False,
        **kwargs: Any,
    ):
        super().__init__(units, use_bias=use_bias, **kwargs)
        self.rank = positive_integer(rank, "rank")
        self.p = None if p is None else check_divisor(positive_integer(p, "p"), "p", self.units, "the outputs")
        self.q = None if q is None else positive_integer(q, "q")
        self.order = check_order(order)
        self.layout = check_layout(layout)
        if not isinstance(normalize, bool):
            raise ValueError(
                "`normalize` must be True or False (a LayerNorm with gain and offset would store two numbers for each "
                f"of the features). Received: normalize={normalize!r}"
            )
        self.normalize = normalize
        if self.layout == "tinybig" and self.order != 2:
            raise ValueError(f"`layout='tinybig'` needs order=2; use 'kronecker'. Received: order={order!r}")

    def build(self, input_shape: Shape) -> None:
        inputs = self.fix_inputs(input_shape)
        sizes = taylor_sizes(self.units, inputs, self.p, self.q, self.order, self.layout)
        self.warn_of_waste(self.rank, **{"P Q'": sizes[:2], "S T'": sizes[2:]})
        shapes = {name: (size, self.rank) for name, size in zip("PQST", sizes, strict=True)}
        fans = (expanded_size(inputs, self.order), self.units)
        self.add_factors(shapes, self.units, self.rank**2, fans)

    @property
    def calculation_dtype(self) -> str:
        return "float64" if self.compute_dtype == "float64" else "float32"

    def product(self, x: Tensor, p: Tensor, q: Tensor, s: Tensor, t: Tensor) -> Tensor:
        if self.layout == "tinybig":
            return taylor_tinybig(x, p, q, s, t, self.normalize)
        return taylor_kronecker(x, p, q, s, t, self.order, self.normalize)

    def dense_kernel(self) -> Tensor:
        """Refused: the layer is not linear in x, and W on its features has D units numbers."""
        raise ValueError(
            f"Layer '{self.name}' has no dense kernel: it is not linear in its input, and its matrix on the "
            "expanded features is never built. Received: a call of dense_kernel()"
        )
