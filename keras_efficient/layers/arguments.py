"""Checks of layer arguments that several families share."""

from collections.abc import Sequence

import numpy as np


def positive_integer(value, name: str) -> int:
    """`value` as an int, or a ValueError that quotes it."""
    if _is_integer(value) and value > 0:
        return int(value)
    raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")


def integer_pair(value, name: str) -> tuple[int, int]:
    """`value` (a positive integer, or two of them) as a pair, or a ValueError that quotes it."""
    pair = (value, value) if _is_integer(value) else value
    if isinstance(pair, Sequence) and len(pair) == 2 and all(_is_integer(v) and v > 0 for v in pair):
        return (int(pair[0]), int(pair[1]))
    raise ValueError(f"`{name}` must be a positive integer or a pair of them. Received: {name}={value!r}")


def padding_name(padding) -> str:
    """`padding` in lower case, or a ValueError unless it is "valid" or "same"."""
    name = padding.lower() if isinstance(padding, str) else padding
    if name in ("valid", "same"):
        return name
    raise ValueError(f"`padding` must be 'valid' or 'same'. Received: padding={padding!r}")


def image_channels(input_shape, layer_name: str) -> int:
    """The channels of a (batch, rows, columns, channels) shape, or a ValueError."""
    if len(input_shape) == 4 and input_shape[-1] is not None:
        return input_shape[-1]
    raise ValueError(
        f"Layer '{layer_name}' needs inputs of shape (batch, rows, columns, channels) with a "
        f"known number of channels. Received: input shape {tuple(input_shape)}"
    )


def _is_integer(value) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
