"""Bytes of the flat file of random-basis layers: one record a layer, nothing else.

A record, little-endian: mark (1 byte), version (1), coordinate bits (1), exponent of the coordinates' scale
(1, signed), bias bits (1), exponent of the biases' scale (1, signed), seed (4), number of coordinates (4),
number of biases (4), check sum (2); then the coordinates and the biases, each packed from the least
significant bit on and filled up to a whole byte.
"""

from __future__ import annotations

HEADER_FORMAT = "<BBBbBbIIIH"
HEADER_BYTES = 20
FLOAT_BITS = 32


def record_bytes(coordinates: int, coordinate_bits: int, biases: int, bias_bits: int) -> int:
    """Bytes of one layer's record."""
    return HEADER_BYTES + packed_bytes(coordinates, coordinate_bits) + packed_bytes(biases, bias_bits)


def packed_bytes(count: int, bits: int) -> int:
    """Whole bytes of `count` numbers of `bits` bits."""
    return -(-count * bits // 8)
