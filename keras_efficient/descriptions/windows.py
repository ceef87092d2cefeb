"""Windows that slide over a map, as layer configurations write them: sizes, strides, padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from keras_efficient.descriptions.fields import check_pair, required

PADDINGS = ("valid", "same")
MEAN_DIGITS = 8  # of the reciprocals that quantized means multiply with, binary


# What is known stays known.
Size = TypeVar("Size", int, int | None)


def window_output_size(size: Size, kernel: int, stride: int, padding: str) -> Size:
    """How many windows of length `kernel` fit along an axis of length `size`.

    "valid": floor((size - kernel) / stride) + 1, which is 0 or less when the window is longer than
    the axis. "same": ceil(size / stride). None stays None.
    """
    if padding not in PADDINGS:
        raise ValueError(f"padding must be 'valid' or 'same'. Received: {padding!r}")
    if size is None:
        return None
    return -(-size // stride) if padding == "same" else (size - kernel) // stride + 1


def mean_reciprocal(count: int) -> float:
    """1 / count to `MEAN_DIGITS` binary digits: what the quantized means multiply a sum with."""
    places = count.bit_length() + MEAN_DIGITS - 1
    return round(2**places / count) / 2**places


def read_window(
    config: Mapping[str, Any], size_key: str, default: Any = None
) -> tuple[tuple[int, int], tuple[int, int], str]:
    """(window rows, columns), (stride rows, columns) and padding of a convolution or pooling
    configuration.

    Convolutions move by 1 where no strides are given, pooling by the window itself.
    """
    window = check_pair(required(config, size_key) if default is None else config.get(size_key, default), size_key)
    strides = config.get("strides")
    if strides is None:
        strides = window if size_key == "pool_size" else 1
    refuse_what_is_not_modelled(config)
    return window, check_pair(strides, "strides"), config.get("padding", "valid")


def refuse_what_is_not_modelled(config: Mapping[str, Any]) -> None:
    """Channels-first maps and dilated windows have other shapes and other lifetimes: better refused
    than guessed."""
    if config.get("data_format") not in (None, "channels_last"):
        raise ValueError(f"data_format must be 'channels_last'. Received: {config['data_format']!r}")
    if "dilation_rate" in config and check_pair(config["dilation_rate"], "dilation_rate") != (1, 1):
        raise ValueError(f"dilation_rate must be 1. Received: {config['dilation_rate']!r}")


def read_signal_window(config: Mapping[str, Any], size_key: str, default: Any = None) -> tuple[int, int, str]:
    """Window, stride and padding along time, as `read_window`; Keras writes 3 or (3,)."""
    flat = {key: first_of(config[key]) for key in (size_key, "strides", "dilation_rate") if key in config}
    (size, _), (stride, _), padding = read_window({**config, **flat}, size_key, default)
    return size, stride, padding


def first_of(value: Any) -> Any:
    """The number in (number,), or the value itself."""
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
