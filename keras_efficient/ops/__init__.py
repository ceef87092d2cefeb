"""Pure tensor functions on `keras.ops`: no state, no classes, the same numbers on every backend."""

from keras_efficient.ops.depthwise_conv import depthwise_conv
from keras_efficient.ops.quantize import code_range, power_of_two, quantize, to_codes

__all__ = ["code_range", "depthwise_conv", "power_of_two", "quantize", "to_codes"]
