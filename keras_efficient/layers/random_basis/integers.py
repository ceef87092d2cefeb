"""The kernel of a random-basis layer in integers: the same on every backend, in numpy and in C."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from keras import ops

from keras_efficient.ops.covering import covering_log2_scale
from keras_efficient.ops.hashing import hashed_halves
from keras_efficient.ops.quantize import Grid, power_of_two, to_codes
from keras_efficient.ops.sketches import bucket_sizes, coprime_width, strided_expand
from keras_efficient.type_aliases import Tensor

SIGN_SALT, START_SALT = 0, 1
LEAST_BITS = 3  # narrower grids have no zero
_UNIT_BITS, _LIMIT_BITS = 24, 9
_LARGEST_SHIFT = 29


@dataclass(frozen=True)
class Basis:
    """Where the entries of a kernel lie: `rows` of `width`, at places for `padded`, which the `dimensions` coordinates
    take in turn.

    glorot: The limit of the start, sqrt(6 / (fan_in + fan_out)). sizes: How many entries each coordinate has.
    """

    kernel_shape: tuple[int, ...]
    dimensions: int

    @property
    def rows(self) -> int:
        return math.prod(self.kernel_shape[:-1])

    @property
    def width(self) -> int:
        return self.kernel_shape[-1]

    @property
    def padded(self) -> int:
        return coprime_width(self.width, self.dimensions)

    @property
    def glorot(self) -> float:
        receptive, (fan_in, fan_out) = math.prod(self.kernel_shape[:-2]), self.kernel_shape[-2:]
        return math.sqrt(6 / (receptive * (fan_in + fan_out)))

    @cached_property
    def sizes(self) -> np.ndarray:
        positions = (np.arange(self.rows)[:, None] * self.padded + np.arange(self.width)).ravel()
        return bucket_sizes(positions, self.dimensions)

    def expand(self, coordinates: Tensor, seed: int, sizes: np.ndarray) -> Tensor:
        """The (rows, width) entries of a vector of the basis; arguments as of `ops.sketches.strided_expand`."""
        vector = strided_expand(coordinates, self.rows * self.padded, seed, SIGN_SALT, sizes)
        return ops.reshape(vector, (self.rows, self.padded))[:, : self.width]


@dataclass(frozen=True)
class BasisIntegers(Basis):
    """The entries of a kernel as integers of `kernel_bits` bits, of coordinates in `coordinate_bits` bits.

    With l = sqrt(6 / (fan_in + fan_out)), Glorot's limit, f = floor(log2 l), the words of `ops.hashed_uniform`
    (salt 1) as 16-bit integers h (`ops.hashing.hashed_halves`), the signs s of `ops.hashed_signs` (salt 0), and
    coordinates c, the codes of z_b / sqrt(n_b) on the grid of the smallest power-of-two step 2^-q that cuts nothing
    off (n_b: the kernel entries of coordinate b):

        A = round(2^(9 - f) l)          v = A h_k + s_p c_b 2^(24 - f - q)          code = clip((v + 2^(r - 1)) >> r)

    for a kernel step of 2^-e and r = 24 - f - e. The entry in row i and column j of a kernel of `width` columns has
    k = i width + j, p = i padded + j and b = p mod d, with the `padded` width of `ops.sketches.coprime_width`. All of
    it fits into 32 bits: q and e are limited to what does.
    """

    seed: int
    kernel_bits: int
    coordinate_bits: int

    @cached_property
    def unit(self) -> int:
        """v counts 2^-unit: 24 - f."""
        return _UNIT_BITS - math.floor(math.log2(self.glorot))

    @property
    def limit(self) -> int:
        """A: Glorot's limit in units of 2^-15 of those of v."""
        return round(self.glorot * 2.0 ** (self.unit - _UNIT_BITS + _LIMIT_BITS))

    def coordinates(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(codes c, float32; the exponent of their step in units of v, int32: 24 - f - q)."""
        scaled = z / ops.convert_to_tensor(np.sqrt(np.maximum(self.sizes, 1)).astype("float32"))
        least = self.coordinate_bits - 1 - self.unit
        scale = ops.minimum(
            ops.maximum(covering_log2_scale(scaled, self.coordinate_bits), least),
            least + _LARGEST_SHIFT - self.coordinate_bits,
        )
        exponent = ops.cast(scale, "int32") - least
        return to_codes(scaled, self.coordinate_bits, scale), exponent

    def shift(self, kernel_scale: Tensor) -> Tensor:
        """r, int32, for a log2 scale of the kernel."""
        exponent = ops.cast(ops.round(ops.stop_gradient(ops.convert_to_tensor(kernel_scale, "float32"))), "int32")
        return ops.minimum(ops.maximum(self.unit + exponent - self.kernel_bits + 1, 1), _LARGEST_SHIFT)

    def codes(self, z: Tensor, kernel_scale: Tensor) -> Tensor:
        """The integers of the kernel, int32, of coordinates z and a log2 scale."""
        codes, exponent = self.coordinates(ops.stop_gradient(z))
        signed = ops.cast(self.expand(codes, self.seed, np.ones(self.dimensions, int)), "int32")
        start = ops.reshape(hashed_halves(self.seed, START_SALT, self.rows * self.width), (self.rows, self.width))
        one, shift = ops.ones((), "int32"), self.shift(kernel_scale)
        sums = self.limit * start + signed * ops.left_shift(one, exponent)
        rounded = ops.right_shift(sums + ops.left_shift(one, shift - 1), shift)
        low, high = Grid(self.kernel_bits).limits
        return ops.reshape(ops.minimum(ops.maximum(rounded, int(low)), int(high)), self.kernel_shape)

    def made(self, z: Tensor, kernel_scale: Tensor) -> "BasisCodes":
        """All integers, for those who export a layer."""
        codes, exponent = self.coordinates(z)
        numbers = ops.convert_to_numpy(self.codes(z, kernel_scale)).astype(np.int64)
        coordinates = ops.convert_to_numpy(codes).astype(np.int64)
        return BasisCodes(self, numbers, coordinates, int(exponent), int(self.shift(kernel_scale)))

    def kernel(self, z: Tensor, kernel_scale: Tensor) -> Tensor:
        """The kernel that these integers stand for, float32."""
        codes = ops.cast(self.codes(z, kernel_scale), "float32")
        return codes * power_of_two(kernel_scale, 0.0) / Grid(self.kernel_bits).resolution


@dataclass(frozen=True, eq=False)
class BasisCodes:
    """The numbers of one kernel.

    kernel: its entries. coordinates: c. exponent: 24 - f - q. shift: r.
    """

    integers: BasisIntegers
    kernel: np.ndarray
    coordinates: np.ndarray
    exponent: int
    shift: int
