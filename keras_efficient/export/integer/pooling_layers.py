"""From a pooling layer to its integer operation."""

from __future__ import annotations

import math
from typing import Any

from keras_efficient.descriptions.windows import MEAN_DIGITS, mean_reciprocal
from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.context import Context, output_codes
from keras_efficient.export.integer.layer_windows import signal_window_of, whole_window, window_of
from keras_efficient.export.integer.operations import AveragePooling, IntegerMap, MaxPooling, MeanPooling, Operation
from keras_efficient.export.integer.rounding import Term, plan_rounding
from keras_efficient.export.integer.windows import Window


def read_average_pooling(layer: Any, source: IntegerMap, context: Context) -> Operation:
    window = window_of(layer, source, "pool_size")
    target = IntegerMap((*window.target, source.shape[2]), Codes(layer.bits, False, -layer.bits))
    return AveragePooling(layer.name, source, target, window)


def read_mean_pooling(layer: Any, source: IntegerMap, context: Context) -> Operation:
    read = signal_window_of if layer.input_spec.ndim == 3 else window_of
    return mean_pooling(layer, source, read(layer, source, "pool_size"), context)


def read_global_mean_pooling(layer: Any, source: IntegerMap, context: Context) -> Operation:
    return mean_pooling(layer, source, whole_window(source), context)


def mean_pooling(layer: Any, source: IntegerMap, window: Window, context: Context) -> MeanPooling:
    digits, exponent = math.frexp(mean_reciprocal(math.prod(window.sizes)))
    factor = int(digits * 2**MEAN_DIGITS)
    output = output_codes(layer, layer.activation_quantizer, context)
    bound = source.codes.bound * math.prod(window.sizes) * factor
    rounding = plan_rounding([Term(bound, source.codes.exponent + exponent - MEAN_DIGITS)], output)
    target = IntegerMap((*window.target, source.shape[2]), output)
    return MeanPooling(layer.name, source, target, window, factor, rounding)


def read_max_pooling(layer: Any, source: IntegerMap, context: Context) -> Operation:
    window = window_of(layer, source, "pool_size")
    return MaxPooling(layer.name, source, IntegerMap((*window.target, source.shape[2]), source.codes), window)


def read_signal_max_pooling(layer: Any, source: IntegerMap, context: Context) -> Operation:
    window = signal_window_of(layer, source, "pool_size")
    return MaxPooling(layer.name, source, IntegerMap((*window.target, source.shape[2]), source.codes), window)


def read_global_max_pooling(layer: Any, source: IntegerMap, context: Context) -> Operation:
    target = IntegerMap((1, 1, source.shape[2]), source.codes)
    return MaxPooling(layer.name, source, target, whole_window(source))
