"""`Codes`: how the integers of a map, a kernel or a bias stand for values, and how they are stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_efficient.kinds.fields import LARGEST_MIDRISE


@dataclass(frozen=True)
class Codes:
    """A fixed-point grid in integers: value = integer x 2^exponent.

    Unsigned integers go from 0 to 2^bits - 1, signed ones from -2^(bits-1) to 2^(bits-1) - 1. Signed
    grids of one or two bits have codes +-1/2, +-3/2 (mid-rise): here they are the odd integers
    +-1, +-3, and `exponent` is one lower.

    In memory every cell holds an index from 0 to 2^bits - 1: integer = low + step x index.
    """

    bits: int
    signed: bool
    exponent: int

    @classmethod
    def of_scale(cls, bits: int, signed: bool, scale_exponent: int) -> Codes:
        """The grid of `ops.quantize` with the scale 2^scale_exponent."""
        exponent = scale_exponent - (bits - 1 if signed else bits)
        return cls(bits, signed, exponent - (signed and bits <= LARGEST_MIDRISE))

    @property
    def midrise(self) -> bool:
        return self.signed and self.bits <= LARGEST_MIDRISE

    @property
    def step(self) -> int:
        return 2 if self.midrise else 1

    @property
    def low(self) -> int:
        if not self.signed:
            return 0
        return -(2**self.bits - 1) if self.midrise else -(2 ** (self.bits - 1))

    @property
    def high(self) -> int:
        return self.low + self.step * (2**self.bits - 1)

    @property
    def bound(self) -> int:
        return max(-self.low, self.high)

    def nearest(self, values: np.ndarray | float) -> np.ndarray:
        """The integers of `ops.quantize(values)`: half to even, or (mid-rise) the odd one nearby.

        In float64, as float32 has no reciprocal of the smallest steps.
        """
        scaled = np.ldexp(np.asarray(values, dtype=np.float64), -self.exponent)
        rounded = 2 * np.floor(scaled / 2) + 1 if self.midrise else np.rint(scaled)
        return np.clip(rounded, self.low, self.high).astype(np.int64)

    def indices(self, integers: np.ndarray | int) -> np.ndarray:
        """What memory holds for these integers."""
        return (np.asarray(integers) - self.low) // self.step
