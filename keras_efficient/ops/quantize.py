"""The quantizer: fixed-point grids with a power-of-two scale that can be trained."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, Operation, Variable, ops, saving

from keras_efficient.checks import is_integer, one_of, shown
from keras_efficient.kinds.fields import LARGEST_MIDRISE, MAX_BITS, SCALE_EXPONENTS
from keras_efficient.type_aliases import Tensor

MIN_BITS = 1
ROUNDINGS = ("nearest", "floor")
# Every power of two that float32 represents normally. Looked up instead of computed, because
# exp2 of an integer is off by one unit in the last place under some compilers.
_POWERS_OF_TWO = np.exp2(np.arange(SCALE_EXPONENTS[0], SCALE_EXPONENTS[1] + 1)).astype("float32")
HALF_PRECISION = ("float16", "bfloat16")


def quantize(
    x: Tensor,
    bits: int,
    log2_scale: Tensor,
    signed: bool = True,
    rounding: str = "nearest",
    scale_gradient: float = 1.0,
) -> Tensor:
    """Round `x` to a fixed-point grid of `bits` bits; gradients pass straight through.

    With the scale `S = 2^round(log2_scale)`, the resolution `Q = 2^(bits-1)` (signed) or
    `2^bits` (unsigned) and `s = x Q / S`:

        y = clip(r, lo, hi) S / Q

    * `r` is `s` rounded half to even (`"nearest"`) or down (`"floor"`). One or two signed bits
      take the grid without a zero, `r = floor(s) + 1/2` (mid-rise), for `"nearest"`.
    * `lo = -Q`, `hi = Q - 1` (signed) or `lo = 0`, `hi = Q - 1` (unsigned); both 1/2 higher
      for one or two signed bits, also with `"floor"`, whose codes are then integers between
      half-integer limits. This mixed grid is the study's and is kept.

    Gradients, with the mask `M = (lo <= r <= hi)` on the *rounded* code, inclusive:

        dy/dx = M        dy/dS = (r - s) / Q inside, hi / Q above, lo / Q below
        dS/dlog2_scale = scale_gradient ln(2) S

    Source: Gural & Murmann, "Memory-Optimal Direct Convolutions", ICML 2019 (their `quantize`;
    `scale_gradient` is their `qt`).

    Args:
        x: Tensor of any shape. Half precision is quantized in float32 and cast back.
        bits: Integer from 1 to 16.
        log2_scale: Scalar, or tensor that broadcasts against `x` (a scale per channel, say).
        signed: Whether negative values are represented.
        rounding: `"nearest"` (half to even) or `"floor"`.
        scale_gradient: Factor on the gradient of `log2_scale`; 0 freezes the scale.

    Returns:
        Tensor with the shape of `x` broadcast against `log2_scale`, and the dtype of `x`.

    Raises:
        ValueError: If `bits` is not an integer from 1 to 16, or `rounding` is unknown.
    """
    if isinstance(x, KerasTensor) or isinstance(log2_scale, KerasTensor):
        return Quantize(bits, signed, rounding, scale_gradient)(x, log2_scale)
    return Grid(bits, signed, rounding)(x, log2_scale, scale_gradient)


@saving.register_keras_serializable(package="keras_efficient")
class Quantize(Operation):
    """`quantize` as a node of a Functional model; made by calling it on a `keras.Input`."""

    def __init__(self, bits: int, signed: bool, rounding: str, scale_gradient: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.grid, self.scale_gradient = Grid(bits, signed, rounding), scale_gradient

    def call(self, x: Tensor, log2_scale: Tensor) -> Tensor:
        return self.grid(x, log2_scale, self.scale_gradient)

    def compute_output_spec(self, x: Tensor, log2_scale: Tensor) -> keras.KerasTensor:
        shape = ops.add(x, log2_scale).shape
        return KerasTensor(shape, dtype=x.dtype if "float" in getattr(x, "dtype", "int") else "float32")


@dataclass(frozen=True)
class Grid:
    """The codes of a grid: what `quantize` rounds to, with arguments that are checked once."""

    bits: int
    signed: bool = True
    rounding: str = "nearest"

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", check_bits(self.bits))  # of numpy's integers a plain one
        one_of(self.rounding, "rounding", ROUNDINGS)

    @cached_property
    def resolution(self) -> int:
        """Steps between 0 and the scale."""
        return 2 ** (self.bits - 1) if self.signed else 2**self.bits

    @cached_property
    def is_mid_rise(self) -> bool:
        """Whether the grid has no zero."""
        return self.signed and self.bits <= LARGEST_MIDRISE

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest code."""
        shift = 0.5 if self.is_mid_rise else 0
        return (-self.resolution if self.signed else 0) + shift, self.resolution - 1 + shift

    def __call__(self, x: Tensor, log2_scale: Tensor, scale_gradient: float = 1.0) -> Tensor:
        """`quantize` of `x`."""
        x = _as_float(x)
        dtype = ops.dtype(x)
        if dtype in HALF_PRECISION:
            x = ops.cast(x, "float32")
        step = power_of_two(log2_scale, scale_gradient, ops.dtype(x)) / self.resolution
        if len(step.shape):  # one shape for both, so that each gradient has the shape of its own
            x, step = x * ops.ones_like(step), step * ops.ones_like(x)
        frozen = isinstance(scale_gradient, (int, float)) and scale_gradient == 0
        values_and_gradient = self._values_with_frozen_scale if frozen else self._values_and_gradient
        return ops.cast(ops.custom_gradient(values_and_gradient)(x, step), dtype)

    def _values_with_frozen_scale(self, x: Tensor, step: Tensor) -> tuple[Tensor, Callable]:
        return self._values_and_gradient(x, step, frozen=True)

    def _values_and_gradient(self, x: Tensor, step: Tensor, frozen: bool = False) -> tuple[Tensor, Callable]:
        """The values of `quantize`, and the function that gives the gradients of x and step.

        The gradients are written out, as they are what the docstring of `quantize` promises, in
        fewer passes over memory than automatic differentiation takes. The mask is on the
        *rounded* code: a saturated code sits exactly on a limit, where `ops.clip` would have the
        gradient 1/2 on JAX and 1 elsewhere.
        """
        scaled = x * (1 / step)
        rounded = self._rounded(scaled)
        code = ops.clip(rounded, *self.limits)

        def gradient(*arguments, upstream=None):
            upstream = arguments[-1] if upstream is None else upstream
            inside = rounded == code
            dx = ops.where(inside, upstream, 0.0)
            if frozen:
                return dx, ops.zeros_like(step)
            dstep = upstream * ops.where(inside, rounded - scaled, code)
            return dx, dstep if len(step.shape) else ops.sum(dstep)

        return code * step, gradient

    def _rounded(self, scaled: Tensor) -> Tensor:
        if self.rounding == "floor":
            return ops.floor(scaled)
        return ops.floor(scaled) + 0.5 if self.is_mid_rise else ops.round(scaled)


def power_of_two(log2_scale: Tensor, scale_gradient: float = 1.0, dtype: str = "float32") -> Tensor:
    """`2^round(log2_scale)`, exactly, with the straight-through gradient `g ln(2) 2^round(.)`.

    Args:
        log2_scale: Scalar or tensor. Rounded half to even; limited to -126 .. 127.
        scale_gradient: The factor g on the gradient.
        dtype: Floating dtype of the result.

    Returns:
        Tensor of the shape of `log2_scale`. Not-a-number where `log2_scale` is not finite.
    """
    log2_scale = ops.convert_to_tensor(log2_scale, dtype=dtype)
    frozen = ops.stop_gradient(log2_scale)
    exponent = ops.where(ops.isfinite(frozen), ops.round(frozen), ops.zeros_like(frozen))
    index = ops.cast(ops.clip(exponent, *SCALE_EXPONENTS), "int32") - SCALE_EXPONENTS[0]
    scale = ops.take(ops.convert_to_tensor(_POWERS_OF_TWO, dtype=dtype), index)
    # The difference is 0 in the forward pass; it carries the gradient (and any NaN).
    return scale + scale * (scale_gradient * math.log(2.0)) * (log2_scale - frozen)


def to_codes(x: Tensor, bits: int, log2_scale: Tensor, signed: bool = True) -> Tensor:
    """The integer (for one or two signed bits: half-integer) codes of `quantize(x, ...)`.

    `codes = y Q / S` with y, Q and S as in `quantize`; numbers from `lo` to `hi`.
    """
    step = power_of_two(log2_scale, 0.0) / Grid(bits, signed).resolution
    return quantize(x, bits, log2_scale, signed, scale_gradient=0.0) / step


def code_range(bits: int, signed: bool) -> tuple[float, float]:
    """The smallest and the largest code `(lo, hi)` of a grid; see `quantize`.

    Raises:
        ValueError: If `bits` is not an integer from 1 to 16.
    """
    return Grid(bits, signed).limits


def check_bits(bits: Any, name: str = "bits") -> int:
    """Raise a ValueError unless `bits` is an integer from 1 to 16."""
    if not is_integer(bits) or not MIN_BITS <= bits <= MAX_BITS:
        raise ValueError(f"`{name}` must be an integer from {MIN_BITS} to {MAX_BITS}. Received: {name}={shown(bits)}")
    return int(bits)


def _as_float(x):
    # A custom gradient of TensorFlow takes tensors; the sum turns a variable into one.
    x = x + 0.0 if isinstance(x, Variable) else ops.convert_to_tensor(x)
    return x if "float" in ops.dtype(x) else ops.cast(x, "float32")
