"""The grids of a layer's kernel, bias and output in integers, and where a layer stands in its network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_efficient.export.integer.codes import Codes
from keras_efficient.kinds.fields import SCALE_EXPONENTS
from keras_efficient.kinds.measures import LOGIT_BITS, SHIFT_BITS
from keras_efficient.layers.activation_names import activation_name
from keras_efficient.layers.quantized.quantizer import Quantizer, sharing_axes
from keras_efficient.layers.random_basis.base import RandomBasisLayer
from keras_efficient.layers.random_basis.integers import BasisCodes

RELUS = ("relu", "linear")


class UnsupportedLayerError(ValueError):
    """A layer that has no integer form.

    reason: Why, as a sentence about the layer. operation: The layer or function in the model, where it is known.
    """

    operation: Any = None

    def __init__(self, name: str, reason: str, what: str = "layer"):
        super().__init__(name, reason, what)
        self.name, self.reason, self.what = name, reason, what

    def __str__(self) -> str:
        return f"cannot export the {self.what} {self.name!r}: {self.reason}"

    def __reduce__(self) -> tuple:
        """As it was made: an operation may be a function that goes into no file."""
        return type(self), self.args


def codes_of(layer: Any, quantizer: Quantizer) -> Codes:
    """The grid of a quantizer with one scale."""
    return Codes.of_scale(quantizer.bits, quantizer.signed, int(exponents_of(layer, quantizer)))


def exponents_of(layer: Any, quantizer: Quantizer) -> np.ndarray:
    """The log2 scales of a quantizer, rounded: one number, or one per filter."""
    scales = keras.ops.convert_to_numpy(quantizer.scale)
    if not np.isfinite(scales).all():
        raise ValueError(
            f"cannot export the layer {layer.name!r}: the log2 scale of its {quantizer.name} must be a finite number. "
            f"Received: {scales}"
        )
    return np.clip(np.round(scales), *SCALE_EXPONENTS).astype(int)


@dataclass(frozen=True)
class KernelCodes:
    """A kernel in integers: value = integer x 2^(shift of the output channel) x 2^codes.exponent."""

    integers: np.ndarray
    codes: Codes
    shifts: np.ndarray | None
    pruned: bool  # holds exact zeros, as pruning leaves them
    basis: BasisCodes | None = None  # what the integers are made of, where they are not stored

    def reshaped(self, *shape: int) -> KernelCodes:
        return replace(self, integers=self.integers.reshape(shape))


def kernel_codes(layer: Any, quantizer: Quantizer) -> KernelCodes:
    """The integers of a kernel, in the unit of its finest filter."""
    if isinstance(layer, RandomBasisLayer):
        finite_values(layer, quantizer)
        basis = layer.basis_codes()
        return KernelCodes(basis.kernel, codes_of(layer, quantizer), None, False, basis)
    if not len(quantizer.scale.shape):  # on TensorFlow an empty shape counts as true
        return KernelCodes(weight_codes(layer, quantizer), codes_of(layer, quantizer), None, _is_pruned(quantizer))
    exponents = exponents_of(layer, quantizer)
    values = np.ldexp(finite_values(layer, quantizer), -exponents)
    integers = Codes.of_scale(quantizer.bits, quantizer.signed, 0).nearest(values)
    # A filter of zeros may lie anywhere.
    used = np.any(integers != 0, axis=sharing_axes(integers.shape, exponents.shape)).ravel()
    finest = int(exponents.ravel()[used].min()) if used.any() else 0
    shifts = np.where(used, exponents.ravel() - finest, 0)
    if shifts.max() >= 2**SHIFT_BITS:
        raise ValueError(
            f"cannot export the layer {layer.name!r}: the scales of its filters must lie within a factor of "
            f"2^{2**SHIFT_BITS - 1}. Received: log2 scales from {finest} to {finest + shifts.max()}; calibrate again"
        )
    return KernelCodes(
        integers, Codes.of_scale(quantizer.bits, quantizer.signed, finest), shifts, _is_pruned(quantizer)
    )


def _is_pruned(quantizer: Quantizer) -> bool:
    """Whether a kernel holds exact zeros, as pruning leaves them, beside other numbers."""
    zeros = keras.ops.convert_to_numpy(quantizer.weight) == 0
    return bool(zeros.any() and not zeros.all())


def weight_codes(layer: Any, quantizer: Quantizer) -> np.ndarray:
    return codes_of(layer, quantizer).nearest(finite_values(layer, quantizer))


def finite_values(layer: Any, quantizer: Quantizer) -> np.ndarray:
    values = quantizer.numpy_values().astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(
            f"cannot export the layer {layer.name!r}: its {quantizer.name} holds numbers that are not finite"
        )
    return values


def has_relu(layer: Any, activation: Callable, known: Sequence[str] = RELUS) -> bool:
    name = activation_name(activation)
    if name not in known:
        raise UnsupportedLayerError(layer.name, f"its activation must be one of {known}. Received: activation={name!r}")
    return name != "linear"


def read_activation(layer: Any, activation: Callable, quantizer: Quantizer) -> tuple[bool, int | None]:
    """(whether negative sums count as 0, the largest code that the activation gives or None).

    Rounding keeps the order of numbers, so the code of min(y, 6) is the smaller of two codes.
    """
    relu = has_relu(layer, activation, (*RELUS, "relu6"))
    if activation_name(activation) != "relu6":
        return relu, None
    codes = codes_of(layer, quantizer)
    if codes.midrise:
        raise UnsupportedLayerError(layer.name, "relu6 with signed codes of 2 bits or less")
    return relu, int(codes.nearest(6.0))


class Context(NamedTuple):
    """Where a layer stands.

    flat: after a flatten. gives_sums: its sums are the logits. is_last: its outputs are read by
    users. in_graph: in a network that is no chain, where a layer that changes nothing is one of its own.
    """

    flat: bool = False
    gives_sums: bool = False
    is_last: bool = False
    in_graph: bool = False


def output_codes(layer: Any, quantizer: Quantizer, context: Context) -> Codes:
    """The grid of an output. Users read signed integers of 16 bits."""
    codes = codes_of(layer, quantizer)
    return replace(codes, bits=LOGIT_BITS - 1) if context.is_last and codes.high >= 2 ** (LOGIT_BITS - 1) else codes
