"""Windows that slide over a map, as layer configurations write them: sizes, strides, padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from keras_efficient.kinds.fields import check_pair, required
from keras_efficient.kinds.measures import Config, FeatureMap, Shape, as_image
from keras_efficient.kinds.steps import Step, WindowStep

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


class Slide(NamedTuple):
    """A window over images; a signal is an image of one row. Pairs are (rows, columns)."""

    sizes: tuple[int, int]
    strides: tuple[int, int]
    padding: str

    def places(self, shape: Shape) -> Shape:
        """The places that the window leaves of a signal or an image, without the channels."""
        axes = zip(as_image(shape)[:2], self.sizes, self.strides, strict=True)
        rows, columns = (window_output_size(*axis, self.padding) for axis in axes)
        return (columns,) if len(shape) == 2 else (rows, columns)


def sliding(size_key: str, default: Any = None, rank: int | None = None) -> Callable[[Config, Shape], Slide]:
    """The window that a configuration writes down, over inputs of `rank` axes (None: signals and images)."""

    def window(config: Config, shape: Shape) -> Slide:
        if len(rank_checked(shape, rank)) == 3:
            return Slide(*read_window(config, size_key, default))
        size, stride, padding = read_signal_window(config, size_key, default)
        return Slide((1, size), (1, stride), padding)

    return window


def whole_map(rank: int | None = None) -> Callable[[Config, Shape], Slide]:
    """The window that covers all places of an input at once."""

    def window(config: Config, shape: Shape) -> Slide:
        refuse_what_is_not_modelled(config)
        places = as_image(rank_checked(shape, rank))[:2]
        return Slide(places, places, "valid")

    return window


ONE_PLACE = Slide((1, 1), (1, 1), "valid")


def unchanged_image(config: Config, shape: Shape) -> Shape:
    """The shape behind a layer that takes images and leaves their size."""
    return rank_checked(shape, 3)


def rank_checked(shape: Shape, rank: int | None) -> Shape:
    """`shape`, or a ValueError where it has not the right number of axes."""
    expected = {2: "(steps, channels)", 3: "(rows, columns, channels)"}
    if len(shape) not in (expected if rank is None else (rank,)):
        forms = " or ".join(text for axes, text in expected.items() if rank in (None, axes))
        raise ValueError(f"the layer needs an input {forms}. Received: {shape}")
    return shape


def window_step(slide: Slide, source: FeatureMap, target: FeatureMap, by_channel: bool, scratch: int = 0) -> Step:
    """The step of a window. `by_channel`: each channel is computed from itself alone."""
    one_to_one = by_channel and source.shape[-1] == target.shape[-1]
    return WindowStep(source.as_image, target.as_image, *slide, one_to_one, scratch=scratch)
