"""Layers with several inputs, the grid of the input, and means on a grid whose scale trains."""

from __future__ import annotations

from collections.abc import Sequence

from keras_efficient.storage.prices.base import Config, Price, float_bits, in_place, quantized_output_bits


def one_shape(config: Config, shapes: Sequence[tuple]) -> tuple:
    """The shape of a sum, say, of maps of one shape."""
    if len(set(shapes)) != 1:
        raise ValueError(f"its inputs must have one shape. Received: {list(shapes)}")
    return shapes[0]


def side_by_side(config: Config, shapes: Sequence[tuple]) -> tuple:
    """The shape of maps that lie side by side along the last axis."""
    if config.get("axis", -1) not in (-1, len(shapes[0])) or len({shape[:-1] for shape in shapes}) != 1:
        raise ValueError(f"its inputs must fit along the last axis. Received: {list(shapes)}")
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


PRICES = {
    "AddQ": Price(quantized_output_bits, in_place, merges=one_shape),
    "ConcatenateQ": Price(quantized_output_bits, in_place, merges=side_by_side),
    "Concatenate": Price(float_bits, in_place, merges=side_by_side),
    **dict.fromkeys(
        ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average"),
        Price(float_bits, in_place, merges=one_shape),
    ),
    "InputQ": Price(lambda config, input_bits: config.get("bits", 8), in_place, streams=lambda config: "pixels"),
    "GlobalMeanPoolingQ": Price(quantized_output_bits, in_place),
}
