"""How the numbers of a pruned kernel are stored: densely, as a bitmask, or by relative indices.

With n numbers of b bits, of which m are not zero:

    dense            n b
    bitmask          n + m b                          a bit for each number says whether it is stored
    relative index   e (k + b) + k                    each entry: k bits that count the zeros before it, a value

A gap of more than 2^k - 1 zeros takes entries of value zero in between ("fillers"): e is m and the fillers,
also those for the zeros behind the last number. The k bits at the end are a gap that is never used up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

LARGEST_GAP_BITS = 8
# Filters that are summed up together in C: their sums stay in the registers of an 8-bit processor.
FILTERS_AT_ONCE = 4


@dataclass(frozen=True)
class Encoding:
    """A way to store a kernel: `name`, the bits it takes, and the bits of a gap (relative index only)."""

    name: str
    bits: int
    gap_bits: int = 0

    def __str__(self) -> str:
        return f"{self.name}, {self.gap_bits}-bit gaps" if self.gap_bits else self.name


def best_encoding(parts: Sequence[np.ndarray], bits: int) -> Encoding:
    """The smallest encoding of a kernel. `parts`: its numbers in order, in streams that begin anew."""
    return min(encodings(parts, bits), key=lambda encoding: encoding.bits)  # the first of equals


def encodings(parts: Sequence[np.ndarray], bits: int) -> Iterator[Encoding]:
    """Every encoding of a kernel."""
    count, stored = sum(part.size for part in parts), sum(int(np.count_nonzero(part)) for part in parts)
    yield Encoding("dense", count * bits)
    yield Encoding("bitmask", count + stored * bits)
    runs = np.concatenate([zero_runs(part) for part in parts])
    for gap_bits in range(1, LARGEST_GAP_BITS + 1):
        entries = stored + int((runs >> gap_bits).sum())
        yield Encoding("relative index", entries * (gap_bits + bits) + len(parts) * gap_bits, gap_bits)


def zero_runs(numbers: np.ndarray) -> np.ndarray:
    """How many zeros stand side by side, for each place where some do."""
    is_zero = np.concatenate(([False], np.ravel(numbers) == 0, [False]))
    edges = np.flatnonzero(is_zero[1:] != is_zero[:-1])
    return edges[1::2] - edges[::2]


def relative_entries(numbers: np.ndarray, gap_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """The entries of a stream: zeros before each, and the place of its number; a filler's is -1."""
    flat = np.ravel(numbers)
    places = np.flatnonzero(flat)
    limit = 2**gap_bits
    gaps = np.diff(places, prepend=-1) - 1
    behind = flat.size - (places[-1] + 1 if places.size else 0)
    fillers = np.append(gaps // limit, behind // limit)
    ends = np.cumsum(fillers[:-1] + 1) - 1  # where the entries of numbers stand
    entry_gaps = np.full(int(fillers.sum()) + places.size, limit - 1)
    entry_places = np.full(entry_gaps.size, -1)
    entry_gaps[ends], entry_places[ends] = gaps % limit, places
    return entry_gaps, entry_places


def filter_groups(filters: int, bits: int, groups: int = 1) -> list[tuple[int, int, int]]:
    """(first filter, filters, how many at once): as many as registers hold, the rest in widths that fill
    bytes, then one by one. Of a convolution in `groups` all at once read the same channels."""
    widths = [FILTERS_AT_ONCE, 2, 1] if bits in (4, 8, 16) else [FILTERS_AT_ONCE, 1]
    if groups > 1:
        return [(0, filters, next(width for width in widths if filters // groups % width == 0))]
    first, found = 0, []
    for width in widths:
        count = (filters - first) // width * width
        if count:
            found.append((first, count, width))
            first += count
    return found


def group_order(kernel: np.ndarray, width: int) -> np.ndarray:
    """The numbers of a kernel (places, channels, filters) in the order of C's loops: block of `width`
    filters, place in the window, input channel, filter."""
    places, channels, filters = kernel.shape
    return kernel.reshape(places, channels, filters // width, width).transpose(2, 0, 1, 3).ravel()


def kernel_streams(kernel: np.ndarray, bits: int, groups: int = 1) -> list[np.ndarray]:
    """A kernel (..., inputs of a group, outputs) as the C code reads it, one stream a group of filters."""
    kernel = kernel.reshape(-1, *kernel.shape[-2:]) if kernel.ndim > 1 else kernel.reshape(1, 1, -1)
    parts = filter_groups(kernel.shape[-1], bits, groups)
    return [group_order(kernel[..., first : first + count], width) for first, count, width in parts]
