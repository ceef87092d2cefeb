"""The shared half of ACDC, ACDCDense and ACDCConv2D: arguments, diagonals, the stack."""

import keras
from keras import initializers, ops

from keras_efficient.layers.acdc.stack import BIASES, ORDERS, PERMUTATIONS, AcdcStack
from keras_efficient.layers.acdc.transform_layer import TransformLayer
from keras_efficient.layers.acdc.transforms import ALGORITHMS, TRANSFORMS
from keras_efficient.layers.arguments import one_of, positive_integer, whole_number
from keras_efficient.layers.quantized.weighted_layer import own_copy

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

    def __init__(
        self,
        transform,
        permutation,
        bias,
        order,
        groups,
        seed=0,
        algorithm="auto",
        diagonal_initializer=None,
        **kwargs,
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
        self.stack = None

    @property
    def algorithm(self) -> str:
        """How the transform is computed; see the arguments."""
        return self._algorithm

    @algorithm.setter
    def algorithm(self, algorithm):
        self._algorithm = one_of(ALGORITHMS, algorithm, "algorithm")
        if self.stack is not None:
            self.stack = self.make_stack(self.stack.size, self.stack.depth)

    def make_stack(self, size, depth) -> AcdcStack:
        """The computation of this layer for `depth` layers of `size` entries."""
        if size % self.groups:
            raise ValueError(
                f"`groups` must divide the {size} entries of layer '{self.name}'. Received: groups={self.groups}"
            )
        choices = (self.transform, self._algorithm, self.permutation, self.bias, self.order, self.groups, self.seed)
        return AcdcStack(size, depth, *choices)

    def add_diagonals(self, shape, dense_parameters, before=()):
        """Weights a, d and bias of this shape, then the scales of the weights `before` and of these."""
        self.a = self.add_factor("a", shape, self.diagonal_initializer)
        self.d = self.add_factor("d", shape, own_copy(self.diagonal_initializer))
        self.mark_compression([self.a, self.d], dense_parameters)
        self.bias_vector = None if self.bias is None else self.add_bias(shape)
        self.add_weight_quantizers([*before, self.a, self.d], self.bias_vector)

    def run_stack(self, x, with_bias=True, between=None, as_matrices=False):
        """Rows (n, size) through the stack."""
        names = (self.a, self.d) if self.bias is None or not with_bias else (self.a, self.d, self.bias_vector)
        shape = (self.stack.depth, self.stack.size)
        values = [ops.reshape(self.value_of(variable), shape) for variable in names]
        return self.stack(x, *values, between=between, as_matrices=as_matrices)

    def zero_rows(self, inputs):
        """One row of zeros: what the layer makes of it is its constant."""
        return ops.zeros((1, inputs), dtype="float32")

    def get_config(self):
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
