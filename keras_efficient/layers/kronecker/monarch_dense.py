"""MonarchDense: a fully connected layer of two block-diagonal products with a shuffle between them."""

import warnings
from typing import Any

import keras
from keras import ops

from keras_efficient.checks import positive_integer
from keras_efficient.kinds.factors import check_divisor, monarch_sizes
from keras_efficient.kinds.kronecker_stages import monarch_stages
from keras_efficient.layers.kronecker.factored_layer import FactoredDense
from keras_efficient.ops.blocks import monarch, monarch_matrix
from keras_efficient.type_aliases import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class MonarchDense(FactoredDense):
    """A fully connected layer whose kernel is a Monarch matrix: two block-diagonal ones around a permutation.

        u_g = x_g L_g,    v = u by columns,    y = activation([v_1 R_1, v_2 R_2, ...] + bias)

    with x_g block g of the `blocks` b equal blocks of x, L (b, inputs / b, h / b), R (b, h / b, units / b) and
    h = min(inputs, units). u is a matrix (b, h / b), a row for each block: number j of block g goes to place j b + g of
    v, which is cut into b equal blocks again. It stores h (inputs + units) / b numbers, and takes as many products.

    The kernel, cut into b x b equal blocks, has blocks of rank h / b^2 each, rounded up or down where b^2 does not
    divide h. So each output depends on each input for b up to the square root of h; with more blocks some are zero.

    Source: Dao et al., "Monarch: Expressive Structured Matrices for Efficient and Accurate Training", ICML 2022, where
    inputs = units = b^2 and the outputs are permuted as well: here they stay in the order of R's blocks, which is the
    same layer with its units in another order. Other sizes take h as the paper's public code does.

    Args:
        units: Number of outputs.
        blocks: Number of blocks b, a common divisor of inputs and units; None takes the largest one up to the square
            root of h. A warning says when L and R store no less than a dense kernel.
        **kwargs: `activation`, `use_bias`, `kernel_bits`, ...: see `FactoredLayer`.

    Input shape: (batch, ..., inputs). Output shape: (batch, ..., units).

    Weights: L, R, bias (units,), then the log2 scales.

    Raises:
        ValueError: If `blocks` divides not both inputs and units; the text names the nearest that does.

    Example, 12,544 + 4,096 numbers in place of 200,704:

    >>> MonarchDense(256, blocks=16, activation="relu")(keras.ops.ones((2, 784))).shape
    (2, 256)
    """

    config_keys = ["blocks"]

    def __init__(self, units: int, blocks: int | None = None, **kwargs: Any):
        super().__init__(units, **kwargs)
        self.blocks = blocks
        if blocks is not None:
            self.blocks = check_divisor(positive_integer(blocks, "blocks"), "blocks", self.units, "the outputs")

    stages_of = staticmethod(monarch_stages)

    def build(self, input_shape: Shape) -> None:
        inputs = self.fix_inputs(input_shape)
        sizes = monarch_sizes(self.units, inputs, self.blocks)
        if sizes.stored >= inputs * self.units:
            warnings.warn(
                f"Layer '{self.name}': blocks={sizes.blocks} is wasted on a kernel of {inputs} x {self.units}: L and R "
                f"store {sizes.stored} numbers instead of {inputs * self.units}",
                stacklevel=2,
            )
        blocks, before, inner, after = sizes
        shapes = {"L": (blocks, before, inner), "R": (blocks, inner, after)}
        # An entry of the kernel is a sum of h / b^2 products on average; all outputs sum over equally many.
        self.add_factors(shapes, self.units, inner / blocks, (inputs, self.units), (inputs,))

    def product(self, x: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return monarch(x, left, right, self.between)

    def matrix(self, left: Tensor, right: Tensor) -> Tensor:
        return ops.transpose(monarch_matrix(left, right))
