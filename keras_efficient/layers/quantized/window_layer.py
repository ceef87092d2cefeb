"""Layers that slide a window over images, or along time."""

from typing import Any

import numpy as np
from keras import ops

from keras_efficient.checks import integer_pair, positive_integer
from keras_efficient.kinds.windows import Slide, read_signal_window, read_window
from keras_efficient.layers.arguments import last_size, signal_padding, window_padding, window_places
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.type_aliases import Config, Shape, Tensor


class WindowLayer(QuantizedLayer):
    """A layer of a window: kernel size, strides and padding.

    places: Along how many axes it slides: rows and columns, whose sizes are pairs, or steps, whose sizes are integers.
    """

    padding: Any  # its kind depends on the places
    places = 2
    config_keys = ["kernel_size", "strides", "padding"]

    def __init__(self, kernel_size: Any, strides: Any, padding: Any, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.kernel_size = self.read_size(kernel_size, "kernel_size")
        self.strides = self.read_size(strides, "strides")
        self.padding = window_padding(padding) if self.places == 2 else signal_padding(padding)

    def read_size(self, value: Any, name: str) -> Any:
        """A number for each axis, as the layer keeps them, or a ValueError."""
        return integer_pair(value, name) if self.places == 2 else positive_integer(value, name)

    @property
    def kernel_sizes(self) -> tuple[int, ...]:
        """The axes of the kernel that lie along the places."""
        return self.kernel_size if self.places == 2 else (self.kernel_size,)

    @property
    def window_config(self) -> Config:
        """What `window` is read from."""
        return {name: getattr(self, name, 1) for name in ("kernel_size", "strides", "padding", "dilation_rate")}

    @property
    def window(self) -> Slide:
        """As the price and the integers read it: a signal is an image of one row, causal padding its zeros."""
        return (read_window if self.places == 2 else read_signal_window)(self.window_config, "kernel_size")

    def padded(self, x: Tensor) -> tuple[Tensor, str]:
        """The input with the zeros that the layer was given, and the padding that is left for the operation."""
        padding = self.window.padding
        if isinstance(padding, str):
            return x, padding
        return ops.pad(x, [(0, 0), *padding[-self.places :], (0, 0)]), "valid"

    def output_channels(self, input_channels: int) -> int:
        """The channels of the output map."""
        return self.filters

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        channels = last_size(input_shape, self.name, self.places)
        return (input_shape[0], *window_places(input_shape, self.window, self.name), self.output_channels(channels))


class DilatedLayer(WindowLayer):
    """A layer of a window whose places may lie apart: `dilation_rate`, with strides of 1 only."""

    config_keys = ["dilation_rate"]

    def __init__(self, *args: Any, dilation_rate: int | tuple[int, int] = 1, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.dilation_rate = self.read_size(dilation_rate, "dilation_rate")
        if np.max(self.dilation_rate) > 1 and np.max(self.strides) > 1:  # no backend computes that
            raise ValueError(
                "`dilation_rate` must be 1 where `strides` is not. "
                f"Received: dilation_rate={self.dilation_rate}, strides={self.strides}"
            )
