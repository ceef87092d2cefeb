"""The layers that ACDC is compared with: two factors between fixed transforms, N to N."""

import math
from typing import Any

import keras
import numpy as np
from keras import initializers, ops

from keras_efficient.checks import non_negative_number, positive_integer
from keras_efficient.layers.acdc.transform_layer import TransformLayer, rows_of
from keras_efficient.ops.blocks import block_product
from keras_efficient.ops.complex_numbers import fourier, inverse_fourier_real, multiply
from keras_efficient.ops.dct import dct, idct
from keras_efficient.ops.permute import permute, riffle_order
from keras_efficient.type_aliases import Shape, Tensor


class ComparisonLayer(TransformLayer):
    """A square layer of two factors a and d.

    Args:
        use_bias: Whether to add a bias to the output.
        initial_deviation: The factors start as the identity plus normal noise of this standard
            deviation (in blocks: of the sum over a row).
        kernel_bits, activation_bits, bias_bits, mode, regularizers, constraints: See `TransformLayer`.
    """

    groups: int | None = None  # blocks of a factor; None: it is a diagonal
    is_complex = False
    config_keys = ["use_bias", "initial_deviation"]

    def __init__(self, use_bias: bool, initial_deviation: float = 0.06, **kwargs: Any):
        super().__init__(**kwargs)
        self.use_bias = bool(use_bias)
        self.initial_deviation = non_negative_number(initial_deviation, "initial_deviation")
        self.supports_masking = True

    def product(self, x: Tensor, a: Tensor, d: Tensor) -> Tensor:
        """Rows (n, N) times the two factors and the transforms."""
        raise NotImplementedError

    def build(self, input_shape: Shape) -> None:
        size = self.fix_inputs(input_shape)
        if size % (self.groups or 1):
            raise ValueError(
                f"`groups` must divide the {size} inputs of layer '{self.name}'. Received: groups={self.groups}"
            )
        real = (size,) if self.groups is None else (self.groups, *[size // self.groups] * 2)
        shape = (*real, 2) if self.is_complex else real
        self.a, self.d = (self.add_factor(name, shape, self._near_identity) for name in "ad")
        self.mark_compression([self.a, self.d], size * size)
        self.bias = self.add_bias((size,)) if self.use_bias else None
        self.add_weight_quantizers([self.a, self.d], self.bias)
        self.activation_quantizer = self.add_activation_quantizer()

    def _near_identity(self, shape, dtype=None):
        """The identity plus normal noise."""
        has_blocks, size = self.groups is not None, shape[-2 if self.is_complex else -1]
        identity = np.eye(size) if has_blocks else np.ones(1)
        deviation = self.initial_deviation / math.sqrt(size) if has_blocks else self.initial_deviation
        if self.is_complex:
            identity = np.stack([identity, np.zeros_like(identity)], axis=-1)
        noise = initializers.RandomNormal(0.0, 1.0)(shape, dtype)
        return deviation * noise + ops.cast(identity, dtype or keras.config.floatx())

    def call(self, inputs: Tensor) -> Tensor:
        y = self.linear(rows_of(inputs))
        y = y + self.value_of(self.bias) if self.use_bias else y
        return self.finish(y, inputs, self.activation_quantizer)

    def linear(self, x: Tensor) -> Tensor:
        return self.product(x, self.value_of(self.a), self.value_of(self.d))

    def constant(self) -> Tensor | None:
        return self.value_of(self.bias) if self.use_bias else None


@keras.saving.register_keras_serializable(package="keras_efficient")
class AFDF(ComparisonLayer):
    """A structured linear layer with 4 N real parameters instead of N^2.

        y = Re(x diag(a) F diag(d) F^-1) (+ bias)

    with complex diagonals a and d and the unitary discrete Fourier transform F. It is the layer
    about which the paper proves that a deep enough stack can be any matrix.

    Source: Moczulski, Denil, Appleyard, de Freitas, "ACDC: A Structured Efficient Linear Layer",
    ICLR 2016. (A later study's layer of this name has separate gains for real and imaginary parts.)

    Args:
        **kwargs: `use_bias`, `initial_deviation` (of both parts), `kernel_bits`, ...: see `ComparisonLayer`.

    Input and output shape: (batch, ..., N), any N.

    Weights: a (N, 2), d (N, 2): real and imaginary parts; bias (N,) if there is one; then the log2
    scales of a, d, bias and output where bits are given.

    Raises:
        ValueError: If N is not known, or an argument is wrong.
    """

    is_complex = True

    def __init__(self, use_bias: bool = False, **kwargs: Any):
        super().__init__(use_bias, **kwargs)

    def product(self, x: Tensor, a: Tensor, d: Tensor) -> Tensor:
        spectrum = fourier((x * a[:, 0], x * a[:, 1]))
        return inverse_fourier_real(multiply(spectrum, (d[:, 0], d[:, 1])))


class BlockLayer(ComparisonLayer):
    """A comparison layer whose factors are block-diagonal matrices of `groups` equal blocks."""

    config_keys = ["groups"]

    def __init__(self, groups: int, use_bias: bool, **kwargs: Any):
        super().__init__(use_bias, **kwargs)
        self.groups = positive_integer(groups, "groups")


@keras.saving.register_keras_serializable(package="keras_efficient")
class BlockACDC(BlockLayer):
    """A structured linear layer with 2 N^2 / groups parameters (and N biases).

        y = x A C D C' R + bias

    with block-diagonal matrices A and D of `groups` blocks, the orthonormal DCT-II C of all N
    entries and the riffle R (even entries first).

    Source: a PyTorch study of ACDC, 2018, after Moczulski et al., ICLR 2016.

    Args:
        groups: Number of blocks of each factor; it divides N.
        **kwargs: `use_bias`, `initial_deviation`, `kernel_bits`, ...: see `ComparisonLayer`.

    Input and output shape: (batch, ..., N).

    Weights: a (groups, N / groups, N / groups), each block (inputs, outputs); d alike; bias (N,);
    then the log2 scales of a, d, bias and output where bits are given.

    Raises:
        ValueError: If N is not known or no multiple of `groups`, or an argument is wrong.
    """

    def __init__(self, groups: int = 2, use_bias: bool = True, **kwargs: Any):
        super().__init__(groups, use_bias, **kwargs)

    def product(self, x: Tensor, a: Tensor, d: Tensor) -> Tensor:
        y = idct(block_product(dct(block_product(x, a)), d))
        return permute(y, riffle_order(y.shape[-1]))


@keras.saving.register_keras_serializable(package="keras_efficient")
class BlockAFDF(BlockLayer):
    """A structured linear layer with 4 N^2 / groups real parameters.

        y = Re(x A F D F^-1) (+ bias)

    with complex block-diagonal matrices A and D of `groups` blocks and the unitary discrete
    Fourier transform F of all N entries.

    Source: a PyTorch study of ACDC, 2018, after Moczulski et al., ICLR 2016.

    Args:
        groups: Number of blocks of each factor; it divides N.
        **kwargs: `use_bias`, `initial_deviation`, `kernel_bits`, ...: see `ComparisonLayer`.

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

    def product(self, x: Tensor, a: Tensor, d: Tensor) -> Tensor:
        spectrum = fourier((block_product(x, a[..., 0]), block_product(x, a[..., 1])))
        return inverse_fourier_real(multiply(spectrum, (d[..., 0], d[..., 1]), block_product))
