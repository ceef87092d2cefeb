"""Quantized networks in integers."""

from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.model import IntegerModel
from keras_efficient.export.integer.operations import (
    AveragePooling,
    Convolution,
    IntegerMap,
    MaxPooling,
    Operation,
    Rescale,
    Residual,
)

__all__ = [
    "AveragePooling",
    "Codes",
    "Convolution",
    "IntegerMap",
    "IntegerModel",
    "MaxPooling",
    "Operation",
    "Rescale",
    "Residual",
]
