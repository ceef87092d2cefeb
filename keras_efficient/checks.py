"""Checks of arguments, for all rooms: the value as it is used, or a ValueError that names the argument."""

import math
import numbers
import os
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

import numpy as np

SHOWN_CHARACTERS = 200
# What `one_of` chooses from.
Choice = TypeVar("Choice", bound=str | None)


def shown(value: Any) -> str:
    """`value` as it would be typed, cut where it is long; of an array its type and shape."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"<{type(value).__name__} of {value.dtype}, shape {tuple(value.shape)}>"
    try:
        text = repr(value)
    except ValueError:  # Python writes no integers of thousands of digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " ..."


def nearest(name: Any, known: Iterable[str]) -> str:
    """ " (did you mean 'conv2d'?)", or nothing where no known name is near."""
    close = get_close_matches(str(name), list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def is_integer(value: Any) -> TypeGuard[int]:
    """Whether `value` is an integer (Python or numpy), booleans excluded."""
    return type(value) is int or (isinstance(value, numbers.Integral) and not isinstance(value, bool))


def is_number(value: Any) -> TypeGuard[float]:
    """Whether `value` is a real number (Python or numpy), booleans excluded."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def flag(value: Any, name: str) -> bool:
    """`value` as a bool: a text or a number was meant for another argument."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ValueError(f"`{name}` must be True or False. Received: {name}={shown(value)}")


def path_of(value: Any, name: str) -> Path:
    """`value` as a path; a TypeError where it is none, as the functions of Python raise."""
    if isinstance(value, (str, os.PathLike)):
        return Path(value)
    raise TypeError(f"`{name}` must be a path: a text or a pathlib.Path. Received: {name}={shown(value)}")


def integer(value: Any, name: str, least: int | None = None, most: int | None = None) -> int:
    """`value` as an int from `least` to `most`."""
    if is_integer(value) and (least is None or value >= least) and (most is None or value <= most):
        return int(value)
    bounds = "" if least is None else f" of at least {least}" if most is None else f" from {least} to {most}"
    raise ValueError(f"`{name}` must be an integer{bounds}. Received: {name}={shown(value)}")


def positive_integer(value: Any, name: str) -> int:
    """`value` as an int of at least 1."""
    if is_integer(value) and value > 0:
        return int(value)
    raise ValueError(f"`{name}` must be a positive integer. Received: {name}={shown(value)}")


def integer_pair(value: Any, name: str) -> tuple[int, int]:
    """`value`, a positive integer or two of them, as a pair."""
    pair = (value, value) if is_integer(value) else value
    if isinstance(pair, (list, tuple)) and len(pair) == 2 and all(is_integer(v) and v > 0 for v in pair):
        return (int(pair[0]), int(pair[1]))
    raise ValueError(f"`{name}` must be a positive integer or a pair of them. Received: {name}={shown(value)}")


def positive_number(value: Any, name: str) -> float:
    """`value` as a finite float above 0."""
    if is_number(value) and 0 < value < math.inf:
        return float(value)
    raise ValueError(f"`{name}` must be a positive number. Received: {name}={shown(value)}")


def non_negative_number(value: Any, name: str) -> float:
    """`value` as a finite float of at least 0."""
    if is_number(value) and 0 <= value < math.inf:
        return float(value)
    raise ValueError(f"`{name}` must be a number of at least 0. Received: {name}={shown(value)}")


def fraction(value: Any, name: str) -> float:
    """`value` as a float from 0 to 1."""
    if is_number(value) and 0 <= value <= 1:
        return float(value)
    raise ValueError(f"`{name}` must be a fraction from 0 to 1. Received: {name}={shown(value)}")


def random_seed(value: Any) -> int:
    """`value` as a seed, which numpy's generators accept from 0 to 2^32 - 1."""
    return integer(value, "seed", 0, 2**32 - 1)


def one_of(value: Choice, name: str, choices: Collection[Choice]) -> Choice:
    """`value`, a text (or None) of `choices`."""
    if (value is None or isinstance(value, str)) and value in choices:
        return value
    raise ValueError(f"`{name}` must be one of {', '.join(map(repr, choices))}. Received: {name}={shown(value)}")


def real_numbers(values: Any, requirement: str) -> np.ndarray:
    """`values` as an array, or a ValueError that begins with `requirement` where they are no real numbers.

    A mask, an imaginary part or a unit of time would be dropped without a word.
    """
    if any(isinstance(part, np.ma.MaskedArray) for part in (values, *(values if isinstance(values, list) else ()))):
        raise ValueError(f"{requirement}. Received: a masked array; fill it first, with x.filled(value)")
    array = np.asarray(values)
    # "V": what JAX and TensorFlow add to NumPy's types, such as bfloat16.
    if array.dtype.kind not in "biufV" or array.dtype.type is np.void:
        raise ValueError(f"{requirement}. Received: an array of {array.dtype}, shape {array.shape}")
    return array
