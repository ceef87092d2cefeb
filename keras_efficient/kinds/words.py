"""Which layers take their products a word at a time (`target="dsp"`), and how many numbers their kernels store then.

A core with instructions for pairs of 16 bits multiplies two numbers at once. Cells and weights of 2, 4 or 8 bits are
read 32 bits at once; a *chunk* is as many numbers as fill a word of the narrower of the two. Where the numbers that lie
side by side do not fill chunks, the window is copied to the stack first, and its kernel is filled up.
"""

from __future__ import annotations

import math
from typing import NamedTuple

WORD_BITS = 32
WIDTHS = (2, 4, 8)
LARGEST_PATCH = 256  # bytes of stack
LARGEST_SUM = 2**16  # products of 8 bits that 32 bits hold


class KernelShape(NamedTuple):
    """Places of a window, channels that a filter reads, filters; `by_channel`: each reads a channel of its own."""

    places: int
    channels: int
    filters: int
    by_channel: bool = False


class Words(NamedTuple):
    """How a kernel is read, numbers in a chunk, and those that a filter stores.

    `form`: "run", cells as they lie in the arena; "patch", a copy of the window; "channels", a word of channels.
    """

    form: str
    chunk: int
    numbers: int


def words_of(kernel: KernelShape, cell_bits: int, kernel_bits: int) -> Words | None:
    """None where the products are taken one by one."""
    if cell_bits not in WIDTHS or kernel_bits not in WIDTHS:
        return None
    if kernel.by_channel:
        chunk = WORD_BITS // kernel_bits
        fits = cell_bits == kernel_bits and kernel.channels == 1 and kernel.filters % chunk == 0
        return Words("channels", chunk, kernel.places) if fits else None
    numbers, chunk = kernel.places * kernel.channels, WORD_BITS // min(cell_bits, kernel_bits)
    if numbers > LARGEST_SUM:
        return None
    if kernel.channels % chunk == 0:
        return Words("run", chunk, numbers)
    chunk = WORD_BITS // kernel_bits
    return Words("patch", chunk, math.ceil(numbers / chunk) * chunk) if numbers <= LARGEST_PATCH else None
