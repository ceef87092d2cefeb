"""The shared half of ACDC, ACDCDense and ACDCConv2D: arguments, diagonals, the stack."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
from keras import activations, initializers, ops

from keras_efficient.checks import integer, one_of, positive_integer
from keras_efficient.kinds.acdc_stages import why_no_stages
from keras_efficient.layers.acdc.rounded_stack import RoundedStack
from keras_efficient.layers.acdc.stack import ALGORITHMS, BIASES, ORDERS, PERMUTATIONS, TRANSFORMS, AcdcStack
from keras_efficient.layers.acdc.transform_layer import TransformLayer
from keras_efficient.layers.quantized.quantizer import Quantizer
from keras_efficient.layers.quantized.staged_layer import StagedLayer
from keras_efficient.layers.quantized.weighted_layer import own_copy
from keras_efficient.type_aliases import Initializer, Tensor

# Near the identity: with any other mean a deep stack does not train.
INITIAL_MEAN, INITIAL_DEVIATION = 1.0, 0.06


class CosineLayer(StagedLayer, TransformLayer):
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
        inner_bits: Width in bits, 1 to 16, of the inner products where `kernel_bits` are given: x diag(a), its products
            with the matrices of the transform, what diag(d) makes of them, the way back, and y before the bias. Each
            has a grid of its own. None: the widest up to 16 with which the next product stays within the 24 bits that
            float32 holds exactly. False: they are not rounded, as in files that are older than this argument; such a
            layer has no integers and no C.
        kernel_bits, activation_bits, bias_bits, mode, regularizers, constraints: See `TransformLayer`.

    In the quantized modes the matrices are rounded, too, where the inner products are: to 8 bits, in the finest power
    of two with which no integer is above 127 (`kinds.cosine`). `"dct"` of more than 64 entries has no such products,
    nor has what `IntegerModel` refuses by name: a random permutation of `"dct2d"` or of several groups.
    """

    stack: AcdcStack  # from `build` on
    config_keys = [
        *("transform", "permutation", "bias", "order", "groups", "seed"),
        *("algorithm", "diagonal_initializer"),
    ]

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
        self.transform = one_of(transform, "transform", TRANSFORMS)
        self.permutation = one_of(permutation, "permutation", PERMUTATIONS)
        self.bias = one_of(bias, "bias", BIASES)
        self.order = one_of(order, "order", ORDERS)
        self.groups = positive_integer(groups, "groups")
        self.seed = integer(seed, "seed")
        self._algorithm = one_of(algorithm, "algorithm", ALGORITHMS)
        if diagonal_initializer is None:
            diagonal_initializer = initializers.RandomNormal(INITIAL_MEAN, INITIAL_DEVIATION)
        self.diagonal_initializer = initializers.get(diagonal_initializer)

    @property
    def algorithm(self) -> str:
        """How the transform is computed; see the arguments."""
        return self._algorithm

    @algorithm.setter
    def algorithm(self, algorithm: str) -> None:
        self._algorithm = one_of(algorithm, "algorithm", ALGORITHMS)
        if self.built:
            self.stack = self.make_stack(self.stack.size, self.stack.depth)

    activation = staticmethod(activations.linear)  # between the layers of a stack
    output_activation = staticmethod(activations.linear)

    @property
    def why_no_stages(self) -> str:
        """Why there are none, as a sentence."""
        return why_no_stages(self.get_config(), self.stack.size)

    @property
    def factors(self) -> list[keras.Variable]:
        """What the layer multiplies by, in the order of the weights."""
        return [self.a, self.d]

    @property
    def factor_quantizers(self) -> list[Quantizer | None]:
        """The grids of the factors."""
        return [self.grid_of(factor) for factor in self.factors]

    @property
    def bias_quantizer(self) -> Quantizer | None:
        """The grid of the bias."""
        return self.grid_of(self.bias_vector)

    def rounded_rows(self, x: Tensor, between: Callable[[int, Tensor], Tensor], first: int = 0) -> Tensor:
        """Rows (n, size) through the stack, each product rounded. `first`: the number of the first of its grids."""
        bias = None if self.bias is None else self._rows(self.bias_vector)
        roundings = [partial(self.rounded_inner, number) for number in range(first, len(self.inner_quantizers))]
        stack = RoundedStack(self.stack, self.current_mode.quantized)
        return stack(x, self._rows(self.a), self._rows(self.d), bias, roundings, between)

    def computed(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (n, outputs) before the output's grid, and a tensor with their leading axes."""
        raise NotImplementedError

    def call(self, inputs: Tensor) -> Tensor:
        return self.finish(*self.computed(inputs), self.output_quantizers[-1])

    def weighted_sums(self, inputs: Tensor) -> Tensor:
        """The outputs before their grid."""
        return self.finish(*self.computed(inputs), None)

    def fold(self) -> keras.layers.Layer:
        """See `TransformLayer.fold`."""
        if self.inner_quantizers and self.current_mode.quantized:
            raise ValueError(
                f"`fold` of layer '{self.name}' would lose the grids of its inner products. Received: "
                f"inner_bits={self.inner_bits}, mode={self.mode!r}"
            )
        return super().fold()

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
