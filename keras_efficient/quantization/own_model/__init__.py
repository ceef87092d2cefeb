"""Quantization-aware copies of plain Keras models."""

from keras_efficient.quantization.own_model.float_layers import float_layers
from keras_efficient.quantization.own_model.quantize_model import quantize_model

__all__ = ["float_layers", "quantize_model"]
