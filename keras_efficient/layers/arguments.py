"""Checks of layer arguments that several families share."""

from typing import Any

from keras_efficient.kinds.windows import Padding, Slide, along, read_border, read_ends
from keras_efficient.ops.quantize import check_bits
from keras_efficient.type_aliases import Shape


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
