"""RandomBasisDense and RandomBasisConv2D: layers from a seed and a few coordinates."""

from typing import Any

import keras
from keras import ops

from keras_efficient.checks import positive_integer
from keras_efficient.layers.arguments import padding_name
from keras_efficient.layers.quantized.units_layer import UnitsLayer
from keras_efficient.layers.quantized.window_layer import WindowLayer
from keras_efficient.layers.random_basis.base import RandomBasisLayer
from keras_efficient.type_aliases import Activation, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class RandomBasisDense(UnitsLayer, RandomBasisLayer):
    """A fully connected layer whose kernel lies in a fixed random subspace.

        y = activation(x (theta0(seed) + basis(seed) z) + bias)

    with theta0 and basis as in `RandomBasisLayer`. Only z and the bias are trained and stored; the rest
    comes from the seed, with the same bits on every backend. The directions have length 1, so that a step
    of z moves each kernel entry by `sqrt(d / n)` of it: learning rates of Adam are larger by its inverse.

    Source: Li et al., "Measuring the Intrinsic Dimension of Objective Landscapes", 2018; Gressmann et
    al., NeurIPS 2020 (FPD).

    Args:
        units: Number of outputs.
        dimensions, seed, activation, use_bias, coordinate_bits, bias_bits, kernel_bits, activation_bits,
        signed_output, mode: See `RandomBasisLayer`.

    Input shape: (batch, ..., inputs). Output shape: (batch, ..., units).

    Weights: z (dimensions,), bias (units,), then scales as `RandomBasisLayer` says.

    Raises:
        ValueError: For wrong arguments, and in `build` if `dimensions` is larger than inputs x units.

    Example:

    >>> layer = RandomBasisDense(10, dimensions=50, seed=7)
    >>> layer(keras.ops.ones((2, 64))).shape
    (2, 10)
    """

    def __init__(
        self,
        units: int,
        dimensions: int,
        seed: int = 0,
        activation: Activation = None,
        use_bias: bool = True,
        **kwargs: Any,
    ):
        super().__init__(units, dimensions, seed, activation, use_bias, **kwargs)

    def build(self, input_shape: Shape) -> None:
        self.add_weights((self.fix_inputs(input_shape), self.units))

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        return ops.matmul(x, kernel)


@keras.saving.register_keras_serializable(package="keras_efficient")
class RandomBasisConv2D(WindowLayer, RandomBasisLayer):
    """A two-dimensional convolution (channels last) whose kernel lies in a fixed random subspace.

        y = activation(x * (theta0(seed) + basis(seed) z) + bias)

    where `*` is the convolution of `keras.layers.Conv2D`, and theta0 and basis are as in
    `RandomBasisLayer`. See `RandomBasisDense` for the source and for learning rates.

    Args:
        filters: Number of output channels.
        kernel_size: Integer or pair (rows, columns).
        dimensions, seed, activation, use_bias, coordinate_bits, bias_bits, kernel_bits, activation_bits,
        signed_output, mode: See `RandomBasisLayer`.
        strides: Integer or pair (rows, columns).
        padding: `"valid"` or `"same"`.

    Input shape: (batch, rows, columns, channels). Output shape: (batch, new rows, new columns, filters).

    Weights: z (dimensions,), bias (filters,), then scales as `RandomBasisLayer` says.

    Raises:
        ValueError: For wrong arguments, and in `build` if `dimensions` is larger than the kernel.
    """

    config_keys = ["filters"]

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        dimensions: int,
        seed: int = 0,
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        activation: Activation = None,
        use_bias: bool = True,
        **kwargs: Any,
    ):
        window = (kernel_size, strides, padding_name(padding))
        super().__init__(*window, dimensions, seed, activation, use_bias, **kwargs)
        self.filters = positive_integer(filters, "filters")

    def build(self, input_shape: Shape) -> None:
        channels = self.fix_inputs(input_shape, self.places)
        self.add_weights((*self.kernel_size, channels, self.filters))

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        return ops.conv(x, kernel, strides=self.strides, padding=self.padding, data_format="channels_last")
