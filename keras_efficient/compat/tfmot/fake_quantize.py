"""FakeQuantize: tfmot's rounding of activations, for inference."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_efficient.type_aliases import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class FakeQuantize(keras.layers.Layer):
    """Rounds to the affine grid of TensorFlow's `fake_quant_with_min_max_vars`.

        step = (maximum - minimum) / (last - first)           first = 0 (narrow_range: 1), last = 2^bits - 1
        zero = round(clip(first - minimum / step, first, last))
        low, high = (first - zero) step, (last - zero) step
        y = floor((clip(x, low, high) - low) / step - floor(0.5 - low / step) + 0.5) step

    all in float32. On TensorFlow the numbers are the same to the last bit; on JAX a number half way between two codes
    may become the other one. Source: TensorFlow, core/kernels/fake_quant_ops_functor.h; tfmot takes 8 bits.

    It keeps the outputs of a converted model what they were. The floor has no gradient: to train on, convert with
    `quantizers=False` and use `keras_efficient.quantize_model`.

    Args:
        minimum, maximum: The range, as tfmot has learned it. Both 0: everything becomes 0.
        bits: Width in bits, 2 to 16.
        narrow_range: Whether the lowest code is left out.

    Input shape: any. Output shape: the same.

    Raises:
        ValueError: If the range does not hold 0 or is not finite, or the bits are out of range; when it is trained.
    """

    def __init__(self, minimum: float, maximum: float, bits: int = 8, narrow_range: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.minimum, self.maximum = float(minimum), float(maximum)
        self.bits, self.narrow_range = int(bits), bool(narrow_range)
        if not self.minimum <= 0 <= self.maximum or not np.isfinite([self.minimum, self.maximum]).all():
            raise ValueError(
                "`minimum` and `maximum` must be finite, with 0 between them or equal to one. "
                f"Received: minimum={minimum!r}, maximum={maximum!r}"
            )
        if not 2 <= self.bits <= 16:
            raise ValueError(f"`bits` must be from 2 to 16. Received: bits={bits!r}")
        self.supports_masking = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if training:
            raise ValueError(
                f"Layer '{self.name}' (FakeQuantize) has no gradient. Right would be to convert the model with "
                "`quantizers=False` and to train what `keras_efficient.quantize_model` makes of it. "
                f"Received: training={training!r}"
            )
        if self.minimum == self.maximum:
            return ops.zeros_like(inputs)
        low, high, step = self._grid()
        zero = np.floor(np.float32(0.5) - low / step)
        codes = ops.floor((ops.clip(ops.cast(inputs, "float32"), low, high) - low) / step - zero + np.float32(0.5))
        return ops.cast(codes * step, self.compute_dtype)

    def _grid(self):
        first, last = np.float32(self.narrow_range), np.float32(2**self.bits - 1)
        minimum, maximum = np.float32(self.minimum), np.float32(self.maximum)
        step = (maximum - minimum) / (last - first)
        zero = np.floor(np.clip(first - minimum / step, first, last) + np.float32(0.5))
        return (first - zero) * step, (last - zero) * step, step

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "minimum": self.minimum,
            "maximum": self.maximum,
            "bits": self.bits,
            "narrow_range": self.narrow_range,
        }
