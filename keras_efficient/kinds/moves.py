"""Layers that move numbers to other places, or only rename these."""

from __future__ import annotations

import math

from keras_efficient.kinds.fields import check_integer, required
from keras_efficient.kinds.kind import CHANNELS, COMPUTES, MOVES, RENAMES, Kind, Price
from keras_efficient.kinds.measures import Config, FeatureMap, Shape, same_bits
from keras_efficient.kinds.steps import CellStep, Step
from keras_efficient.kinds.windows import rank_checked, read_border


def flatten_shape(config: Config, shape: Shape) -> Shape:
    return (None,) if None in shape else (math.prod(shape),)


def reshape_shape(config: Config, shape: Shape) -> Shape:
    """One size of `target_shape` may be -1: it takes what the other sizes leave."""
    target = required(config, "target_shape")
    if not isinstance(target, (list, tuple)):
        raise ValueError(f"target_shape must be a list of integers. Received: {target!r}")
    target = tuple(check_integer(size, "target_shape") for size in target)
    if None in shape:
        return tuple(None if size == -1 else size for size in target)
    cells, given = math.prod(shape), math.prod(size for size in target if size != -1)
    if target.count(-1) == 1 and given > 0 and cells % given == 0:
        target = tuple(cells // given if size == -1 else size for size in target)
    if min(target, default=1) < 1 or math.prod(target) != cells:
        raise ValueError(f"target_shape {target} does not hold the {cells} numbers of the input {shape}")
    return target


def zero_padding_shape(config: Config, shape: Shape) -> Shape:
    rows, columns, channels = rank_checked(shape, 3)
    (top, bottom), (left, right) = read_border(config.get("padding", 1))
    return widened(rows, top + bottom), widened(columns, left + right), channels


def widened(size: int | None, border: int) -> int | None:
    return None if size is None else size + border


def from_the_end(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    """Where a map widens, its cells move from its end on."""
    return (CellStep(source.as_image, target.as_image),)


def passed_on(config: Config) -> str:
    return "pixels"


RENAMED = Price(same_bits, from_the_end, streams=passed_on)
LAYERS = {
    "Flatten": Kind(RENAMES, flatten_shape, price=RENAMED, form="", is_head=True),
    "Reshape": Kind(RENAMES, reshape_shape, price=RENAMED, is_head=True),
    "Permute": Kind(MOVES),
    "ZeroPadding2D": Kind(MOVES, zero_padding_shape, price=Price(same_bits, from_the_end), prunes=CHANNELS),
    **dict.fromkeys(("ZeroPadding1D", "Cropping1D", "Cropping2D", "UpSampling1D"), Kind(MOVES, prunes=CHANNELS)),
    # It may interpolate.
    "UpSampling2D": Kind(COMPUTES, prunes=CHANNELS),
    **dict.fromkeys(("ZeroPadding3D", "Cropping3D", "UpSampling3D"), Kind(MOVES, prunes=CHANNELS)),
}
