"""Checks of arguments that functions of all rooms share. No Keras."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_efficient.kinds.fields import is_integer


def flag(value: Any, name: str) -> bool:
    """`value` as a bool, or a ValueError: a text or a number was meant for another argument."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}")


def path_of(value: Any, name: str) -> Path:
    """`value` as a path, or a TypeError."""
    if isinstance(value, (str, os.PathLike)):
        return Path(value)
    raise TypeError(f"`{name}` must be a path: a text or a pathlib.Path. Received: {name}={value!r}")


def integer(value: Any, name: str, least: int | None = None) -> int:
    """`value` as an int of at least `least`, or a ValueError."""
    if is_integer(value) and (least is None or value >= least):
        return int(value)
    bound = "an integer" if least is None else f"an integer of at least {least}"
    raise ValueError(f"`{name}` must be {bound}. Received: {name}={value!r}")


def real_numbers(values: np.ndarray, name: str) -> np.ndarray:
    """An array, or a ValueError where it holds no real numbers, or masks some of them."""
    is_real = values.dtype.kind in "biuf" or values.dtype.name == "bfloat16"
    if is_real and not np.ma.isMaskedArray(values):
        return values
    kind = "a masked array" if np.ma.isMaskedArray(values) else "an array"
    raise ValueError(f"`{name}` must hold real numbers. Received: {kind} of dtype {values.dtype}")
