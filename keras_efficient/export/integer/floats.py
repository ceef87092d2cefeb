"""Where Keras computes the integers exactly in floating point, and where it must round.

A sum of codes is exact as long as it is an integer of the format's digits, in units of its finest
summand, and no number leaves the format's range. Elsewhere Keras may differ from the integers.
"""

from typing import Any, NamedTuple

import numpy as np

from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.grids import exponents_of, finite_values
from keras_efficient.export.integer.merging import Combination, Concatenation
from keras_efficient.export.integer.operations import (
    AveragePooling,
    Convolution,
    Lookup,
    MeanPooling,
    Operation,
    Residual,
    Scale,
)
from keras_efficient.export.integer.rounding_steps import Rounding


class FloatFormat(NamedTuple):
    """Integers up to 2^digits are exact, and so are the powers of two from 2^lowest to 2^highest.
    What is smaller may be flushed to 0."""

    digits: int
    lowest: int
    highest: int


FORMATS = {
    "float64": FloatFormat(53, -1022, 1023),
    "float32": FloatFormat(24, -126, 127),
    "float16": FloatFormat(11, -14, 15),
    "bfloat16": FloatFormat(8, -126, 127),
}
# Scales and quantizers are computed in float32 at least, where a layer computes in half precision.
QUANTIZER_RANGE = FORMATS["float32"]


def is_exact(operation: Operation) -> bool:
    """Whether the Keras layer gives the operation's integers for every input."""
    numbers = FORMATS[operation.compute_dtype]
    if operation.loses_signs:
        return False
    if isinstance(operation, Residual):
        return all(_sums_are_exact(part, numbers) for part in (operation.first, operation.second))
    if isinstance(operation, Convolution):
        return _sums_are_exact(operation, numbers)
    if isinstance(operation, Scale):
        return _sums_are_exact(operation.places, numbers)
    if isinstance(operation, AveragePooling):
        return _means_are_exact(operation, numbers)
    if isinstance(operation, (Combination, MeanPooling)):
        roundings = operation.roundings if isinstance(operation, Combination) else (operation.rounding,)
        exact = all(_terms_are_exact(rounding, numbers) for rounding in roundings)
        return exact and _codes_are_exact(operation.target.codes, numbers)
    if isinstance(operation, Lookup) and operation.near_ties:
        return False
    if isinstance(operation, Concatenation):
        return all(_codes_are_exact(each.codes, numbers) for each in (*operation.sources, operation.target))
    return _codes_are_exact(operation.source.codes, numbers) and _codes_are_exact(operation.target.codes, numbers)


def loses_signs(layer: Any, compute_dtype: str) -> bool:
    """Whether Keras may flush a negative weight of the layer to 0, and a grid without a zero gives 0 the code above it.

    What is smaller than the normal numbers may be flushed, as it is or in steps of the grid.
    """
    lowest = max(FORMATS[compute_dtype].lowest, QUANTIZER_RANGE.lowest)
    for quantizer in getattr(layer, "quantizers", ()):
        if quantizer.weight is None or not quantizer.grid.is_mid_rise:
            continue
        values = finite_values(layer, quantizer)
        in_steps = np.ldexp(values, quantizer.bits - 1 - exponents_of(layer, quantizer))
        flushed = np.minimum(np.abs(values) * 2.0**-lowest, np.abs(in_steps) * 2.0**-QUANTIZER_RANGE.lowest) < 1
        if np.any(flushed & (values < 0)):
            return True
    return False


def _terms_are_exact(rounding: Rounding, numbers: FloatFormat) -> bool:
    """Whether the sum of the terms is a number of the format, and keeps its sign on the target's grid."""
    terms = [term for term in rounding.terms if term.bound]
    finest = min((term.exponent for term in terms), default=0)
    bound = sum(term.bound << (term.exponent - finest) for term in terms)
    # A sum over a far coarser step becomes 0; only codes without a zero keep its sign.
    keeps_sign = not rounding.output.midrise or finest - rounding.output.exponent >= QUANTIZER_RANGE.lowest
    fits = bound.bit_length() <= numbers.digits and finest >= numbers.lowest
    return fits and finest + bound.bit_length() <= numbers.highest and keeps_sign


def _sums_are_exact(layer: Convolution, numbers: FloatFormat) -> bool:
    """Whether the sums are exact, and all grids that numbers are rounded to. Logits are not rounded."""
    grids = [layer.source.codes, layer.products.kernel_codes, layer.products.bias_codes]
    grids += [] if layer.gives_logits else [layer.target.codes]
    exact = all(_codes_are_exact(codes, numbers) for codes in grids if codes is not None)
    return exact and _terms_are_exact(layer.rounding, numbers)


def _codes_are_exact(codes: Codes, numbers: FloatFormat) -> bool:
    """Whether the codes, their step and its reciprocal are numbers of the format."""
    low, high = max(numbers.lowest, QUANTIZER_RANGE.lowest), min(numbers.highest, QUANTIZER_RANGE.highest)
    bits = codes.bound.bit_length()
    return bits <= numbers.digits and low <= codes.exponent and codes.exponent + bits < high


def _means_are_exact(layer: AveragePooling, numbers: FloatFormat) -> bool:
    counts = [int(count) for count in np.unique(layer.window.counts())]
    return (
        layer.sum_bound.bit_length() <= numbers.digits
        and all(_codes_are_exact(codes, numbers) for codes in (layer.source.codes, layer.target.codes))
        and all(count.bit_count() == 1 or mean_is_exact(count, layer.target.codes.high, numbers) for count in counts)
    )


def mean_is_exact(count: int, high: int, numbers: FloatFormat) -> bool:
    """Whether floor(sum / count) is right, though XLA multiplies with 1 / count instead of dividing.

    Below a code a mean ends at least 1 / count of a step; two roundings must not bridge that. And
    where the mean is a code j, j count times 1 / count must not come out below j.
    """
    if numbers.digits < FORMATS["float32"].digits or ((high + 1) * count).bit_length() >= numbers.digits:
        return False
    j = np.arange(high + 1, dtype=np.float32)
    return bool(np.all(j * np.float32(count) * (np.float32(1) / np.float32(count)) >= j))
