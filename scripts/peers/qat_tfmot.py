"""The side tfmot of compare_qat.py, on Keras 2: 8 bits, a float scale for each filter, biases of 32 bits."""

import tensorflow_model_optimization
import tf_keras

from peers.qat_start import Side, plain_bits

library = tf_keras


def make(side, start, settings):
    """The network of the start, quantized."""
    if settings["bits"] != 8:
        raise ValueError("its quantize_model has 8 bits alone")
    model = tensorflow_model_optimization.quantization.keras.quantize_model(start.model)
    return Side(model, lambda: plain_bits(start.weights, 8, 32))
