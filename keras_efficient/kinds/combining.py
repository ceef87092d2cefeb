"""Layers with several inputs."""

from __future__ import annotations

from keras_efficient.kinds.fields import check_bits
from keras_efficient.kinds.kind import Kind, Price
from keras_efficient.kinds.measures import Config, FeatureMap, Shape, float_bits, quantized_output_bits
from keras_efficient.kinds.steps import CellStep, Step
from keras_efficient.kinds.windows import ONE_PLACE, window_step


def one_shape(config: Config, *shapes: Shape) -> Shape:
    """The shape of a sum, say, of maps of one shape."""
    if len(set(shapes)) != 1:
        raise ValueError(f"its inputs must have one shape. Received: {list(shapes)}")
    return shapes[0]


def side_by_side(config: Config, *shapes: Shape) -> Shape:
    """The shape of maps that lie side by side along the last axis."""
    if config.get("axis", -1) not in (-1, len(shapes[0])) or len({shape[:-1] for shape in shapes}) != 1:
        raise ValueError(f"its inputs must fit along the last axis. Received: {list(shapes)}")
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


def cell_by_cell(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    return (CellStep(source.as_image, target.as_image),)


def place_by_place(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    """The channels of a place lie side by side in the target."""
    return (window_step(ONE_PLACE, source, target, by_channel=False),)


BITS = {"activation_bits": check_bits}
OWN = {
    "AddQ": Kind(shape=one_shape, settings=BITS, price=Price(quantized_output_bits, cell_by_cell), form="Addition"),
    "ConcatenateQ": Kind(
        shape=side_by_side, settings=BITS, price=Price(quantized_output_bits, place_by_place), form="Concatenation"
    ),
}
LAYERS = {
    "Add": Kind(shape=one_shape, price=Price(float_bits, cell_by_cell), twin="AddQ", absorbs=("relu",)),
    **dict.fromkeys(
        ("Subtract", "Multiply", "Maximum", "Minimum", "Average"),
        Kind(shape=one_shape, price=Price(float_bits, cell_by_cell)),
    ),
    "Concatenate": Kind(shape=side_by_side, price=Price(float_bits, place_by_place), twin="ConcatenateQ"),
}
