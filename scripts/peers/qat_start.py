"""The float start of compare_qat.py: one network in the layers of any library, its weights from a file."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from peers.tiny_networks import INPUT, keras_model, mnist, resnet8

NETWORKS = {"mnist": mnist, "resnet8": resnet8}
KERNELS = ("convolution", "depthwise", "dense")
PIXEL_BITS, BIAS_BITS = 8, 8
CALIBRATION = 512  # images
EXPONENTS = np.arange(-16, 9)


@dataclass(frozen=True)
class Side:
    """A network in the layers of a package. allowed: bits that its weights may have at most."""

    model: Any
    weight_bits: Callable[[], int]
    callbacks: list = field(default_factory=list)
    allowed: float = math.inf


class Start:
    """A network as it leaves float training.

    model: in plain layers of `library`. weights: {name of the layer: [kernel, bias]}. maps: what each map holds for
    the images. sources: of the maps, by name; signed: whether a map can be negative.
    """

    def __init__(self, name, path, images, library=keras):
        self.network = NETWORKS[name]()
        with np.load(path) as found:
            self.weights = {key: [found[f"{key}/kernel"], found[f"{key}/bias"]] for key in self.kernels(self.network)}
        self.model = self.filled(keras_model(self.network, library))
        self.sources = {each.target: each.sources for each in self.network.operations}
        self.signed = {INPUT: False} | {each.target: self._signed(each) for each in self.network.operations}
        self.maps = {INPUT: images} | self._maps(images, library)

    @staticmethod
    def kernels(network):
        return [each.target for each in network.operations if each.kind in KERNELS]

    def filled(self, model):
        """A model of any library with the weights of the start; of other layers none changes."""
        for name, (kernel, bias) in self.weights.items():
            layer = model.get_layer(name)
            layer.kernel.assign(kernel)
            layer.bias.assign(bias)
        return model

    def bits(self, name, bits):
        """The width of a map."""
        return PIXEL_BITS if name == INPUT else bits

    def map_exponent(self, name, bits):
        """Log2 of the step of a map's grid."""
        return exponent(self.maps[name], self.bits(name, bits), self.signed[name])

    def _signed(self, operation):
        return not operation.relu and operation.kind not in ("average", "maximum")

    def _maps(self, images, library):
        ends = {each.target: f"{each.target}_relu" if each.relu else each.target for each in self.network.operations}
        outputs = [self.model.get_layer(name).output for name in ends.values()]
        found = library.Model(self.model.inputs, outputs).predict(images, verbose=0)
        return dict(zip(ends, found, strict=True))


def levels(bits, signed, symmetric=False):
    """The lowest and the highest code."""
    return (-(2 ** (bits - 1)) + symmetric, 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def exponent(values, bits, signed=True, symmetric=False):
    """Log2 of the power-of-two step with the least squared error."""
    lowest, highest = levels(bits, signed, symmetric)
    steps = 2.0**EXPONENTS
    errors = [np.mean((np.clip(np.round(values / step), lowest, highest) * step - values) ** 2) for step in steps]
    return int(EXPONENTS[np.argmin(errors)])


def plain_bits(weights, kernel_bits, bias_bits=BIAS_BITS):
    """Bits of all kernels and biases with one width each."""
    return sum(kernel.size * kernel_bits + bias.size * bias_bits for kernel, bias in weights.values())
