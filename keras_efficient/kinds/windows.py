"""Windows that slide over a map, as layer configurations write them: sizes, strides, padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from keras_efficient.kinds.fields import check_integer, check_pair, required
from keras_efficient.kinds.measures import Config, FeatureMap, Shape, as_image
from keras_efficient.kinds.steps import Step, WholeStep, WindowStep

PADDINGS = ("valid", "same")
MEAN_DIGITS = 8  # of the reciprocals that quantized means multiply with, binary
# Zeros before and after each axis: of rows, and of columns.
Border = tuple[tuple[int, int], tuple[int, int]]
Padding = str | Border

# What is known stays known.
Size = TypeVar("Size", int, int | None)


def window_output_size(size: Size, kernel: int, stride: int, padding: str | tuple[int, int]) -> Size:
    """How many windows of length `kernel` fit along an axis of length `size`.

    "valid": floor((size - kernel) / stride) + 1, which is 0 or less when the window is longer than
    the axis. "same": ceil(size / stride). (before, after): as "valid", with so many zeros. None stays None.
    """
    if isinstance(padding, str) and padding not in PADDINGS:
        raise ValueError(f"padding must be 'valid' or 'same'. Received: {padding!r}")
    if size is None:
        return None
    if padding == "same":
        return -(-size // stride)
    return (size + (0 if isinstance(padding, str) else sum(padding)) - kernel) // stride + 1


def zeros_around(size: int, outputs: int, kernel: int, stride: int, padding: str | tuple[int, int]) -> tuple[int, int]:
    """Zeros before an axis of length `size`, and those after it that windows read.

    "same" puts the smaller half before, as TensorFlow and Keras pad.
    """
    reach = (outputs - 1) * stride + kernel - size
    before = padding[0] if not isinstance(padding, str) else max(reach, 0) // 2 if padding == "same" else 0
    return before, max(reach - before, 0)


def along(padding: Padding, axis: int) -> str | tuple[int, int]:
    """A padding of images along rows (0) or columns (1)."""
    return padding if isinstance(padding, str) else padding[axis]


def read_border(padding: Any, key: str = "padding") -> Border:
    """Padding (or cropping) as ZeroPadding2D writes it: n, (rows, columns) or ((top, bottom), (left, right))."""
    sides = padding if isinstance(padding, (list, tuple)) else (padding, padding)
    pairs = [tuple(side) if isinstance(side, (list, tuple)) else (side, side) for side in sides]
    if len(pairs) != 2 or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"{key} must be n, (rows, columns) or ((top, bottom), (left, right)). Received: {padding!r}")
    top, bottom, left, right = (check_integer(size, key) for pair in pairs for size in pair)
    if min(top, bottom, left, right) < 0:
        raise ValueError(f"{key} must be at least 0. Received: {padding!r}")
    return (top, bottom), (left, right)


def read_ends(padding: Any, key: str = "padding") -> tuple[int, int]:
    """Padding (or cropping) as ZeroPadding1D writes it: n or (before, after)."""
    return read_border((0, first_of(padding)), key)[1]


def mean_reciprocal(count: int) -> float:
    """1 / count to `MEAN_DIGITS` binary digits: what the quantized means multiply a sum with."""
    places = count.bit_length() + MEAN_DIGITS - 1
    return round(2**places / count) / 2**places


def read_window(config: Mapping[str, Any], size_key: str, default: Any = None) -> Slide:
    """The window of a convolution or pooling configuration of images.

    Convolutions move by 1 where no strides are given, pooling by the window itself.
    """
    window = check_pair(required(config, size_key) if default is None else config.get(size_key, default), size_key)
    strides = config.get("strides")
    if strides is None:
        strides = window if size_key == "pool_size" else 1
    check_channels_last(config)
    padding = config.get("padding", "valid")
    return Slide(
        window,
        check_pair(strides, "strides"),
        padding if isinstance(padding, str) else read_border(padding),
        check_pair(config.get("dilation_rate", 1), "dilation_rate"),
    )


def check_channels_last(config: Mapping[str, Any]) -> None:
    """Channels-first maps have other shapes: better refused than guessed."""
    if config.get("data_format") not in (None, "channels_last"):
        raise ValueError(f"data_format must be 'channels_last'. Received: {config['data_format']!r}")


def read_signal_window(config: Mapping[str, Any], size_key: str, default: Any = None) -> Slide:
    """The window along time, as `read_window`; Keras writes 3 or (3,). "causal": all zeros come before."""
    flat = {
        key: (1, first_of(config[key])) for key in (size_key, "strides", "dilation_rate") if config.get(key) is not None
    }
    padding = config.get("padding", "valid")
    slide = read_window({**config, **flat, "padding": "valid"}, size_key, default)
    if padding == "causal":
        padding = (slide.extents[1] - 1, 0)
    return slide._replace(padding=padding if isinstance(padding, str) else ((0, 0), read_ends(padding)))


def first_of(value: Any) -> Any:
    """The number in (number,), or the value itself."""
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def spread_size(size: Size, spread: int) -> Size:
    """The length of an axis whose places lie `spread` apart."""
    return None if size is None else (size - 1) * spread + 1


class Slide(NamedTuple):
    """A window over images; a signal is an image of one row. Pairs are (rows, columns).

    spread: How far apart the rows and columns of the map lie, with zeros between them: over such a map a window of
        stride 1 computes a transposed convolution.
    """

    sizes: tuple[int, int]
    strides: tuple[int, int]
    padding: Padding
    dilation: tuple[int, int] = (1, 1)
    spread: tuple[int, int] = (1, 1)

    @property
    def extents(self) -> tuple[int, int]:
        """Rows and columns from a window's first place to its last."""
        down, across = ((size - 1) * rate + 1 for size, rate in zip(self.sizes, self.dilation, strict=True))
        return down, across

    def border(self, shape: Shape) -> Border:
        """Zeros around an image of which windows read some: (above, below), (left, right)."""
        sizes = map(spread_size, as_image(shape)[:2], self.spread)
        axes = zip(sizes, as_image((*self.places(shape), 1))[:2], self.extents, self.strides, strict=True)
        (rows, columns) = (zeros_around(*axis, along(self.padding, number)) for number, axis in enumerate(axes))
        return rows, columns

    def places(self, shape: Shape) -> Shape:
        """The places that the window leaves of a signal or an image, without the channels."""
        sizes = map(spread_size, as_image(shape)[:2], self.spread)
        axes = enumerate(zip(sizes, self.extents, self.strides, strict=True))
        rows, columns = (window_output_size(*axis, along(self.padding, number)) for number, axis in axes)
        return (columns,) if len(shape) == 2 else (rows, columns)


def sliding(size_key: str, default: Any = None, rank: int | None = None) -> Callable[[Config, Shape], Slide]:
    """The window that a configuration writes down, over inputs of `rank` axes (None: signals and images)."""

    def window(config: Config, shape: Shape) -> Slide:
        read = read_window if len(rank_checked(shape, rank)) == 3 else read_signal_window
        return read(config, size_key, default)

    return window


def whole_map(rank: int | None = None) -> Callable[[Config, Shape], Slide]:
    """The window that covers all places of an input at once."""

    def window(config: Config, shape: Shape) -> Slide:
        check_channels_last(config)
        places = as_image(rank_checked(shape, rank))[:2]
        return Slide(places, places, "valid")

    return window


ONE_PLACE = Slide((1, 1), (1, 1), "valid")


def unchanged_image(config: Config, shape: Shape) -> Shape:
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
    if slide.spread != (1, 1):
        return WholeStep(source.as_image, target.as_image)
    one_to_one = by_channel and source.shape[-1] == target.shape[-1]
    window = (slide.extents, slide.strides, slide.padding)
    return WindowStep(source.as_image, target.as_image, *window, one_to_one, scratch=scratch)
