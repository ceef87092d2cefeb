"""Maps in the arena: reading and writing cells of 1 to 16 bits."""

from __future__ import annotations

from dataclasses import dataclass

from keras_efficient.export.c.text import as_index, plus, times, wrapped
from keras_efficient.export.integer.codes import Codes

LARGEST_LOGIT = 2**15 - 1
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
        bits = self.codes.bits
        return 1 if bits in WITHIN_BYTES else 2 if bits == 16 else bits

    def place(self, cell: str) -> str:
        """The place of a cell. `cell` is a C expression; a product of it must not leave a narrow `int`."""
        place = wrapped(cell) if self.stride == 1 else times(f"(network_index){wrapped(cell)}", self.stride)
        return plus(place, self.first)

    def get(self, place: str) -> str:
        """The index at a place."""
        return f"network_get_{self.codes.bits}({as_index(place)})"

    def put(self, cell: str, index: str) -> str:
        """The statement that stores an index (of logits: the integer)."""
        if self.is_logits:
            return f"network_arena.logits[{cell}] = {index};"
        return f"network_put_{self.codes.bits}({as_index(self.place(cell))}, {index});"


def integer_of(index: str, codes: Codes) -> str:
    """The integer of an index, as a C expression."""
    index = f"2 * {index}" if codes.midrise else index
    return plus(index, codes.low, "")


def integer_type(codes: Codes) -> str:
    """The smallest type of the integers."""
    bits = max(abs(codes.low), codes.high).bit_length()
    return f"{'' if codes.signed else 'u'}int{8 if bits <= (7 if codes.signed else 8) else 16}_t"


def number_line(name: str, index: str, codes: Codes) -> str:
    """The declaration of the integer of an index."""
    kind = integer_type(codes)
    return f"const {kind} {name} = ({kind})({integer_of(index, codes)});"


def index_type(bits: int) -> str:
    """The type of an index."""
    return "uint8_t" if bits <= 8 else "uint16_t"


def sum_type(bound: int) -> str:
    """The type of the sums of products."""
    return "int16_t" if bound < 2**15 else "int32_t" if bound < 2**31 else "int64_t"


def stored(target: Cells, index: str) -> str:
    """What `put` takes for an index: users' logits are integers, saturated to 16 bits."""
    if not target.is_logits:
        return index
    if target.codes.high > LARGEST_LOGIT:
        index = f"{index} > {LARGEST_LOGIT} ? {LARGEST_LOGIT} : {index}"
    return f"(network_logit)({integer_of(index, target.codes)})"


def get_function(bits: int) -> list[str]:
    """`network_get_BITS(place)`: the index in a cell."""
    return [f"NETWORK_INLINE {index_type(bits)} network_get_{bits}(network_index place)", "{", *_get_lines(bits), "}"]


def put_function(bits: int) -> list[str]:
    """`network_put_BITS(place, index)`: write a cell."""
    head = f"NETWORK_INLINE void network_put_{bits}(network_index place, {index_type(bits)} index)"
    return [head, "{", *_put_lines(bits), "}"]


def _get_lines(bits: int) -> list[str]:
    if bits == 8:
        return ["    return network_arena.bytes[place];"]
    if bits == 16:
        return ["    return (uint16_t)(network_arena.bytes[place] | (uint16_t)network_arena.bytes[place + 1] << 8);"]
    if bits == 4:
        return [
            "    const uint8_t byte = network_arena.bytes[place >> 1];",
            "    return place & 1 ? byte >> 4 : byte & 15;",
        ]
    if bits in WITHIN_BYTES:
        shift = {1: 3, 2: 2}[bits]
        return [
            f"    const uint8_t at = (uint8_t)((place & {8 // bits - 1}) * {bits});",
            f"    return network_arena.bytes[place >> {shift}] >> at & {2**bits - 1};",
        ]
    return [f"    return ({index_type(bits)})network_get_bits(place, {bits});"]


def _put_lines(bits: int) -> list[str]:
    if bits == 8:
        return ["    network_arena.bytes[place] = index;"]
    if bits == 16:
        return [
            "    network_arena.bytes[place] = (uint8_t)(index & 255);",
            "    network_arena.bytes[place + 1] = (uint8_t)(index >> 8);",
        ]
    if bits == 4:
        return [
            "    uint8_t *byte = network_arena.bytes + (place >> 1);",
            "    *byte = (uint8_t)(place & 1 ? (*byte & 15) | index << 4 : (*byte & 240) | index);",
        ]
    if bits in WITHIN_BYTES:
        shift, mask = {1: 3, 2: 2}[bits], 2**bits - 1
        return [
            f"    const uint8_t at = (uint8_t)((place & {8 // bits - 1}) * {bits});",
            f"    uint8_t *byte = network_arena.bytes + (place >> {shift});",
            f"    *byte = (uint8_t)((*byte & ~({mask} << at)) | index << at);",
        ]
    return [f"    network_put_bits(place, {bits}, index);"]


# Cells that straddle bytes: bit by byte, so that no byte beyond the cell is touched.
GET_BITS = """/* The bits from a place on, across bytes. */
static uint16_t network_get_bits(network_index place, uint8_t bits)
{
    uint16_t index = 0;
    uint8_t done = 0;
    while (done < bits) {
        const uint8_t at = place & 7;
        const uint8_t byte = network_arena.bytes[place >> 3];
        index = (uint16_t)(index | (uint16_t)(byte >> at) << done);
        done = (uint8_t)(done + 8 - at);
        place = (network_index)(place + 8 - at);
    }
    return (uint16_t)(index & (0xffffu >> (16 - bits)));
}""".splitlines()

PUT_BITS = """/* Writes bits across bytes; their neighbours stay. */
static void network_put_bits(network_index place, uint8_t bits, uint16_t index)
{
    while (bits) {
        const uint8_t at = place & 7;
        const uint8_t count = bits < 8 - at ? bits : (uint8_t)(8 - at);
        const uint8_t mask = (uint8_t)((255u >> (8 - count)) << at);
        uint8_t *byte = network_arena.bytes + (place >> 3);
        *byte = (uint8_t)((*byte & ~mask) | ((unsigned)index << at & mask));
        index = (uint16_t)(index >> count);
        bits = (uint8_t)(bits - count);
        place = (network_index)(place + count);
    }
}""".splitlines()
