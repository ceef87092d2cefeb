"""Factors that start near the identity."""

import math

import keras
import numpy as np
from keras import initializers, ops

from keras_efficient.type_aliases import Config


@keras.saving.register_keras_serializable(package="keras_efficient")
class NearIdentity(initializers.Initializer):
    """The identity plus normal noise: for complex diagonals, blocks and complex blocks.

    Args:
        deviation: Standard deviation of the noise; of the sum over a row in blocks, whose entries
            get `deviation / sqrt(block size)`.
        blocks: Whether the factor holds square blocks (..., m, m), else diagonals (..., N).
        complex_numbers: Whether a last axis of 2 holds real and imaginary parts.
        seed: Integer or None.
    """

    def __init__(
        self, deviation: float = 0.06, blocks: bool = False, complex_numbers: bool = False, seed: int | None = None
    ):
        self.deviation = float(deviation)
        self.blocks = bool(blocks)
        self.complex_numbers = bool(complex_numbers)
        self.noise = initializers.RandomNormal(0.0, 1.0, seed)

    def __call__(self, shape, dtype=None):
        real_shape = shape[:-1] if self.complex_numbers else shape
        identity = np.eye(real_shape[-1]) if self.blocks else np.ones(1)
        deviation = self.deviation / math.sqrt(real_shape[-1]) if self.blocks else self.deviation
        if self.complex_numbers:
            identity = np.stack([identity, np.zeros_like(identity)], axis=-1)
        return deviation * self.noise(shape, dtype) + ops.cast(identity, dtype or keras.config.floatx())

    def get_config(self) -> Config:
        return {
            "deviation": self.deviation,
            "blocks": self.blocks,
            "complex_numbers": self.complex_numbers,
            "seed": self.noise.seed if isinstance(self.noise.seed, int) else None,
        }
