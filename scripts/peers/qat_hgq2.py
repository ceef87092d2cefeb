"""HGQ2 in compare_qat.py: fixed widths, one step a tensor; and a learned width for each weight."""

from types import SimpleNamespace

import keras
import numpy as np
from hgq.config import QuantizerConfig
from hgq.constraints import Constant, MinMax
from hgq.layers import QAdd, QConv2D, QDense

from peers.qat_start import BIAS_BITS, Side, exponent, plain_bits
from peers.tiny_networks import keras_model

WHOLE = {"homogeneous_axis": None, "heterogeneous_axis": ()}  # one width and one range a tensor
EVERY = 20  # steps from one look at the widths to the next
HALF = 0.49  # widths begin spread over the numbers that round to the same one, so that a small step changes some


def make(side, start, settings):
    """The network of the start, quantized."""
    bits = settings["bits"]
    model = start.filled(_model(side, start, bits))
    if side == "hgq2":
        return Side(model, lambda: plain_bits(start.weights, bits))
    fixed = plain_bits(start.weights, 0)
    budget = Budget(plain_bits(start.weights, bits) - fixed)
    return Side(model, lambda: _kernel_bits(model) + fixed, [budget], allowed=plain_bits(start.weights, bits))


def _model(side, start, bits):
    layers = {name: getattr(keras.layers, name) for name in ("AveragePooling2D", "MaxPooling2D", "Flatten", "ReLU")}
    layers |= {"Conv2D": _kernel_layer(QConv2D, side, start, bits), "Dense": _kernel_layer(QDense, side, start, bits)}
    layers["Add"] = lambda name: QAdd(
        name=name, iq_confs=[_map(start, source, bits) for source in start.sources[name]], enable_ebops=False
    )
    library = SimpleNamespace(Input=keras.Input, Model=keras.Model, layers=SimpleNamespace(**layers))
    return keras_model(start.network, library)


def _kernel_layer(layer, side, start, bits):
    def make(*sizes, name, **settings):
        kernel, bias = start.weights[name]
        learned = side == "hgq2_learned"
        configs = {
            "kq_conf": _learned(kernel, bits) if learned else _fixed("weight", kernel, bits),
            "bq_conf": _fixed("bias", bias, BIAS_BITS),
            "iq_conf": _map(start, start.sources[name][0], bits),
        }
        # The count of bit operations, with each product counted once: it is then the bits of the weights times those
        # of the maps.
        return layer(
            *sizes, name=name, enable_ebops=learned, parallelization_factor=1, beta0=0.0, **configs, **settings
        )

    return make


def _map(start, name, bits):
    width, signed = start.bits(name, bits), start.signed[name]
    return _config("datalane", width, start.map_exponent(name, bits), signed, "SAT")


def _fixed(place, values, bits):
    return _config(place, bits, exponent(values, bits, symmetric=True), True, "SAT_SYM")


def _config(place, bits, step, signed, overflow):
    """A width that stays, and a range that learns; HGQ2 counts bits without the sign."""
    width = bits - signed
    ranges = {"k0": signed, "b0": width, "i0": step + width, "bc": Constant(width)}
    return QuantizerConfig("kbi", place, overflow_mode=overflow, **ranges, **WHOLE)


def _learned(kernel, bits):
    width, step = bits - 1, exponent(kernel, bits, symmetric=True)
    widths = keras.initializers.RandomUniform(width - HALF, width + HALF, seed=0)
    return QuantizerConfig("kbi", "weight", b0=widths, i0=step + width, bc=MinMax(0, 12))


def _kernel_bits(model):
    """Of all kernels: the width of each weight and its sign, of weights without a width nothing."""
    widths = [np.round(keras.ops.convert_to_numpy(layer.kq.quantizer._b)) for layer in _counted(model)]
    return int(sum(np.sum((each + 1) * (each > 0)) for each in widths))


def _counted(model):
    return [layer for layer in model.layers if getattr(layer, "_beta", None) is not None]


class Budget(keras.callbacks.Callback):
    """Holds the bits of the kernels at a number by HGQ2's beta, which weighs their count in the loss."""

    def __init__(self, bits):
        super().__init__()
        self.bits, self.beta = bits, 1e-6

    def on_train_batch_end(self, batch, logs=None):
        if batch % EVERY == 0:
            over = _kernel_bits(self.model) > 0.99 * self.bits
            self.beta = float(np.clip(self.beta * (1.3 if over else 0.7), 1e-9, 1e-2))
            for layer in _counted(self.model):
                layer._beta.assign(self.beta)
