"""C code of weighted sums whose kernel is made of a seed and coordinates: random-basis layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_efficient.export.c.convolution import StoredWeights, Sums, bias_and_shifts
from keras_efficient.export.c.kernels import FORMATS
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.text import function
from keras_efficient.export.c.weights import Segment
from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.operations import Convolution
from keras_efficient.layers.random_basis.integers import BasisCodes

AT_ONCE = 8  # filters of which the signs are in one or two words
_HALF = Codes(16, False, 0)


@dataclass(frozen=True)
class BasisGroup:
    """Filters `first` to `first + filters - 1`, `width` of them at once: their weights are made in this order, of the
    seed and the coordinates in the stream of weights."""

    basis: BasisCodes
    first: int
    filters: int
    width: int
    seed: Segment
    coordinates: Segment
    format: str = "random basis"

    def kernel_lines(self, program: Program, number: str) -> list[str]:
        """The declaration of `kernel`, and of what its weights are made of."""
        integers, code = self.basis.integers, f"network_code_{number}"
        program.uses("kernel->bits", 0)
        program.uses("kernel->format", FORMATS.index("NETWORK_MADE"))
        read = self.coordinates.read("coordinate")
        program.add(function(f"static int16_t {code}(network_index coordinate)", [f"return (int16_t)({read});"]))
        largest = 2 ** (integers.kernel_bits - 1) - 1
        sizes = (integers.width, integers.padded, integers.dimensions, integers.limit, largest)
        numbers = ", ".join(map(str, (*sizes, self.basis.exponent, self.basis.shift)))
        return [
            f"static const network_basis basis = {{{numbers}, {code}}};",
            "static const network_kernel kernel = {NETWORK_MADE, 0, 0, 0, 0, &basis};",
        ]

    def window_lines(self, finder: str) -> list[str]:
        return []

    def filters_line(self, program: Program, sums: Sums, finder: str, rounding: str) -> str:
        """The statement that computes these filters of a pixel."""
        seed = f"{self.seed.read('0')} | (uint32_t){self.seed.read('1')} << 16"
        numbers = f"{seed}, {self.first}, {self.first + self.filters}, {self.width}"
        arguments = f"&layer, {finder}, {rounding}, {numbers}, row, column, made"
        return f"network_made_filters_of_{sums.sum_bits}({arguments});"


class BasisWeights(StoredWeights):
    """Seed and coordinates in the weight stream, in place of a kernel."""

    @property
    def segments(self) -> list[Segment]:
        group = self.groups[0]
        return [group.seed, group.coordinates, *([self.bias] if self.bias else [])]


def store_basis(layer: Convolution) -> BasisWeights:
    """What the kernel of a layer is made of."""
    basis = layer.products.basis
    assert basis is not None
    integers = basis.integers
    codes = Codes(integers.coordinate_bits, True, 0)
    seed = Segment(_HALF, np.array([integers.seed & 0xFFFF, integers.seed >> 16 & 0xFFFF]))
    coordinates = Segment(codes, codes.indices(basis.coordinates))
    whole = integers.width // AT_ONCE * AT_ONCE
    parts = ((0, whole, AT_ONCE), (whole, integers.width - whole, integers.width - whole))
    groups = [BasisGroup(basis, *part, seed, coordinates) for part in parts if part[1]]
    return BasisWeights(groups, bias_and_shifts(layer)[0], by_rows=True)
