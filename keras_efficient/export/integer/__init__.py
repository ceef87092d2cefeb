"""Quantized networks in integers."""

from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.merging import Combination, Concatenation, Outputs
from keras_efficient.export.integer.model import IntegerModel
from keras_efficient.export.integer.operations import (
    AveragePooling,
    Convolution,
    IntegerMap,
    Lookup,
    MaxPooling,
    MeanPooling,
    Move,
    Operation,
    Rescale,
    Residual,
    Scale,
    WindowOperation,
)

__all__ = [
    "AveragePooling",
    "Codes",
    "Combination",
    "Concatenation",
    "Convolution",
    "IntegerMap",
    "IntegerModel",
    "Lookup",
    "MaxPooling",
    "MeanPooling",
    "Move",
    "Operation",
    "Outputs",
    "Rescale",
    "Residual",
    "Scale",
    "WindowOperation",
]
