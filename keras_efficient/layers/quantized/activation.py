"""ActivationQ: a quantizer as a layer."""

from typing import Any

import keras

from keras_efficient.kinds.arguments import flag
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.ops.quantize import check_bits
from keras_efficient.type_aliases import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class ActivationQ(QuantizedLayer):
    """Rounds its input to a grid of `bits` bits: `y = ops.quantize(x, bits, scale, signed)`.

    In float mode it passes its input on. Source: Gural & Murmann, ICML 2019 (their `QuantQ`).

    Args:
        bits: Width in bits, 1 to 16.
        signed: Whether the grid has negative codes.
        mode: See `QuantizedLayer`.

    Input shape: any. Output shape: the same.

    Weights: the log2 scale (a scalar).

    Raises:
        ValueError: If `bits` or `mode` is something else.
    """

    def __init__(self, bits: int = 4, signed: bool = True, mode: str = "float", **kwargs: Any):
        super().__init__(mode=mode, **kwargs)
        self.bits = check_bits(bits)
        self.signed = flag(signed, "signed")
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self.activation_quantizer = self.add_quantizer("activation", self.bits, self.signed)

    def call(self, inputs: Tensor) -> Tensor:
        return self.activation_quantizer(inputs, self.current_mode)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> Config:
        return {**super().get_config(), "bits": self.bits, "signed": self.signed}
