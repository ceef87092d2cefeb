"""BlockAFDF: AFDF with complex block-diagonal matrices in the place of the diagonals."""

from typing import Any

import keras

from keras_efficient.layers.acdc.comparison_layer import BlockLayer
from keras_efficient.ops.blocks import block_product
from keras_efficient.ops.complex_numbers import fourier, inverse_fourier_real
from keras_efficient.type_aliases import Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class BlockAFDF(BlockLayer):
    """A structured linear layer with 4 N^2 / groups real parameters.

        y = Re(x A F D F^-1) (+ bias)

    with complex block-diagonal matrices A and D of `groups` blocks and the unitary discrete
    Fourier transform F of all N entries.

    Source: a PyTorch study of ACDC, 2018, after Moczulski et al., ICLR 2016.

    Args:
        groups: Number of blocks of each factor; it divides N.
        use_bias: Whether to add a bias to the output.
        initial_deviation: See `ComparisonLayer`.
        kernel_bits, activation_bits, bias_bits, mode, regularizers, constraints: See `TransformLayer`.

    Input and output shape: (batch, ..., N).

    Weights: a (groups, N / groups, N / groups, 2), each block (inputs, outputs) with real and
    imaginary parts last; d alike; bias (N,) if there is one; then the log2 scales of a, d, bias
    and output where bits are given.

    Raises:
        ValueError: If N is not known or no multiple of `groups`, or an argument is wrong.
    """

    is_complex = True

    def __init__(self, groups: int = 2, use_bias: bool = False, **kwargs: Any):
        super().__init__(groups, use_bias, **kwargs)

    def factor_shape(self, size: int) -> tuple[int, ...]:
        return (*self.block_shape(size), 2)

    def product(self, x: Tensor, a: Tensor, d: Tensor) -> Tensor:
        real, imaginary = fourier((block_product(x, a[..., 0]), block_product(x, a[..., 1])))
        d_real, d_imaginary = d[..., 0], d[..., 1]
        product = (
            block_product(real, d_real) - block_product(imaginary, d_imaginary),
            block_product(real, d_imaginary) + block_product(imaginary, d_real),
        )
        return inverse_fourier_real(product)
