"""Layers with several inputs, the grid of the input, and means on a grid whose scale trains."""

from __future__ import annotations

from collections.abc import Sequence

from keras_efficient.storage.prices.base import Price, in_place, quantized_output_bits

MERGING = ("AddQ", "ConcatenateQ")


def merged_shape(kind: str, shapes: Sequence[tuple]) -> tuple:
    """The shape of a sum, or of maps side by side along the last axis."""
    places = {shape[:-1] for shape in shapes} if kind == "ConcatenateQ" else set(shapes)
    if len(places) != 1:
        raise ValueError(f"cannot price a layer {kind} of inputs {list(shapes)}")
    return (*places.pop(), sum(shape[-1] for shape in shapes)) if kind == "ConcatenateQ" else places.pop()


PRICES = {
    **dict.fromkeys(MERGING, Price(quantized_output_bits, in_place)),
    "InputQ": Price(lambda config, input_bits: config.get("bits", 8), in_place, streams=lambda config: "pixels"),
    "GlobalMeanPoolingQ": Price(quantized_output_bits, in_place),
}
