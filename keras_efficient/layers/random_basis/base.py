"""What the random-basis layers share: the kernel from the seed and the coordinates."""

import math
from typing import Any

import keras
import numpy as np
from keras import activations, ops

from keras_efficient.layers.arguments import optional_bits, positive_integer, whole_number
from keras_efficient.layers.masking import masked
from keras_efficient.ops.covering import quantize_covering
from keras_efficient.ops.hashing import hashed_uniform
from keras_efficient.ops.sketches import bucket_sizes, coprime_width, strided_expand
from keras_efficient.type_aliases import Activation, Config, Tensor

SIGN_SALT, START_SALT = 0, 1


class RandomBasisLayer(keras.layers.Layer):
    """A layer with a kernel in a fixed random subspace.

        kernel = theta0(seed) + basis(seed) z

    The kernel is a matrix of rows with `width` entries, one for each output. theta0 is Glorot's uniform
    start, `sqrt(6 / (fan_in + fan_out))` times `ops.hashed_uniform(seed, 1, n)`. The basis is the strided
    sketch of `ops.strided_expand(z, seed=seed, salt=0)` on rows padded to the next `width` that shares
    no factor with `dimensions`; its columns are orthonormal.

    Args:
        dimensions: d, the number of coordinates; at most the number of kernel entries.
        seed: Any integer, taken modulo 2^32. Layers of one model should have different ones.
        activation: Keras activation (name or function); None is linear.
        use_bias: Whether to add a bias.
        coordinate_bits, bias_bits: Widths in bits, 1 to 16, that z and the bias are rounded to whenever the
            layer computes, by `ops.quantize` with the smallest power-of-two scale that cuts nothing off;
            gradients pass straight through. None leaves them float.

    Weights: z (d,), which starts at zero, and bias.
    """

    applies_pruning_masks = True  # see `layers.masking`

    def __init__(
        self,
        dimensions: int,
        seed: int = 0,
        activation: Activation = None,
        use_bias: bool = True,
        coordinate_bits: int | None = None,
        bias_bits: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.dimensions = positive_integer(dimensions, "dimensions")
        self.seed = whole_number(seed, "seed")
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.coordinate_bits = optional_bits(coordinate_bits, "coordinate_bits")
        self.bias_bits = optional_bits(bias_bits, "bias_bits")

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        """The linear part of the layer without the bias."""
        raise NotImplementedError

    def add_weights(self, kernel_shape: tuple[int, ...]) -> None:
        """Create z and the bias of a kernel whose last axis is the outputs."""
        count = math.prod(kernel_shape)
        if self.dimensions > count:
            raise ValueError(
                f"Layer '{self.name}' has a kernel of shape {tuple(kernel_shape)}, {count} entries: `dimensions` must "
                f"not be larger. Received: dimensions={self.dimensions}"
            )
        self.kernel_shape = tuple(kernel_shape)
        # Rounded in float32 under any dtype policy, so that the file holds what the layer computes with.
        self.z = self.add_weight(name="z", shape=(self.dimensions,), initializer="zeros", autocast=False)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=kernel_shape[-1:], initializer="zeros", autocast=False)

    def kernel(self) -> Tensor:
        """The kernel, float32, made anew from the seed and z."""
        return ops.reshape(self._start() + self._offset(), self.kernel_shape)

    def get_prunable_weights(self) -> list[keras.Variable]:
        """What a `Prunable` masks: coordinates, which leave the kernel as the seed made it."""
        return [self.z]

    def call(self, inputs: Tensor) -> Tensor:
        y = self.apply_kernel(inputs, ops.cast(self.kernel(), self.compute_dtype))
        if self.use_bias:
            bias = quantize_covering(ops.convert_to_tensor(self.bias), self.bias_bits)
            y = y + ops.cast(bias, self.compute_dtype)
        return self.activation(y)

    def _start(self):
        receptive, (fan_in, fan_out) = math.prod(self.kernel_shape[:-2]), self.kernel_shape[-2:]
        limit = math.sqrt(6 / (receptive * (fan_in + fan_out)))
        return limit * hashed_uniform(self.seed, START_SALT, math.prod(self.kernel_shape))

    def _offset(self):
        width = self.kernel_shape[-1]
        rows, padded = math.prod(self.kernel_shape[:-1]), coprime_width(width, self.dimensions)
        positions = (np.arange(rows)[:, None] * padded + np.arange(width)).ravel()
        sizes = bucket_sizes(positions, self.dimensions)
        coordinates = ops.cast(ops.convert_to_tensor(self.z), "float32")
        z = masked(quantize_covering(coordinates, self.coordinate_bits), self.z)
        vector = strided_expand(z, rows * padded, self.seed, SIGN_SALT, sizes)
        return ops.reshape(ops.reshape(vector, (rows, padded))[:, :width], (-1,))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "dimensions": self.dimensions,
            "seed": self.seed,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "coordinate_bits": self.coordinate_bits,
            "bias_bits": self.bias_bits,
        }
