"""One quantized tensor of a layer: its grid and its scale."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import keras
import numpy as np

from keras_efficient.layers.quantized.mode import Mode
from keras_efficient.ops.quantize import Grid
from keras_efficient.type_aliases import Tensor


@dataclass
class Quantizer:
    """The grid of one tensor: bits, signedness and the log2 scale that a layer owns.

    A layer keeps one for its kernel, its bias and its output; calibration and diagnostics walk
    over them and need to know nothing about the layer.

    Attributes:
        name: What is quantized: `"kernel"`, `"bias"`, `"activation"` (numbered in blocks).
        bits: Width in bits, 1 to 16.
        signed: Whether the grid has negative codes.
        scale: Keras variable with the log2 scale: a scalar, or one number per filter.
        weight: Keras variable with the values, or None for an activation.
        read: Gives what is rounded in place of the weight itself: a kernel with a batch
            normalization folded into it, say.
        observers: Functions called with the float values of an activation. Empty except
            while calibration or diagnostics look at a model.
        stand_in: Computes in place of this quantizer, in every mode: what a converter can express.
            None except in the copies that are made for one.
    """

    name: str
    bits: int
    signed: bool
    scale: keras.Variable
    weight: keras.Variable | None = None
    read: Callable[[], Tensor] | None = None
    observers: list = field(default_factory=list)
    stand_in: Callable[[Tensor], Tensor] | None = None

    @cached_property
    def grid(self) -> Grid:
        """The codes, whose arguments are checked when it is made."""
        return Grid(self.bits, self.signed)

    def values(self) -> Tensor:
        """The float values of the weight, as they are before rounding."""
        return self.weight if self.read is None else self.read()

    def numpy_values(self) -> np.ndarray:
        """`values` as a numpy array, on every backend: for those who price or export a layer."""
        return keras.ops.convert_to_numpy(self.values())

    def __call__(self, x: Tensor, mode: Mode) -> Tensor:
        """`ops.quantize` of `x` in the quantized modes, `x` itself in float mode."""
        for observe in self.observers:
            observe(x)
        if self.stand_in is not None:
            return self.stand_in(x)
        if not mode.quantized:
            return x
        return self.grid(x, self.scale, mode.scale_gradient)


def sharing_axes(shape: tuple[int, ...], scale_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of values along which they have the same scale."""
    scales = (1,) * (len(shape) - len(scale_shape)) + tuple(scale_shape)
    return tuple(axis for axis, number in enumerate(scales) if number == 1)
