"""The table of a function: what it gives for each code of its input."""

from typing import Any

import keras
import numpy as np

from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.grids import UnsupportedLayerError
from keras_efficient.export.integer.operations import IntegerMap, Lookup
from keras_efficient.kinds import key_of
from keras_efficient.kinds.elementwise import FUNCTION, TABLE_BITS, TABLE_LAYERS, TABLES
from keras_efficient.layers.activation_names import activation_name

# How far apart floats may come out that several programs compute for one number, relative to it: some last digits.
NEAR = 2.0**-21


def read_lookup(layer: Any, source: IntegerMap, output: Codes) -> Lookup:
    """The function of an `ActivationQ`, called on all codes of its input."""
    name = activation_name(layer.activation)
    if name not in TABLES and key_of(layer.activation) not in (*TABLE_LAYERS, FUNCTION):
        raise UnsupportedLayerError(
            layer.name, f"only functions of a number by itself have a table. Received: activation={name!r}"
        )
    if source.codes.bits > TABLE_BITS:
        raise UnsupportedLayerError(
            layer.name,
            f"a function has a table of up to 2^{TABLE_BITS} entries. Received: an input of {source.codes.bits} bits; "
            f"right would be a layer before it with activation_bits={TABLE_BITS} or less",
        )
    values = _values_of(layer, source)
    if not np.isfinite(values).all():
        raise UnsupportedLayerError(layer.name, "its function must be finite for all codes of its input")
    table = output.nearest(values)
    return Lookup(layer.name, source, IntegerMap(source.shape, output), table, near_ties(values, output))


def _values_of(layer: Any, source: IntegerMap) -> np.ndarray:
    """(1 or channels or cells, codes) floats."""
    codes = source.codes
    integers = codes.low + codes.step * np.arange(2**codes.bits)
    x = np.ldexp(integers.astype("float32"), codes.exponent)
    if not isinstance(layer.activation, keras.layers.PReLU):
        return keras.ops.convert_to_numpy(layer.activation(keras.ops.convert_to_tensor(x)))[None].astype("float64")
    slopes = keras.ops.convert_to_numpy(layer.activation.alpha)
    if slopes.size not in (1, source.cells, source.shape[2] if slopes.shape[-1] == slopes.size else 1):
        raise UnsupportedLayerError(
            layer.name, f"slopes must be one for each channel or cell. Received: slopes of shape {slopes.shape}"
        )
    return np.where(x < 0, slopes.reshape(-1, 1) * x, x).astype("float64")


def near_ties(values: np.ndarray, output: Codes) -> bool:
    """Whether a value lies so near to the border of two codes that another program may round it the other way.

    On the border itself lie numbers that are exact in floats, which all programs compute alike.
    """
    scaled = np.ldexp(values, -output.exponent)
    inside = (scaled > output.low - 1) & (scaled < output.high + 1)
    border = np.rint(scaled / 2) * 2 if output.midrise else np.floor(scaled) + 0.5
    away = np.abs(scaled - border)
    return bool((inside & (away > 0) & (away < NEAR * np.abs(scaled))).any())
