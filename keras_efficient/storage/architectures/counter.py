"""Counts multiply-adds and parameters of an architecture, under one convention."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from keras_efficient.kinds.acdc import fourier_products
from keras_efficient.kinds.windows import window_output_size
from keras_efficient.storage.architectures.builder import ArchitectureBuilder

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Convention:
    """How a stack of ACDC layers is charged.

    Attributes:
        layers: Layers of the stack that are charged, of the twelve there are.
        at_input_size: Whether the channels after a depthwise convolution are charged at all
            positions of its input, also where its strides leave a quarter of them.
    """

    layers: int
    at_input_size: bool


CONVENTIONS = {
    "corrected": Convention(layers=12, at_input_size=False),
    "log": Convention(layers=11, at_input_size=True),
    "log_one_layer": Convention(layers=1, at_input_size=True),
}


class CostCounter(ArchitectureBuilder):
    """A builder whose maps are shapes (rows, columns, channels), and which adds up what passes.

    Args:
        replacement: Function (counter, shape, filters, kernel_size, strides) -> shape that counts
            what takes the place of a replaceable convolution; None keeps it.

    Attributes:
        mult_adds: Products of convolutions, products and biases of dense layers, and one for each
            cell of a counted relu or mean.
        parameters: Numbers that train: two a channel in a normalization.
    """

    def __init__(self, replacement: Callable[..., Shape] | None = None):
        self.mult_adds = 0
        self.parameters = 0
        self._replacement = replacement

    def channels(self, x: Shape) -> int:
        return x[2]

    def convolution(
        self, x: Shape, filters: int, kernel_size: int = 1, strides: int = 1, groups: int = 1, use_bias: bool = False
    ) -> Shape:
        kernels = kernel_size**2 * x[2] * filters // groups
        rows, columns = _map_size(x, strides)
        self.mult_adds += rows * columns * kernels
        self.parameters += kernels + (filters if use_bias else 0)
        return (rows, columns, filters)

    def replaceable(
        self, x: Shape, filters: int, kernel_size: int = 1, strides: int = 1, use_bias: bool = False
    ) -> Shape:
        if self._replacement is None:
            return self.convolution(x, filters, kernel_size, strides, use_bias=use_bias)
        return self._replacement(self, x, filters, kernel_size, strides)

    def depthwise(self, x: Shape, kernel_size: int = 3, strides: int = 1) -> Shape:
        return self.convolution(x, x[2], kernel_size, strides, groups=x[2])

    def normalized(self, x: Shape) -> Shape:
        self.parameters += 2 * x[2]
        return x

    def relu(self, x: Shape, counted: bool = True) -> Shape:
        self.mult_adds += math.prod(x) if counted else 0
        return x

    def added(self, x: Shape, y: Shape) -> Shape:
        if x != y:
            raise ValueError(f"only maps of one shape can be added. Received: {x} and {y}")
        return x

    def stage(self, x: Shape) -> Shape:
        return x

    def classified(self, x: Shape, classes: int, counted: bool = False) -> Shape:
        self.relu(x, counted)  # the mean: one for each cell, too
        self.mult_adds += (x[2] + 1) * classes
        self.parameters += (x[2] + 1) * classes
        return (1, 1, classes)


def _map_size(x: Shape, strides: int) -> tuple[int, int]:
    """Rows and columns after a window with these strides; with padding "same" its size does not matter."""
    rows, columns = (window_output_size(size, 1, strides, "same") for size in x[:2])
    return rows, columns


def acdc_stack(convention: Convention) -> Callable[..., Shape]:
    """The replacement by a linear stack without biases, after a depthwise convolution unless the kernel is 1x1.

    K layers of N entries take K (4 N + 5 N log2 N) products per position, or N^2 as one matrix where
    they are fewer.
    """

    def count(counter: CostCounter, x: Shape, filters: int, kernel_size: int, strides: int) -> Shape:
        has_window = kernel_size > 1
        if has_window:
            counter.depthwise(x, kernel_size, strides)
        positions = math.prod(_map_size(x, 1 if has_window and convention.at_input_size else strides))
        size = max(x[2], filters)
        counter.mult_adds += round(positions * min(convention.layers * fourier_products(size), size**2))
        counter.parameters += convention.layers * 2 * size
        return (*_map_size(x, strides), filters)

    return count
