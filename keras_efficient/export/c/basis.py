"""C code of weighted sums whose kernel is made of a seed and coordinates: random-basis layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_efficient.export.c.convolution import ConvolutionWriter, StoredWeights, bias_and_shifts
from keras_efficient.export.c.text import braces, plus
from keras_efficient.export.c.weights import Segment
from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.operations import Convolution
from keras_efficient.layers.random_basis.integers import BasisCodes

AT_ONCE = 8  # filters of which the signs are in one or two words
_HALF = Codes(16, False, 0)


@dataclass(frozen=True)
class BasisGroup:
    """Filters `first` to `first + filters - 1`, `width` of them at once: their weights are made in this order."""

    basis: BasisCodes
    first: int
    filters: int
    width: int
    format: str = "random basis"

    def advance(self, cells: int) -> str:
        """The statement that skips the weights of so many input cells."""
        integers = self.basis.integers
        step = cells * integers.padded % integers.dimensions
        return f"network_basis_skip(&line, &basis, {cells}, {step});"


class BasisWeights(StoredWeights):
    """Seed and coordinates in the weight stream, in place of a kernel."""

    def __init__(self, groups: Sequence[BasisGroup], bias: Segment | None, seed: Segment, coordinates: Segment):
        super().__init__(groups, bias, by_rows=True)
        self.seed, self.coordinates = seed, coordinates

    @property
    def segments(self) -> list[Segment]:
        return [self.seed, self.coordinates, *([self.bias] if self.bias else [])]


def store_basis(layer: Convolution) -> BasisWeights:
    """What the kernel of a layer is made of."""
    basis = layer.products.basis
    assert basis is not None
    integers = basis.integers
    codes = Codes(integers.coordinate_bits, True, 0)
    seed = Segment(_HALF, np.array([integers.seed & 0xFFFF, integers.seed >> 16 & 0xFFFF]))
    whole = integers.width // AT_ONCE * AT_ONCE
    parts = ((0, whole, AT_ONCE), (whole, integers.width - whole, integers.width - whole))
    groups = [BasisGroup(basis, *part) for part in parts if part[1]]
    return BasisWeights(groups, bias_and_shifts(layer)[0], seed, Segment(codes, codes.indices(basis.coordinates)))


class BasisWriter(ConvolutionWriter):
    """Writes the functions of a layer whose weights are made where they are needed."""

    @property
    def basis(self) -> BasisCodes:
        basis = self.layer.products.basis
        assert basis is not None
        return basis

    def head_lines(self) -> list[str]:
        """What all pixels share: how the kernel is made."""
        basis, integers = self.basis, self.basis.integers
        largest = 2 ** (integers.kernel_bits - 1) - 1
        sizes = (integers.width, integers.padded, integers.dimensions)
        texts = ", ".join(map(str, (0, 0, *sizes, integers.limit, largest, basis.exponent, basis.shift)))
        seed = self.weights.seed  # type: ignore[attr-defined]
        value = f"{seed.read('0')} | (uint32_t){seed.read('1')} << 16"
        return [f"network_basis basis = {{{texts}}};", f"network_basis_seed(&basis, {value});"]

    def _group_lines(self, group: Any, made: str) -> list[str]:
        zeros = " = ".join(f"sums[{i}]" for i in range(group.width))
        at = "network_basis_place line = {filter, filter, 0, (network_index)(filter % basis.dimensions)};"
        body = [at, f"{self.sum} sums[{group.width}];", f"{zeros} = 0;", *self._sum_lines(group)]
        for i in range(group.width):
            body += self._store_lines(plus("filter", i), i, made)
        advance = f"filter = (network_index)(filter + {group.width}u)"
        head = f"for (filter = {group.first}; filter < {group.first + group.filters}u; {advance})"
        return ["network_index filter;", *braces(head, body)]

    def _sum(self, number: int) -> str:
        return f"sums[{number}]"

    def _cell_lines(self, group: Any) -> list[str]:
        code = self.weights.coordinates.read("at.coordinate")  # type: ignore[attr-defined]
        product = f"({self.sum})x * network_basis_weight(&at, &basis, (int16_t)({code}))"
        made = [
            "network_basis_place at = line;",
            "uint8_t i;",
            "network_basis_signs(&at, &basis);",
            f"for (i = 0; i < {group.width}; i++)",
            f"    sums[i] = ({self.sum})(sums[i] + {product});",
        ]
        return [self._number_line(), *braces("if (x)", made), group.advance(1)]
