"""Which layers take their products a word at a time (`target="dsp"`), and how many numbers their kernels store then.

A core with instructions for pairs of 16 bits multiplies two numbers at once. Cells and weights of 2, 4 or 8 bits are
read 32 bits at once; a *chunk* is as many numbers as fill a word of the narrower of the two. Where the numbers that lie
side by side do not fill chunks, the window is copied to the stack first, and its kernel is filled up.
"""

import math
from typing import NamedTuple

WORD_BITS = 32
WIDTHS = (2, 4, 8)
LARGEST_PATCH = 256  # bytes of stack
LARGEST_SUM = 2**16  # products of 8 bits that 32 bits hold


class KernelShape(NamedTuple):
    """A kernel as it is stored: places of a window, channels that a filter reads, filters, bits of a number.

    `by_channel`: each filter reads a channel of its own.
    """

    places: int
    channels: int
    filters: int
    bits: int
    by_channel: bool = False


class Words(NamedTuple):
    """How a kernel is read, numbers in a chunk, and those that a filter stores.

    `form`: "run", cells as they lie in the arena; "patch", a copy of the window; "channels", a word of channels.
    """

    form: str
    chunk: int
    numbers: int


def words_of(kernel: KernelShape, cell_bits: int) -> Words | None:
    """None where the products are taken one by one."""
    if cell_bits not in WIDTHS or kernel.bits not in WIDTHS:
        return None
    in_word = WORD_BITS // kernel.bits
    if kernel.by_channel:
        fits = cell_bits == kernel.bits and kernel.filters % in_word == 0
        return Words("channels", in_word, kernel.places) if fits else None
    numbers, chunk = kernel.places * kernel.channels, max(WORD_BITS // cell_bits, in_word)
    if numbers > LARGEST_SUM:
        return None
    if kernel.channels % chunk == 0:
        return Words("run", chunk, numbers)
    return Words("patch", in_word, math.ceil(numbers / in_word) * in_word) if numbers <= LARGEST_PATCH else None


def padding_bits(kernel: KernelShape, cell_bits: int) -> int:
    """What fills the words of a kernel up."""
    words = words_of(kernel, cell_bits)
    if words is None or kernel.by_channel:
        return 0
    return (words.numbers - kernel.places * kernel.channels) * kernel.filters * kernel.bits
