"""LowRankDense: a fully connected layer with a kernel of low rank."""

from typing import Any

import keras
from keras import ops

from keras_efficient.checks import positive_integer
from keras_efficient.kinds.kronecker_stages import low_rank_stages
from keras_efficient.layers.kronecker.factored_layer import FactoredDense
from keras_efficient.ops.kronecker import low_rank
from keras_efficient.type_aliases import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class LowRankDense(FactoredDense):
    """A fully connected layer whose kernel has low rank.

        y = activation(x W' + bias),    W = A B',    A (units, rank), B (inputs, rank)

    It stores rank (units + inputs) numbers. tinyBIG calls it `lorr`.

    Args:
        units: Number of outputs.
        rank: Rank of W; a warning says when the factors store no less than W itself.
        **kwargs: `activation`, `use_bias`, `kernel_bits`, ...: see `FactoredLayer`.

    Input shape: (batch, ..., inputs). Output shape: (batch, ..., units).

    Weights: A (units, rank), B (inputs, rank), bias (units,), then the log2 scales.

    Raises:
        ValueError: If the number of inputs is not known, or an argument is wrong.
    """

    config_keys = ["rank"]

    def __init__(self, units: int, rank: int, **kwargs: Any):
        super().__init__(units, **kwargs)
        self.rank = positive_integer(rank, "rank")

    stages_of = staticmethod(low_rank_stages)

    def build(self, input_shape: Shape) -> None:
        inputs = self.fix_inputs(input_shape)
        self.warn_of_waste(self.rank, **{"A B'": (self.units, inputs)})
        shapes = {"A": (self.units, self.rank), "B": (inputs, self.rank)}
        self.add_factors(shapes, self.units, self.rank, (inputs, self.units), (inputs,))

    def product(self, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return low_rank(x, a, b, self.between)

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.matmul(a, ops.transpose(b))
