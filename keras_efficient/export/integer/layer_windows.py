"""The windows of layers, as their configurations write them; a signal is an image of one row."""

from __future__ import annotations

from typing import Any

from keras_efficient.descriptions.windows import read_signal_window, read_window, window_output_size
from keras_efficient.export.integer.grids import UnsupportedLayerError
from keras_efficient.export.integer.operations import IntegerMap
from keras_efficient.export.integer.windows import Window


def window_of(layer: Any, source: IntegerMap, size_key: str) -> Window:
    try:
        sizes, strides, padding = read_window(layer.get_config(), size_key)
    except ValueError as error:
        raise UnsupportedLayerError(layer.name, str(error)) from None
    axes = zip(source.shape[:2], sizes, strides, strict=True)
    rows, columns = (window_output_size(*axis, padding) for axis in axes)
    return Window(source.shape[:2], (rows, columns), sizes, strides, padding)


def signal_window_of(layer: Any, source: IntegerMap, size_key: str) -> Window:
    """A window along time: a signal is an image of one row."""
    try:
        size, stride, padding = read_signal_window(layer.get_config(), size_key)
    except ValueError as error:
        raise UnsupportedLayerError(layer.name, str(error)) from None
    steps = window_output_size(source.shape[1], size, stride, padding)
    return Window(source.shape[:2], (1, steps), (1, size), (1, stride), padding)


def whole_window(source: IntegerMap) -> Window:
    return Window(source.shape[:2], (1, 1), source.shape[:2], source.shape[:2], "valid")
