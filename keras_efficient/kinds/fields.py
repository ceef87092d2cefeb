"""The kinds of number a description item may hold: what each accepts, and how it says no."""

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keras_efficient.checks import is_integer, shown

MAX_BITS = 16
LARGEST_MIDRISE = 2  # signed grids of `ops.quantize` with so few bits have no zero
QUANTIZER_BITS = ("kernel_bits", "bias_bits", "activation_bits")
SCALE_EXPONENTS = (-126, 127)  # log2 of the scales of `ops.quantize`


@dataclass(frozen=True)
class Field:
    """One position of an item: its name in the printed form, and the check its value must pass.

    ``check(value, name)`` returns the value as a plain Python number, or raises ValueError that
    names the field.
    """

    name: str
    check: Callable[[Any, str], Any]

    def read(self, value: Any) -> Any:
        return self.check(value, self.name)


def check_integer(value: Any, name: str) -> int:
    """`value` as int. Floats are refused even when they are whole: a size of 2.0 hides a fractional
    computation."""
    if is_integer(value):
        return int(value)
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        raise ValueError(f"{name} must be an integer, fractional sizes are not rounded. Received: {shown(value)}")
    raise ValueError(f"{name} must be an integer. Received: {shown(value)} ({type(value).__name__})")


def check_size(value: Any, name: str) -> int:
    size = check_integer(value, name)
    if size < 1:
        raise ValueError(f"{name} must be at least 1. Received: {size}")
    return size


def check_bits(value: Any, name: str) -> int:
    bits = check_integer(value, name)
    if not 1 <= bits <= MAX_BITS:
        raise ValueError(f"{name} must be 1 to {MAX_BITS}. Received: {bits}")
    return bits


def check_optional_bits(value: Any, name: str) -> int | None:
    """`value` as a number of bits, or None for a float part."""
    return None if value is None else check_bits(value, name)


# The checks of the widths of layers that are float unless they say otherwise.
OPTIONAL_BITS: Mapping[str, Callable[[Any, str], Any]] = dict.fromkeys(QUANTIZER_BITS, check_optional_bits)


def check_number(value: Any, name: str) -> float:
    """`value` as a finite float; integers are welcome, booleans and text are not."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise ValueError(f"{name} must be a number. Received: {shown(value)} ({type(value).__name__})")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite. Received: {shown(value)}")
    return number


def check_rate(value: Any, name: str) -> float:
    rate = check_number(value, name)
    if not 0 <= rate < 1:
        raise ValueError(f"{name} must be at least 0 and below 1. Received: {shown(value)}")
    return rate


def check_deviation(value: Any, name: str) -> float:
    deviation = check_number(value, name)
    if deviation < 0:
        raise ValueError(f"{name} must be at least 0. Received: {shown(value)}")
    return deviation


def check_pair(value: Any, name: str) -> tuple[int, int]:
    """One size for both directions, or a pair (rows, columns), as a pair of ints of at least 1."""
    if not isinstance(value, (list, tuple)):
        size = check_size(value, name)
        return size, size
    if len(value) != 2:
        raise ValueError(f"{name} must be an integer or a pair (rows, columns). Received: {shown(value)}")
    return check_size(value[0], f"{name} rows"), check_size(value[1], f"{name} columns")


def required(config: Mapping[str, Any], key: str) -> Any:
    if key not in config:
        raise ValueError(f"the configuration needs {key!r}. Received: {sorted(map(str, config))}")
    return config[key]
