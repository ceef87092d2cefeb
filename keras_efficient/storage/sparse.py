"""How the numbers of a pruned kernel are stored: densely, as a bitmask, or by relative indices; and which kernels of a
Keras layer, read by its attributes alone, are pruned.

With n numbers of b bits, of which m are not zero:

    dense            n b
    bitmask          n + m b                          a bit for each number says whether it is stored
    relative index   e (k + b) + k                    each entry: k bits that count the zeros before it, a value

A gap of more than 2^k - 1 zeros takes entries of value zero in between ("fillers"): e is m and the fillers,
also those for the zeros after the last number. The k bits at the end are a gap that is never used up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from keras_efficient.descriptions.specs import KERNEL_NAMES
from keras_efficient.kinds.fields import LARGEST_MIDRISE, SCALE_EXPONENTS
from keras_efficient.kinds.kind import FILTERS, THIN, TRANSPOSED
from keras_efficient.kinds.measures import FLOAT_BITS
from keras_efficient.kinds.table import kind_of
from keras_efficient.kinds.transposed import turned

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
    count, stored = sum(part.size for part in parts), sum(int(np.count_nonzero(part)) for part in parts)
    yield Encoding("dense", count * bits)
    yield Encoding("bitmask", count + stored * bits)
    runs = np.concatenate([_zero_runs(part) for part in parts])
    for gap_bits in range(1, LARGEST_GAP_BITS + 1):
        entries = stored + int((runs >> gap_bits).sum())
        yield Encoding("relative index", entries * (gap_bits + bits) + len(parts) * gap_bits, gap_bits)


def _zero_runs(numbers: np.ndarray) -> np.ndarray:
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
    rest = flat.size - (places[-1] + 1 if places.size else 0)
    fillers = np.append(gaps // limit, rest // limit)
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
    """A kernel (..., inputs of a group, outputs) as the C code reads it, one stream per group of filters."""
    kernel = kernel.reshape(-1, *kernel.shape[-2:]) if kernel.ndim > 1 else kernel.reshape(1, 1, -1)
    parts = filter_groups(kernel.shape[-1], bits, groups)
    return [group_order(kernel[..., first : first + count], width) for first, count, width in parts]


class StoredKernel(NamedTuple):
    """A kernel that holds zeros: the bits it takes densely, and its smallest encoding."""

    dense_bits: int
    encoding: Encoding


def stored_kernels(layer: Any) -> tuple[StoredKernel, ...]:
    """The kernels of a built layer in which a weight is exactly zero: in all others zeros are chance.

    Of a quantized layer the codes are counted, in every mode, of the kernel that it rounds (a batch
    normalization may be folded into it): its grid makes more zeros.
    """
    if kind_of(layer).makes_kernel:
        return ()  # its zeros are where training starts
    found = []
    for variable in prunable(layer):
        stage = _stage_of(layer, variable)
        if stage is not None and stage.form == "Scale":
            continue  # stored densely
        values = _under_mask(_as_numpy(variable), variable)
        if not (values == 0).all() and (values == 0).any():
            bits, nonzero = FLOAT_BITS, values != 0
            for quantizer in getattr(layer, "quantizers", ()):
                if quantizer.weight is variable:
                    bits, nonzero = (
                        quantizer.bits,
                        has_codes(_under_mask(quantizer.numpy_values(), variable), quantizer),
                    )
            kernel, groups = _as_convolution(layer, variable, nonzero)
            encoding = best_encoding(kernel_streams(kernel, bits, groups), bits)
            found.append(StoredKernel(nonzero.size * bits, encoding))
    return tuple(found)


def _as_convolution(layer: Any, variable: Any, kernel: np.ndarray) -> tuple[np.ndarray, int]:
    """A kernel as the convolution in the C reads it, (..., channels of a group, filters), and its groups."""
    stage = _stage_of(layer, variable)
    if stage is not None:
        return stage.kernel(kernel), kernel.shape[-2] if stage.depthwise else stage.groups
    prunes = kind_of(layer).prunes
    if prunes == THIN:
        return kernel.reshape(*kernel.shape[:-2], 1, -1), kernel.shape[-2]
    if prunes == TRANSPOSED:
        return turned(kernel), 1
    return kernel, getattr(layer, "groups", 1) if prunes == FILTERS else 1


def _stage_of(layer: Any, variable: Any) -> Any:
    factors = getattr(layer, "factors", ())
    for stage in getattr(layer, "stages", ()):
        if stage.factor is not None and factors[stage.factor] is variable:
            return stage
    return None


def has_codes(values: np.ndarray, quantizer: Any) -> np.ndarray:
    """Where the codes of `ops.quantize` are not zero. Its scale is a scalar, or one number per filter."""
    if quantizer.bits <= LARGEST_MIDRISE:
        return np.ones(values.shape, bool)
    scales = np.nan_to_num(_as_numpy(quantizer.scale))  # training may have left what is no number
    exponents = np.clip(np.rint(scales), *SCALE_EXPONENTS).astype(int)
    # Half a step is rounded to 0, an even code; what is no number is none.
    return ~(np.abs(values) <= np.ldexp(1.0, exponents - quantizer.bits))


def prunable(layer: Any) -> list:
    own = getattr(layer, "get_prunable_weights", None)
    if own is not None:
        return list(own())
    return [weight for weight in getattr(layer, "weights", ()) if weight.name in KERNEL_NAMES]


def _under_mask(values: np.ndarray, variable: Any) -> np.ndarray:
    """Values made of a variable, with zeros where its pruning mask has them."""
    mask = getattr(variable, "pruning_mask", None)
    return values if mask is None else np.where(_as_numpy(mask) != 0, values, 0)


def _as_numpy(variable: Any) -> np.ndarray:
    return np.asarray(variable.numpy())
