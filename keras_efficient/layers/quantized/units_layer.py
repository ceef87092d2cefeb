"""Layers on the last axis of their input, with a number of outputs."""

from typing import Any

from keras_efficient.checks import positive_integer
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.type_aliases import Shape


class UnitsLayer(QuantizedLayer):
    """A layer from (batch, ..., inputs) to (batch, ..., units)."""

    config_keys = ["units"]

    def __init__(self, units: int, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.units = positive_integer(units, "units")
        self.supports_masking = True

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)
