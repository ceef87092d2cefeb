"""The dense layers on two Kronecker factors: their sizes and their layout."""

from typing import Any

from keras_efficient.kinds.factors import check_divisor, check_layout, factor_sizes
from keras_efficient.layers.arguments import positive_integer
from keras_efficient.layers.kronecker.factored_layer import FactoredDense
from keras_efficient.type_aliases import Config, Shape


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

    def __init__(
        self, units: int, p: int | None = None, q: int | None = None, layout: str = "kronecker", **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.units = positive_integer(units, "units")
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

    def get_config(self) -> Config:
        return {**super().get_config(), "units": self.units, "p": self.p, "q": self.q, "layout": self.layout}
