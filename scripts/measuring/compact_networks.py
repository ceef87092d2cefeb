"""The small MNIST networks of compact_layers_in_c.py: one compact layer, or a plain one of some width in its place.

dense:        28 x 28 -> mean of 2 x 2 -> 196 -> the layer, relu -> Dense(10)
convolutions: 28 x 28 -> mean of 2 x 2 -> Conv2D(8, 3), relu -> largest of 2 x 2 -> 6 x 6 x 8
              -> the layer, 3 x 3, relu -> largest of 2 x 2 -> Dense(10)
"""

import bisect
import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import keras

import keras_efficient as ke

L = keras.layers
UNITS, FILTERS = 56, 32
KRONECKER = {"p": 8, "q": 14}  # of 56 units and 196 inputs
WIDEST = 128
BITS = {"kernel_bits": 4, "bias_bits": 8, "activation_bits": 4}


@dataclass(frozen=True)
class Compact:
    """A network.

    make: the layers in the place of the one. shown: what a table calls them. is_conv: which of the two networks.
    rate: factor on the learning rates. diagonals: the factors of ACDC take larger steps. kernel_bits: of the layer;
    all else has BITS.
    """

    make: Callable[[], list[keras.layers.Layer]]
    shown: str
    is_conv: bool = False
    rate: float = 1.0
    diagonals: bool = False
    kernel_bits: int = BITS["kernel_bits"]

    def model(self):
        """The network in float, untrained."""
        first, last = [L.AveragePooling2D(2)], [L.Flatten(), L.Dense(10)]
        if self.is_conv:
            first += [L.Conv2D(8, 3, activation="relu"), L.MaxPooling2D(2)]
            last.insert(0, L.MaxPooling2D(2))
        else:
            first.append(L.Flatten())
        return keras.Sequential([keras.Input((28, 28, 1)), *first, *self.make(), *last])

    def quantized(self, model, x):
        """A copy of it on grids; the scales are set from x."""
        return ke.quantize_model(model, **BITS, x=x, overrides={"compact*": {"kernel_bits": self.kernel_bits}})


def dense(width):
    """The dense network with a plain layer."""
    return Compact(lambda: [L.Dense(width, activation="relu", name="compact")], f"DenseQ({width})")


def convolution(width):
    """The convolutional network with a plain layer."""
    make = functools.partial(L.Conv2D, width, 3, activation="relu", name="compact")
    return Compact(lambda: [make()], f"ConvQ({width}, 3)", is_conv=True)


def plain(is_conv, width):
    """The network of a kind with a plain layer."""
    return (convolution if is_conv else dense)(width)


def bytes_of(model):
    """Weight bytes of a quantized network."""
    return float(ke.estimate_storage(model).weight_bytes)


@functools.cache
def plain_bytes(is_conv, width):
    """Weight bytes of the network with a plain layer, untrained."""
    network = plain(is_conv, width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that activations have no scales yet
        return bytes_of(network.quantized(network.model(), None))


def width_of_equal_bytes(is_conv, weight_bytes):
    """The width whose bytes are nearest."""
    widths = range(1, WIDEST + 1)
    place = bisect.bisect_left(widths, weight_bytes, hi=WIDEST - 1, key=lambda width: plain_bytes(is_conv, width))
    return min(widths[max(place - 1, 0) : place + 1], key=lambda width: abs(plain_bytes(is_conv, width) - weight_bytes))


def _families():
    common = {"activation": "relu", "name": "compact"}
    basis = {**common, "seed": 1, "coordinate_bits": 4}
    image = {"transform": "dct2d", "permutation": "riffle"}

    def acdc():
        return [ke.ACDC(**image, name="compact_1"), L.ReLU(), ke.ACDC(**image, name="compact_2"), L.ReLU()]

    def stack(**settings):
        return [ke.ACDCDense(UNITS, 4, permutation="riffle", **settings, name="compact"), L.ReLU()]

    return {
        "low_rank": Compact(lambda: [ke.LowRankDense(UNITS, 8, **common)], "LowRankDense(56, rank=8)"),
        "phm": Compact(lambda: [ke.PHMDense(UNITS, 4, **KRONECKER, **common)], "PHMDense(56, terms=4, p=8, q=14)"),
        "lphm": Compact(lambda: [ke.LPHMDense(UNITS, 4, **KRONECKER, **common)], "LPHMDense(56, rank=4, p=8, q=14)"),
        "dual_lphm": Compact(
            lambda: [ke.DualLPHMDense(UNITS, 4, **KRONECKER, **common)], "DualLPHMDense(56, rank=4, p=8, q=14)"
        ),
        "monarch": Compact(lambda: [ke.MonarchDense(UNITS, 14, **common)], "MonarchDense(56, blocks=14)"),
        "acdc": Compact(acdc, "ACDC(dct2d), twice", rate=0.5, diagonals=True, kernel_bits=8),
        "acdc_dense_dct": Compact(
            lambda: stack(transform="dct", groups=4),
            "ACDCDense(56, depth=4, dct, groups=4)",
            rate=0.5,
            diagonals=True,
            kernel_bits=8,
        ),
        "acdc_dense_dct2d": Compact(
            lambda: stack(transform="dct2d"), "ACDCDense(56, depth=4, dct2d)", rate=0.5, diagonals=True, kernel_bits=8
        ),
        "random_basis": Compact(
            lambda: [ke.RandomBasisDense(UNITS, 1000, **basis)],
            "RandomBasisDense(56, dimensions=1000)",
            rate=4,
            kernel_bits=8,
        ),
        "phm_conv": Compact(
            lambda: [ke.PHMConv2D(FILTERS, 3, terms=2, p=8, q=4, **common)],
            "PHMConv2D(32, 3, terms=2, p=8, q=4)",
            is_conv=True,
        ),
        "acdc_conv": Compact(
            lambda: [ke.ACDCConv2D(FILTERS, 3, depth=2, name="compact"), L.ReLU()],
            "ACDCConv2D(32, 3, depth=2)",
            is_conv=True,
            rate=0.5,
            diagonals=True,
            kernel_bits=8,
        ),
        "random_basis_conv": Compact(
            lambda: [ke.RandomBasisConv2D(FILTERS, 3, 400, **basis)],
            "RandomBasisConv2D(32, 3, dimensions=400)",
            is_conv=True,
            rate=4,
            kernel_bits=8,
        ),
    }


FAMILIES = _families()
