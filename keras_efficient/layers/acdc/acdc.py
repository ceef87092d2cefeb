"""ACDC: a square layer of two diagonals and two cosine transforms."""

from typing import Any

import keras
from keras import ops

from keras_efficient.kinds.acdc_stages import square_stages
from keras_efficient.layers.acdc.cosine_layer import CosineLayer
from keras_efficient.layers.acdc.transform_layer import rows_of
from keras_efficient.type_aliases import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class ACDC(CosineLayer):
    """A structured linear layer with 2 N parameters (and N biases) instead of N^2.

        order "paper":         y = x diag(a) C diag(d) C' + bias
        order "inner_riffle":  y = x diag(a) C diag(d) R C' + bias
        output = permutation(y)

    C is an orthonormal cosine transform and R the riffle (even entries first, then the odd ones),
    both within each of `groups` equal blocks. It costs two FFTs of real numbers,
    about 4 N + 5 N log2 N products a row, against N^2. At small N it is smaller than a dense layer but
    not faster; scripts/benchmark_acdc.py measures from which N on it is.

    Source: Moczulski, Denil, Appleyard, de Freitas, "ACDC: A Structured Efficient Linear Layer",
    ICLR 2016 ("paper", with the bias on the spectrum); "inner_riffle" is a later PyTorch study's.

    Args:
        transform: `"dct"`, the orthonormal DCT-II (`ops.dct`), or `"dct2d"`, the separable
            transform of the entries as an image (`ops.dct2d`): another orthonormal transform, in
            2 N sqrt(N) products that are matrix products.
        permutation: Last step: None, `"riffle"` or `"random"`, made from `seed`
            (`ops.random_order`).
        bias: `"output"` (added to y), `"spectrum"` (added after diag(d)) or None.
        order: `"paper"` or `"inner_riffle"`.
        groups: Number of blocks; it divides N.
        seed, algorithm, diagonal_initializer: See `CosineLayer`.
        kernel_bits, activation_bits, bias_bits, mode, regularizers, constraints: See `TransformLayer`.

    Input and output shape: (batch, ..., N), any N.

    Weights: a (N,), d (N,), bias (N,), in the natural order of inputs and frequencies; then the
    log2 scales of a, d, bias and output where bits are given, and of the inner products.

    Raises:
        ValueError: If N is not known or no multiple of `groups`, or an argument is wrong.

    The entries of a and d are near 1, so they need 10 to 60 times the learning rate of a dense
    kernel, and less weight decay: see `keras_efficient.DiagonalRates`.

    Example:

    >>> layer = ACDC(permutation="riffle")
    >>> layer(keras.ops.ones((2, 8))).shape
    (2, 8)
    """

    def __init__(
        self,
        transform: str = "dct",
        permutation: str | None = None,
        bias: str | None = "output",
        order: str = "paper",
        groups: int = 1,
        **kwargs: Any,
    ):
        super().__init__(transform, permutation, bias, order, groups, **kwargs)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        size = self.fix_inputs(input_shape)
        self.stack = self.make_stack(size, 1)
        self.add_diagonals((size,), size * size)
        self.activation_quantizer = self.add_activation_quantizer()
        self.output_quantizers = [self.activation_quantizer]
        self.add_inner_quantizers((size,))

    stages_of = staticmethod(square_stages)

    def computed(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        rows = rows_of(inputs)
        y = self.rounded_rows(rows, lambda layer, x: x) if self.inner_quantizers else self.run_stack(rows)
        return y, inputs

    def linear(self, x: Tensor) -> Tensor:
        return self.run_stack(x, with_bias=False)

    def constant(self) -> Tensor | None:
        return None if self.bias is None else self.run_stack(ops.zeros((1, self.stack.size), dtype="float32"))[0]
