"""Maps, weights and widths: what the bytes of a layer are counted in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from keras_efficient.kinds.fields import QUANTIZER_BITS

BITS_PER_BYTE = 8
FLOAT_BITS = 32
LOGIT_BITS = 16  # what the C keeps of each output
LOGIT_WIDTHS = (8, LOGIT_BITS)
SHIFT_BITS = 4
TARGETS = ("host", "avr", "arm", "dsp", "arduino", "cmake", "arduino_library")  # what C is written for
Config = Mapping[str, Any]
Shape = tuple  # of int | None, without the batch


def check_logits(name: str, bits: int, logits_bits: int, signed: bool = True) -> None:
    """Refuse outputs of `bits` that logits of `logits_bits` do not hold."""
    if logits_bits not in LOGIT_WIDTHS:
        raise ValueError(f"`logits_bits` must be 8 or 16. Received: logits_bits={logits_bits!r}")
    if logits_bits < LOGIT_BITS and bits + (not signed) > logits_bits:
        raise ValueError(
            f"`logits_bits`=8 needs outputs of at most 8 bits with a sign, or 7 without: quantize_model(..., "
            f"overrides={{{name!r}: {{'activation_bits': {8 if signed else 7}}}}}). Received: {name!r} with {bits} bits"
        )


def whole_bytes(bits: int) -> int:
    return -(-bits // BITS_PER_BYTE)


def as_image(shape: Shape) -> Shape:
    """(rows, columns, channels) of a map: a signal is an image of one row, a vector one pixel."""
    return (*(1,) * (3 - len(shape)), *shape)


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

    @property
    def as_image(self) -> FeatureMap:
        """(rows, columns, channels): a signal is an image of one row, a vector one pixel."""
        return FeatureMap(as_image(self.shape), self.bits)


class WeightCount(NamedTuple):
    """Numbers that a layer stores, and their bits together.

    `minimal`: the numbers that the same functions need, where a layer stores more of them; None
    where it does not.
    """

    parameters: int = 0
    bits: int = 0
    minimal: int | None = None


class Widths(NamedTuple):
    """Bits of a kernel, a bias and an output cell."""

    kernel: int
    bias: int
    activation: int


def quantized_widths(config: Config) -> Widths:
    return _widths(config, 4, 8, 4)


def optional_widths(config: Config) -> Widths:
    """The widths of layers that are float unless they say otherwise."""
    return _widths(config, None, None, None)


def _widths(config: Config, *defaults: int | None) -> Widths:
    given = map(config.get, QUANTIZER_BITS, defaults)
    return Widths(*(FLOAT_BITS if bits is None else bits for bits in given))


def float_widths(config: Config) -> Widths:
    return Widths(FLOAT_BITS, FLOAT_BITS, FLOAT_BITS)


def kernel_and_bias(widths: Widths, kernels: int, biases: int, shifts: int = 0) -> WeightCount:
    return WeightCount(kernels + biases, kernels * widths.kernel + biases * widths.bias + shifts * SHIFT_BITS)


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
