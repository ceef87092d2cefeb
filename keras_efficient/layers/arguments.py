"""Checks of layer arguments that several families share."""

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import numpy as np

from keras_efficient.kinds.fields import is_integer
from keras_efficient.kinds.windows import Padding, Slide, along, read_border, read_ends
from keras_efficient.ops.quantize import check_bits
from keras_efficient.type_aliases import Shape

# What `one_of` chooses from.
Choice = TypeVar("Choice", bound=str | None)


def positive_integer(value: Any, name: str) -> int:
    """`value` as an int, or a ValueError that quotes it."""
    if is_integer(value) and value > 0:
        return int(value)
    raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")


def non_negative_number(value: Any, name: str) -> float:
    """`value` as a float of at least 0, or a ValueError that quotes it."""
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return float(value)
    raise ValueError(f"`{name}` must be a number of at least 0. Received: {name}={value!r}")


def one_of(choices: Collection[Choice], value: Choice, name: str) -> Choice:
    """`value` if it is one of `choices`, or a ValueError that quotes it."""
    if (value is None or isinstance(value, str)) and value in choices:
        return value
    raise ValueError(f"`{name}` must be one of {tuple(choices)}. Received: {name}={value!r}")


def integer_pair(value: Any, name: str) -> tuple[int, int]:
    """`value` (a positive integer, or two of them) as a pair, or a ValueError that quotes it."""
    pair = (value, value) if is_integer(value) else value
    if isinstance(pair, Sequence) and len(pair) == 2 and all(is_integer(v) and v > 0 for v in pair):
        return (int(pair[0]), int(pair[1]))
    raise ValueError(f"`{name}` must be a positive integer or a pair of them. Received: {name}={value!r}")


def padding_name(padding: Any) -> str:
    """`padding` in lower case, or a ValueError unless it is "valid" or "same"."""
    name = padding.lower() if isinstance(padding, str) else padding
    if name in ("valid", "same"):
        return name
    raise ValueError(f"`padding` must be 'valid' or 'same'. Received: padding={padding!r}")


def window_padding(padding: Any) -> Padding:
    """`padding` of images as a layer keeps it: "valid", "same" or zeros ((above, below), (left, right))."""
    return padding_name(padding) if isinstance(padding, str) else read_border(padding)


def signal_padding(padding: Any) -> str | tuple[int, int]:
    """`padding` of signals as a layer keeps it: "valid", "same", "causal" or zeros (before, after)."""
    if isinstance(padding, str) and padding.lower() == "causal":
        return "causal"
    return padding_name(padding) if isinstance(padding, str) else read_ends(padding)


def optional_bits(bits: int | None, name: str) -> int | None:
    """A width of 1 to 16 bits, or None for a float part; a ValueError for anything else."""
    return None if bits is None else check_bits(bits, name)


def last_size(input_shape: Shape, layer_name: str, places: int | None = None) -> int:
    """The size of the last axis of a (batch, ..., size) shape with so many `places` (None: any), or a ValueError."""
    what = "inputs" if places is None else "channels"
    form = {None: "...", 1: "steps", 2: "rows, columns"}[places]
    fits = len(input_shape) >= 2 if places is None else len(input_shape) == places + 2
    if fits and input_shape[-1] is not None:
        return input_shape[-1]
    raise ValueError(
        f"Layer '{layer_name}' needs inputs of shape (batch, {form}, {what}) with a known number of {what}. "
        f"Received: input shape {tuple(input_shape)}"
    )


def window_places(input_shape: Shape, window: Slide, layer_name: str) -> Shape:
    """The places of what a window makes of (batch, ..., channels), or a ValueError where it is larger than the map."""
    places = window.places(input_shape[1:])
    if any(size is not None and size < 1 for size in places):
        extents, padding = window.extents, window.padding
        shown = (extents[1], along(padding, 1)) if len(places) == 1 else (extents, padding)
        raise ValueError(
            f"Layer '{layer_name}' with a window of {shown[0]} and padding {shown[1]!r} leaves nothing of its input. "
            f"Received: input shape {tuple(input_shape)}"
        )
    return places
