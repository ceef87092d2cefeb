"""The side QKeras (qkeras-v3) of compare_qat.py: its power-of-two scales for each filter, or float ones ("auto")."""

from types import SimpleNamespace

import keras
from qkeras import QActivation, QConv2D, QDense, quantized_bits, quantized_relu

from peers.qat_start import BIAS_BITS, Side, exponent, plain_bits
from peers.tiny_networks import keras_model

SCALES = {"qkeras": "auto_po2", "qkeras_float_scales": "auto"}


def make(side, start, settings):
    """The network of the start, quantized."""
    bits = settings["bits"]
    layers = {"MaxPooling2D": keras.layers.MaxPooling2D, "Flatten": keras.layers.Flatten}
    layers |= {"Conv2D": _kernel_layer(QConv2D, side, start, bits), "Dense": _kernel_layer(QDense, side, start, bits)}
    layers["ReLU"] = lambda name: _activation(start, name.removesuffix("_relu"), bits)
    for kind in ("AveragePooling2D", "Add"):
        layers[kind] = _quantized(getattr(keras.layers, kind), start, bits)
    library = SimpleNamespace(Input=keras.Input, Model=keras.Model, layers=SimpleNamespace(**layers))
    model = start.filled(keras_model(start.network, library))
    return Side(model, lambda: plain_bits(start.weights, bits))


def _kernel_layer(layer, side, start, bits):
    relus = {each.target for each in start.network.operations if each.relu}

    def make(*sizes, name, **settings):
        biases = quantized_bits(BIAS_BITS, exponent(start.weights[name][1], BIAS_BITS) + BIAS_BITS - 1, alpha=1)
        kernels = quantized_bits(bits, 0, alpha=SCALES[side])
        made = layer(*sizes, name=name, kernel_quantizer=kernels, bias_quantizer=biases, **settings)
        inner = name not in relus and name != start.network.output
        return _followed(made, _activation(start, name, bits, "_codes")) if inner else made

    return make


def _quantized(layer, start, bits):
    """A layer whose output gets the width, unless a relu does it."""
    relus = {each.target for each in start.network.operations if each.relu}

    def make(*sizes, name):
        made = layer(*sizes, name=name)
        return made if name in relus else _followed(made, _activation(start, name, bits, "_codes"))

    return make


def _followed(first, second):
    return lambda x: second(first(x))


def _activation(start, name, bits, suffix="_relu"):
    width, step = start.bits(name, bits), start.map_exponent(name, bits)
    if start.signed[name]:
        return QActivation(quantized_bits(width, step + width - 1, alpha=1), name=name + suffix)
    return QActivation(quantized_relu(width, step + width), name=name + suffix)
