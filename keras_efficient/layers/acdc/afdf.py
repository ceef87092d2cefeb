"""AFDF: ACDC with Fourier transforms and complex diagonals."""

from typing import Any

import keras

from keras_efficient.layers.acdc.comparison_layer import ComparisonLayer
from keras_efficient.ops.complex_numbers import fourier, inverse_fourier_real, multiply
from keras_efficient.type_aliases import Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class AFDF(ComparisonLayer):
    """A structured linear layer with 4 N real parameters instead of N^2.

        y = Re(x diag(a) F diag(d) F^-1) (+ bias)

    with complex diagonals a and d and the unitary discrete Fourier transform F. It is the layer
    about which the paper proves that a deep enough stack can be any matrix.

    Source: Moczulski, Denil, Appleyard, de Freitas, "ACDC: A Structured Efficient Linear Layer",
    ICLR 2016. (A later study's layer of this name has separate gains for real and imaginary parts.)

    Args:
        use_bias: Whether to add a bias to the output.
        initial_deviation: a and d start as 1 plus normal noise of this standard deviation in both
            parts.
        kernel_bits, activation_bits, bias_bits, mode, regularizers, constraints: See `TransformLayer`.

    Input and output shape: (batch, ..., N), any N.

    Weights: a (N, 2), d (N, 2): real and imaginary parts; bias (N,) if there is one; then the log2
    scales of a, d, bias and output where bits are given.

    Raises:
        ValueError: If N is not known, or an argument is wrong.
    """

    is_complex = True

    def __init__(self, use_bias: bool = False, **kwargs: Any):
        super().__init__(use_bias, **kwargs)

    def factor_shape(self, size: int) -> tuple[int, ...]:
        return (size, 2)

    def product(self, x: Tensor, a: Tensor, d: Tensor) -> Tensor:
        spectrum = fourier((x * a[:, 0], x * a[:, 1]))
        return inverse_fourier_real(multiply(spectrum, (d[:, 0], d[:, 1])))
