"""What it takes to price a class of layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

BITS_PER_BYTE = 8
FLOAT_BITS = 32
LOGIT_BITS = 16  # what the C keeps of each output
SHIFT_BITS = 4
Config = Mapping[str, Any]


def whole_bytes(bits: int) -> int:
    """Bytes that hold so many bits."""
    return -(-bits // BITS_PER_BYTE)


class FeatureMap(NamedTuple):
    """A map between two layers: its shape without the batch, and the bits of a cell."""

    shape: tuple
    bits: int

    @property
    def cells(self) -> int:
        return math.prod(self.shape)

    @property
    def total_bits(self) -> int:
        return self.cells * self.bits

    @property
    def pixel_bits(self) -> int:
        """Bits of all channels at one place of an image."""
        return self.shape[-1] * self.bits


class Weights(NamedTuple):
    """Numbers that a layer stores, and their bits together.

    `minimal`: the numbers that the same functions need, where a layer stores more of them; None
    where it does not.
    """

    parameters: int = 0
    bits: int = 0
    minimal: int | None = None


class Working(NamedTuple):
    """Bits of input and output that are alive at once at the worst moment, and the order of the
    output pixels if it matters."""

    bits: int
    order: str | None = None


class Price(NamedTuple):
    """How one class of layers is priced. Every function gets the layer's configuration first.

    Adding a family of layers: one module beside this one with ``PRICES: dict[str, Price]``, one
    line in ``prices/__init__.py``; their shapes go into ``descriptions.shapes.SHAPES``.
    """

    output_bits: Callable[[Config, int], int]  # (config, bits of an input cell) -> bits of an output cell
    working: Callable[[Config, FeatureMap, FeatureMap, str], Working]  # (config, source, target, order)
    weights: Callable[[Config, FeatureMap], Weights] = lambda config, source: Weights()
    products: Callable[[Config, FeatureMap, FeatureMap], int] = lambda config, source, target: 0
    # Whether a map that arrives pixel by pixel need not be stored: "pixels": each pixel is passed
    # on at once; "windows": each pixel joins the one output it belongs to; "sums": the same, but a row of
    # outputs waits in wider running sums; "no": the whole map is needed.
    streams: Callable[[Config], str] = lambda config: "no"
    # Of a layer with several inputs: (config, their shapes) -> shape behind it.
    merges: Callable[[Config, Sequence[tuple]], tuple] | None = None


class Widths(NamedTuple):
    """Bits of a kernel, a bias and an output cell."""

    kernel: int
    bias: int
    activation: int


def quantized_widths(config: Config) -> Widths:
    """The widths of the quantized layers; None means float."""
    widths = (
        config.get("kernel_bits", 4),
        config.get("bias_bits", 8),
        config.get("activation_bits", 4),
    )
    return Widths(*(FLOAT_BITS if bits is None else bits for bits in widths))


def optional_widths(config: Config) -> Widths:
    """The widths of layers that are float unless they say otherwise."""
    names = ("kernel_bits", "bias_bits", "activation_bits")
    return Widths(*(FLOAT_BITS if config.get(name) is None else config[name] for name in names))


def float_widths(config: Config) -> Widths:
    return Widths(FLOAT_BITS, FLOAT_BITS, FLOAT_BITS)


def kernel_and_bias(widths: Widths, kernels: int, biases: int, shifts: int = 0) -> Weights:
    return Weights(kernels + biases, kernels * widths.kernel + biases * widths.bias + shifts * SHIFT_BITS)


def biases_of(config: Config, count: int) -> int:
    """A batch normalization that is folded into the kernel leaves a bias."""
    return count if config.get("use_bias", True) or config.get("batch_norm") else 0


def shifts_of(config: Config, count: int) -> int:
    """Filters with a scale of their own store how far they lie above the finest."""
    return count if config.get("per_channel") else 0


def same_bits(config: Config, input_bits: int) -> int:
    return input_bits


def float_bits(config: Config, input_bits: int) -> int:
    return FLOAT_BITS


def declared_bits(config: Config, input_bits: int) -> int:
    """The width of the quantizers that are layers of their own."""
    bits = config.get("bits", 4)
    return FLOAT_BITS if bits is None else bits


def quantized_output_bits(config: Config, input_bits: int) -> int:
    return quantized_widths(config).activation


def optional_output_bits(config: Config, input_bits: int) -> int:
    return optional_widths(config).activation


def in_place(config: Config, source: FeatureMap, target: FeatureMap, order: str) -> Working:
    """Cells replace cells: where they widen, from the end of the map."""
    return Working(max(source.total_bits, target.total_bits))


def side_by_side(config: Config, source: FeatureMap, target: FeatureMap, order: str) -> Working:
    """Every output reads every input: both are alive at once."""
    return Working(source.total_bits + target.total_bits)
