"""Checks of arguments that the loaders and the augmentation share."""

import math
import numbers
from typing import Any


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """`value` as an int; a TypeError if it is no integer, a ValueError if it is not from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"`{name}` must be an integer. Received: {name}={value!r}")
    number = int(value)
    if number < least or (most is not None and number > most):
        bounds = f"at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"`{name}` must be {bounds}. Received: {name}={value!r}")
    return number


def finite_number(name: str, value: Any, above: bool = False) -> float:
    """`value` as a float; a TypeError if it is no number, a ValueError unless it is finite and at least (`above`:
    over) 0."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"`{name}` must be a number. Received: {name}={value!r}")
    if not math.isfinite(value) or value < 0 or (above and value == 0):
        bound = "more than 0" if above else "at least 0"
        raise ValueError(f"`{name}` must be finite and {bound}. Received: {name}={value!r}")
    return float(value)


def random_seed(value: Any) -> int:
    """`value` as a seed, which numpy's generators accept from 0 to 2^32 - 1."""
    return whole_number("seed", value, 0, 2**32 - 1)
