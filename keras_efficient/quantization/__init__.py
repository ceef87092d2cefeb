"""The modes of a quantized network, calibration and diagnostics."""

from keras_efficient.quantization.calibration import calibrate
from keras_efficient.quantization.diagnostics import diagnose
from keras_efficient.quantization.modes import (
    quantized_layers,
    round_scales,
    scale_table,
    scale_variables,
    set_mode,
)
from keras_efficient.quantization.own_model import float_layers, quantize_model

__all__ = [
    "calibrate",
    "diagnose",
    "float_layers",
    "quantize_model",
    "quantized_layers",
    "round_scales",
    "scale_table",
    "scale_variables",
    "set_mode",
]
