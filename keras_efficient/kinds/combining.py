"""Layers with several inputs."""

import math
from collections.abc import Sequence

from keras_efficient.kinds.fields import check_bits
from keras_efficient.kinds.kind import Kind, Price
from keras_efficient.kinds.measures import Config, FeatureMap, Shape, float_bits, quantized_output_bits
from keras_efficient.kinds.steps import CellStep, Step, WholeStep
from keras_efficient.kinds.windows import ONE_PLACE, window_step


def repeated_shape(shapes: Sequence[Shape]) -> Shape:
    """The shape of a sum, say, of maps whose axes have one length or 1."""
    if len({len(shape) for shape in shapes}) == 1:
        lengths = [{size for size in sizes if size != 1} for sizes in zip(*shapes, strict=True)]
        if all(len(found) <= 1 for found in lengths):
            return tuple(found.pop() if found else 1 for found in lengths)
    raise ValueError(f"its inputs must have one shape, or axes of length 1. Received: {list(shapes)}")


def _combined_shape(config: Config, *shapes: Shape) -> Shape:
    return repeated_shape(shapes)


def _pair_shape(config: Config, *shapes: Shape) -> Shape:
    if len(shapes) != 2:
        raise ValueError(f"it takes two inputs. Received: {len(shapes)}")
    return repeated_shape(shapes)


def side_by_side(config: Config, *shapes: Shape) -> Shape:
    """The shape of maps that lie side by side along an axis."""
    place = place_of_axis(config, shapes[0])
    if len({(len(shape), shape[:place], shape[place + 1 :]) for shape in shapes}) != 1:
        raise ValueError(
            f"its inputs must differ along axis {config.get('axis', -1)} only. Received: {list(map(tuple, shapes))}"
        )
    sizes = [shape[place] for shape in shapes]
    return (*shapes[0][:place], None if None in sizes else sum(sizes), *shapes[0][place + 1 :])


def place_of_axis(config: Config, shape: Shape) -> int:
    """The `axis` of a configuration, which counts the batch, in a shape without it."""
    axis, rank = config.get("axis", -1), len(shape)
    place = axis + rank if axis < 0 else axis - 1
    if not 0 <= place < rank:
        raise ValueError(f"axis must be one of the {rank} after the batch. Received: axis={axis}")
    return place


def combined_step(source: FeatureMap, target: FeatureMap) -> Step:
    """A map that is repeated along an axis is read again and again."""
    same = source.as_image.shape == target.as_image.shape
    return (CellStep if same else WholeStep)(source.as_image, target.as_image)


def _combined_steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    return (combined_step(source, target),)


def joined_step(place: int, source: FeatureMap, target: FeatureMap) -> Step:
    """What lies along an axis and those after it counts as the channels of a place: it lies side by side in memory."""

    def joined(each: FeatureMap) -> FeatureMap:
        return FeatureMap((1, math.prod(each.shape[:place]), math.prod(each.shape[place:])), each.bits)

    return window_step(ONE_PLACE, joined(source), joined(target), by_channel=False)


def _joined_steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    return (joined_step(place_of_axis(config, target.shape), source, target),)


BITS = {"activation_bits": check_bits}
# Keras's name, and the shape that it gives.
COMBINING = {
    "Add": _combined_shape,
    "Average": _combined_shape,
    "Maximum": _combined_shape,
    "Minimum": _combined_shape,
    "Multiply": _pair_shape,
    "Subtract": _pair_shape,
}
OWN = {
    **{
        f"{name}Q": Kind(
            shape=shape, settings=BITS, price=Price(quantized_output_bits, _combined_steps), form="Combination"
        )
        for name, shape in COMBINING.items()
    },
    "ConcatenateQ": Kind(
        shape=side_by_side, settings=BITS, price=Price(quantized_output_bits, _joined_steps), form="Concatenation"
    ),
}
LAYERS = {
    **{
        name: Kind(
            shape=_combined_shape,
            price=Price(float_bits, _combined_steps),
            twin=f"{name}Q",
            absorbs=("relu",) if name == "Add" else (),
        )
        for name in COMBINING
    },
    "Concatenate": Kind(shape=side_by_side, price=Price(float_bits, _joined_steps), twin="ConcatenateQ"),
}
