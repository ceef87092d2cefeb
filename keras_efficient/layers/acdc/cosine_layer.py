"""The shared half of ACDC, ACDCDense and ACDCConv2D: arguments, diagonals, the stack."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import initializers, ops

from keras_efficient.layers.acdc.stack import BIASES, ORDERS, PERMUTATIONS, AcdcStack
from keras_efficient.layers.acdc.transform_layer import TransformLayer
from keras_efficient.layers.acdc.transforms import ALGORITHMS, TRANSFORMS
from keras_efficient.layers.arguments import one_of, positive_integer, whole_number
from keras_efficient.layers.quantized.weighted_layer import own_copy
from keras_efficient.type_aliases import Config, Initializer, Tensor

# Near the identity: with any other mean a deep stack does not train.
INITIAL_MEAN, INITIAL_DEVIATION = 1.0, 0.06


class CosineLayer(TransformLayer):
    """A layer that is a stack of ACDC products.

    Args:
        transform, permutation, bias, order, groups: See `ACDC`.
        seed: Integer from which random permutations are made.
        algorithm: How `"dct"` is computed: `"fft"`, `"matmul"` (with the matrix of the transform:
            for small sizes, and for converters that know no FFT) or `"auto"`. `"dct2d"` is always
            two small matrix products. May be set on a built layer; a compiled model must be
            compiled again then.
        diagonal_initializer: Keras initializer of a and d; None is the normal distribution with
            mean 1 and standard deviation 0.06.
        kernel_bits, activation_bits, bias_bits, mode, regularizers, constraints: See `TransformLayer`.
    """

    stack: AcdcStack  # from `build` on

    def __init__(
        self,
        transform: str,
        permutation: str | None,
        bias: str | None,
        order: str,
        groups: int,
        seed: int = 0,
        algorithm: str = "auto",
        diagonal_initializer: Initializer = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.transform = one_of(TRANSFORMS, transform, "transform")
        self.permutation = one_of(PERMUTATIONS, permutation, "permutation")
        self.bias = one_of(BIASES, bias, "bias")
        self.order = one_of(ORDERS, order, "order")
        self.groups = positive_integer(groups, "groups")
        self.seed = whole_number(seed, "seed")
        self._algorithm = one_of(ALGORITHMS, algorithm, "algorithm")
        if diagonal_initializer is None:
            diagonal_initializer = initializers.RandomNormal(INITIAL_MEAN, INITIAL_DEVIATION)
        self.diagonal_initializer = initializers.get(diagonal_initializer)

    @property
    def algorithm(self) -> str:
        """How the transform is computed; see the arguments."""
        return self._algorithm

    @algorithm.setter
    def algorithm(self, algorithm: str) -> None:
        self._algorithm = one_of(ALGORITHMS, algorithm, "algorithm")
        if self.built:
            self.stack = self.make_stack(self.stack.size, self.stack.depth)

    def make_stack(self, size: int, depth: int) -> AcdcStack:
        """The computation of this layer for `depth` layers of `size` entries."""
        if size % self.groups:
            raise ValueError(
                f"`groups` must divide the {size} entries of layer '{self.name}'. Received: groups={self.groups}"
            )
        choices = (self.transform, self._algorithm, self.permutation, self.bias, self.order, self.groups, self.seed)
        return AcdcStack(size, depth, *choices)

    def add_diagonals(
        self, shape: tuple[int, ...], dense_parameters: int, before: Sequence[keras.Variable] = ()
    ) -> None:
        """Weights a, d and bias of this shape, then the scales of the weights `before` and of these."""
        self.a = self.add_factor("a", shape, self.diagonal_initializer)
        self.d = self.add_factor("d", shape, own_copy(self.diagonal_initializer))
        self.mark_compression([self.a, self.d], dense_parameters)
        self.bias_vector = None if self.bias is None else self.add_bias(shape)
        self.add_weight_quantizers([*before, self.a, self.d], self.bias_vector)

    def run_stack(
        self,
        x: Tensor,
        with_bias: bool = True,
        between: Callable[[int, Tensor], Tensor] | None = None,
        as_matrices: bool = False,
    ) -> Tensor:
        """Rows (n, size) through the stack."""
        bias = None if self.bias is None or not with_bias else self._rows(self.bias_vector)
        return self.stack(x, self._rows(self.a), self._rows(self.d), bias, between, as_matrices)

    def _rows(self, variable):
        return ops.reshape(self.value_of(variable), (self.stack.depth, self.stack.size))

    def zero_rows(self, inputs: int) -> Tensor:
        """One row of zeros: what the layer makes of it is its constant."""
        return ops.zeros((1, inputs), dtype="float32")

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "transform": self.transform,
            "permutation": self.permutation,
            "bias": self.bias,
            "order": self.order,
            "groups": self.groups,
            "seed": self.seed,
            "algorithm": self.algorithm,
            "diagonal_initializer": keras.initializers.serialize(self.diagonal_initializer),
        }
