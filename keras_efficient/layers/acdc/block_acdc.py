"""BlockACDC: ACDC with block-diagonal matrices in the place of the diagonals."""

from typing import Any

import keras

from keras_efficient.layers.acdc.comparison_layer import BlockLayer
from keras_efficient.ops.blocks import block_product
from keras_efficient.ops.dct import dct, idct
from keras_efficient.ops.permute import permute, riffle_order
from keras_efficient.type_aliases import Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class BlockACDC(BlockLayer):
    """A structured linear layer with 2 N^2 / groups parameters (and N biases).

        y = x A C D C' R + bias

    with block-diagonal matrices A and D of `groups` blocks, the orthonormal DCT-II C of all N
    entries and the riffle R (even entries first).

    Source: a PyTorch study of ACDC, 2018, after Moczulski et al., ICLR 2016.

    Args:
        groups: Number of blocks of each factor; it divides N.
        use_bias: Whether to add a bias to the output.
        initial_deviation: See `ComparisonLayer`.
        kernel_bits, activation_bits, bias_bits, mode, regularizers, constraints: See `TransformLayer`.

    Input and output shape: (batch, ..., N).

    Weights: a (groups, N / groups, N / groups), each block (inputs, outputs); d alike; bias (N,);
    then the log2 scales of a, d, bias and output where bits are given.

    Raises:
        ValueError: If N is not known or no multiple of `groups`, or an argument is wrong.
    """

    def __init__(self, groups: int = 2, use_bias: bool = True, **kwargs: Any):
        super().__init__(groups, use_bias, **kwargs)

    def factor_shape(self, size: int) -> tuple[int, ...]:
        return self.block_shape(size)

    def product(self, x: Tensor, a: Tensor, d: Tensor) -> Tensor:
        y = idct(block_product(dct(block_product(x, a)), d))
        return permute(y, riffle_order(y.shape[-1]))
