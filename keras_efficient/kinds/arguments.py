"""Checks of arguments that functions of all rooms share. No Keras."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from keras_efficient.kinds.fields import is_integer, shown


def flag(value: Any, name: str) -> bool:
    """`value` as a bool, or a ValueError: a text or a number was meant for another argument."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ValueError(f"`{name}` must be True or False. Received: {name}={shown(value)}")


def path_of(value: Any, name: str) -> Path:
    if isinstance(value, (str, os.PathLike)):
        return Path(value)
    raise TypeError(f"`{name}` must be a path: a text or a pathlib.Path. Received: {name}={shown(value)}")


def integer(value: Any, name: str, least: int | None = None) -> int:
    """`value` as an int of at least `least`, or a ValueError."""
    if is_integer(value) and (least is None or value >= least):
        return int(value)
    bound = "an integer" if least is None else f"an integer of at least {least}"
    raise ValueError(f"`{name}` must be {bound}. Received: {name}={shown(value)}")


def check_choice(name: str, value: Any, choices: Collection[str]) -> str:
    if isinstance(value, str) and value in choices:
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
