"""Maps in the arena: reading and writing cells of 1 to 16 bits."""

from __future__ import annotations

from dataclasses import dataclass

from keras_efficient.export.c.text import as_index, plus, times, wrapped
from keras_efficient.export.integer.codes import Codes

WITHIN_BYTES = (1, 2, 4, 8)  # cells of so many bits never straddle bytes


@dataclass(frozen=True)
class Cells:
    """A map at a place in the arena: cell k holds the index of `codes` at `offset` + k x bits.

    `is_logits`: the cells are those of the array that users read, as integers.
    """

    codes: Codes
    offset: int
    is_logits: bool = False

    @property
    def first(self) -> int:
        """The place of cell 0, in the unit that the access functions take: cells, bytes of 16-bit
        cells, or bits."""
        bits = self.codes.bits
        return self.offset // (bits if bits in WITHIN_BYTES else 8 if bits == 16 else 1)

    @property
    def stride(self) -> int:
        """From cell to cell, in that unit."""
        return self.stride_of(self.codes.bits)

    @staticmethod
    def stride_of(bits: int) -> int:
        """The same for cells of so many bits."""
        return 1 if bits in WITHIN_BYTES else 2 if bits == 16 else bits

    def declaration(self, name: str) -> str:
        """The map, as functions in C take it."""
        codes = self.codes
        numbers = (self.first, codes.bits, int(self.is_logits), int(codes.midrise), codes.low)
        return f"static const network_map {name} = {{{', '.join(map(str, numbers))}}};"

    def place(self, cell: str) -> str:
        """The place of a cell. `cell` is a C expression; a product of it must not leave a narrow `int`."""
        place = wrapped(cell) if self.stride == 1 else times(f"(network_index){wrapped(cell)}", self.stride)
        return plus(place, self.first)

    def get(self, place: str) -> str:
        """The index at a place."""
        bits = self.codes.bits
        if self.stride == bits > 1:
            return f"({index_type(bits)})network_get_bits({as_index(place)}, {bits})"
        return f"network_get_{bits}({as_index(place)})"

    def put(self, cell: str, index: str) -> str:
        """The statement that stores an index (of logits: the integer)."""
        if self.is_logits:
            return f"network_arena.logits[{cell}] = {index};"
        bits, place = self.codes.bits, as_index(self.place(cell))
        if self.stride == bits > 1:
            return f"network_put_bits({place}, {bits}, {index});"
        return f"network_put_{bits}({place}, {index});"


def integer_of(index: str, codes: Codes) -> str:
    """The integer of an index, as a C expression."""
    index = f"2 * {index}" if codes.midrise else index
    return plus(index, codes.low, "")


def _integer_type(codes: Codes) -> str:
    """The smallest type of the integers."""
    bits = max(abs(codes.low), codes.high).bit_length()
    return f"{'' if codes.signed else 'u'}int{8 if bits <= (7 if codes.signed else 8) else 16}_t"


def number_line(name: str, index: str, codes: Codes) -> str:
    """The declaration of the integer of an index."""
    kind = _integer_type(codes)
    return f"const {kind} {name} = ({kind})({integer_of(index, codes)});"


def index_type(bits: int) -> str:
    """The type of an index."""
    return "uint8_t" if bits <= 8 else "uint16_t"


def sum_type(bound: int) -> str:
    """The type of the sums of products."""
    return "int16_t" if bound < 2**15 else "int32_t" if bound < 2**31 else "int64_t"
