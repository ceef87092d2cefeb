"""Checks of layer arguments that several families share."""

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import numpy as np

from keras_efficient.kinds.fields import is_integer
from keras_efficient.kinds.windows import Padding, along, read_border, read_ends, window_output_size
from keras_efficient.ops.quantize import check_bits
from keras_efficient.type_aliases import Shape

# What `one_of` chooses from.
Choice = TypeVar("Choice", bound=str | None)


def width_of_inner_grids(value: Any, name: str = "inner_bits") -> int | bool | None:
    """`value` as a layer keeps it: None, False or 1 to 16 bits; a ValueError for anything else."""
    return value if value is False else optional_bits(value, name)


def positive_integer(value: Any, name: str) -> int:
    """`value` as an int, or a ValueError that quotes it."""
    if is_integer(value) and value > 0:
        return int(value)
    raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")


def whole_number(value: Any, name: str) -> int:
    """`value` as an int of any sign, or a ValueError that quotes it."""
    if is_integer(value):
        return int(value)
    raise ValueError(f"`{name}` must be an integer. Received: {name}={value!r}")


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


def check_dilation(dilation_rate: tuple[int, ...], strides: tuple[int, ...]) -> None:
    """A ValueError if both are above 1, which no backend computes."""
    if max(dilation_rate) > 1 and max(strides) > 1:
        raise ValueError(
            "`dilation_rate` must be 1 where `strides` is not. "
            f"Received: dilation_rate={dilation_rate}, strides={strides}"
        )


def check_groups(groups: int, channels: int, filters: int) -> None:
    """A ValueError unless groups divide the channels and the filters."""
    if channels % groups or filters % groups:
        raise ValueError(
            f"`groups` must divide the {channels} channels of the input and the {filters} filters. "
            f"Received: groups={groups}"
        )


def optional_bits(bits: int | None, name: str) -> int | None:
    """A width of 1 to 16 bits, or None for a float part; a ValueError for anything else."""
    return None if bits is None else check_bits(bits, name)


def dense_inputs(input_shape: Shape, layer_name: str) -> int:
    """The inputs of a (batch, ..., inputs) shape, or a ValueError."""
    if len(input_shape) >= 2 and input_shape[-1] is not None:
        return input_shape[-1]
    raise ValueError(
        f"Layer '{layer_name}' needs inputs of shape (batch, ..., inputs) with a known "
        f"number of inputs. Received: input shape {tuple(input_shape)}"
    )


def image_channels(input_shape: Shape, layer_name: str) -> int:
    """The channels of a (batch, rows, columns, channels) shape, or a ValueError."""
    if len(input_shape) == 4 and input_shape[-1] is not None:
        return input_shape[-1]
    raise ValueError(
        f"Layer '{layer_name}' needs inputs of shape (batch, rows, columns, channels) with a "
        f"known number of channels. Received: input shape {tuple(input_shape)}"
    )


def window_sizes(
    input_shape: Shape, window: tuple[int, int], strides: tuple[int, int], padding: Padding, layer_name: str
) -> list[int | None]:
    """Rows and columns of what a sliding window makes of (batch, rows, columns, channels).

    A ValueError says that the input is no image, or that the window is larger than it is.
    """
    image_channels(input_shape, layer_name)
    axes = zip(input_shape[1:3], window, strides, strict=True)
    sizes = [window_output_size(*axis, along(padding, number)) for number, axis in enumerate(axes)]
    if any(size is not None and size < 1 for size in sizes):
        raise ValueError(
            f"Layer '{layer_name}' with a window of {window} and padding {padding!r} leaves nothing of its input. "
            f"Received: input shape {tuple(input_shape)}"
        )
    return sizes


def signal_channels(input_shape: Shape, layer_name: str) -> int:
    """The channels of a (batch, steps, channels) shape, or a ValueError."""
    if len(input_shape) == 3 and input_shape[-1] is not None:
        return input_shape[-1]
    raise ValueError(
        f"Layer '{layer_name}' needs inputs of shape (batch, steps, channels) with a known number of channels. "
        f"Received: input shape {tuple(input_shape)}"
    )


def signal_steps(
    input_shape: Shape, window: int, stride: int, padding: str | tuple[int, int], layer_name: str
) -> int | None:
    """Steps of what a sliding window makes of (batch, steps, channels), or a ValueError."""
    signal_channels(input_shape, layer_name)
    steps = window_output_size(input_shape[1], window, stride, padding)
    if steps is not None and steps < 1:
        raise ValueError(
            f"Layer '{layer_name}' with a window of {window} and padding {padding!r} leaves nothing of its input. "
            f"Received: input shape {tuple(input_shape)}"
        )
    return steps
