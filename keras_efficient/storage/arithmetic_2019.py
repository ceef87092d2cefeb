"""The byte calculator of 2019, faults included, for parity with the published numbers.

For true bytes use `estimate_storage`. This module reads descriptions as the 2019 code did: nothing
is checked beyond what the arithmetic needs, and the last number of every item, whatever it means,
is the width of the next item's input.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras_efficient.checks import one_of
from keras_efficient.storage.slack_2019 import STRATEGIES, convolution_slack

BITS_PER_BYTE = 8


class State(NamedTuple):
    """Where the calculator stands: shape and bytes per cell of the map, and how it prices
    convolutions."""

    shape: list
    cell_bytes: float
    strategy: str

    @property
    def map_bytes(self) -> float:
        return math.prod(self.shape) * self.cell_bytes


class Charge(NamedTuple):
    """What an item costs in bytes, and the shape it leaves."""

    weights: float
    activations: float
    shape: list


def compute_storage(
    config: Sequence[Sequence[Any]],
    input_dimensions: Sequence[int],
    input_bits: int = 8,
    streaming: bool = True,
    convolution_strategy: str = "herringbone",
) -> tuple[float, float]:
    """(weight bytes, activation bytes) of a description, by the arithmetic of 2019.

    Returns (-1, -1) where a size falls to 0 or below.

    Args:
        config: items with the 2019 letters, both forms of the convolutions; no layer objects.
        input_dimensions: (rows, columns, channels).
        streaming: whether the input map is left out of the first maximum. Any true value counts, as
            in 2019 ("true", but also "false"). It changes nothing else: a first convolution still
            counts its input.
        convolution_strategy: see `convolution_slack`.

    Further faults, kept: pooling rounds sizes up (the network rounds down); "R" forgets the
    channels of its slack and of nothing else; "T" and "DSC" need no slack; dense layers count 2
    ceil(log2 inputs) cells of *kernel* width; ("D", rate) without bits makes the next input rate /
    8 bytes wide.

    Raises:
        ValueError: unknown letter or strategy, or an item whose length fits no form.
        ZeroDivisionError: "transpose" on a map without columns.
    """
    one_of(convolution_strategy, "convolution_strategy", STRATEGIES)
    state = State(list(input_dimensions), input_bits / BITS_PER_BYTE, convolution_strategy)
    weights, activations = 0.0, 0.0 if streaming else state.map_bytes
    for item in config:
        letter, *values = item
        if letter not in LETTERS:
            raise ValueError(f"unknown letter {letter!r} in {item!r}; the letters of 2019 are {', '.join(LETTERS)}")
        try:
            charge = LETTERS[letter](state, *values)
        except (TypeError, IndexError, ValueError) as error:
            raise ValueError(f"the 2019 arithmetic cannot price {item!r} on a map {state.shape}: {error}") from None
        weights, activations = weights + charge.weights, max(activations, charge.activations)
        state = State(charge.shape, item[-1] / BITS_PER_BYTE, convolution_strategy)
        if min(state.shape) <= 0:
            return -1.0, -1.0
    return float(weights), float(activations)


def _in_bytes(*bits: float) -> list[float]:
    return [value / BITS_PER_BYTE for value in bits]


def pooling(state: State, size: int, bits: int) -> Charge:
    rows, columns, channels = state.shape
    shape = [(rows + size - 1) // size, (columns + size - 1) // size, channels]
    return Charge(0, math.prod(shape) * bits / BITS_PER_BYTE, shape)


def window(state: State, channels: int, values: Sequence[int]) -> tuple[list[int], list[int], list[int], list[float]]:
    """(kernel size, strides, shape after it, bytes of kernel, bias and activation) of the long or the short form."""
    *sizes, kernel_bits, bias_bits, activation_bits = values
    if len(sizes) not in (1, 4):
        raise TypeError("the form has 9 or 6 items")
    kernel, strides = (sizes[:2], sizes[2:]) if len(sizes) == 4 else (sizes * 2, [1, 1])
    places = [(state.shape[axis] - kernel[axis]) // strides[axis] + 1 for axis in (0, 1)]
    return kernel, strides, [*places, channels], _in_bytes(kernel_bits, bias_bits, activation_bits)


def convolution(state: State, filters: int, *values: int) -> Charge:
    kernel, strides, shape, (kernel_bytes, bias_bytes, cell_bytes) = window(state, filters, values)
    slack = convolution_slack(state.shape, shape, kernel, strides, state.strategy)
    weights = math.prod(kernel) * state.shape[-1] * filters * kernel_bytes + filters * bias_bytes
    return Charge(weights, slack * cell_bytes + state.map_bytes, shape)


def depthwise(state: State, multiplier: int, *values: int) -> Charge:
    outputs = state.shape[-1] * multiplier
    kernel, _, shape, (kernel_bytes, bias_bytes, cell_bytes) = window(state, outputs, values)
    weights = math.prod(kernel) * outputs * kernel_bytes + outputs * bias_bytes
    return Charge(weights, max(state.map_bytes, math.prod(shape) * cell_bytes), shape)


def separable(state: State, filters: int, *values: int) -> Charge:
    """A depthwise convolution and a 1x1 convolution, as if in one step."""
    kernel, _, shape, (kernel_bytes, bias_bytes, cell_bytes) = window(state, filters, values)
    channels = state.shape[-1]
    weights = channels * (math.prod(kernel) + filters) * kernel_bytes + (channels + filters) * bias_bytes
    return Charge(weights, max(state.map_bytes, math.prod(shape) * cell_bytes), shape)


def residual(state: State, kernel_bits: int, bias_bits: int, activation_bits: int) -> Charge:
    kernel_bytes, bias_bytes, cell_bytes = _in_bytes(kernel_bits, bias_bits, activation_bits)
    channels = state.shape[-1]
    weights = 2 * 3 * 3 * channels * channels * kernel_bytes + 2 * channels * bias_bytes
    return Charge(weights, (3 * state.shape[1] + 2) * cell_bytes + state.map_bytes, state.shape)


def dense(state: State, units: int, kernel_bits: int, bias_bits: int, activation_bits: int) -> Charge:
    kernel_bytes, bias_bytes, cell_bytes = _in_bytes(kernel_bits, bias_bits, activation_bits)
    inputs = math.prod(state.shape)
    accumulators = 2 * math.ceil(math.log2(inputs)) * kernel_bytes
    weights = inputs * units * kernel_bytes + units * bias_bytes
    return Charge(weights, units * cell_bytes + accumulators + inputs * state.cell_bytes, [units])


def _passed_on(state: State, *values: float) -> Charge:
    """Quantizer, noise and dropout: free, but the last value still becomes the width of the next
    input."""
    return Charge(0, 0, state.shape)


LETTERS: dict[str, Callable[..., Charge]] = {
    **dict.fromkeys(("A", "M"), pooling),
    **dict.fromkeys(("C", "CN"), convolution),
    "DSC": separable,
    "T": depthwise,
    "R": residual,
    **dict.fromkeys(("F", "S"), dense),
    **dict.fromkeys(("Q", "N", "D"), _passed_on),
}
