"""The layers of a network in integers: what the C code computes, with numpy.

Every operation turns integers of a source map, (n, rows, columns, channels), into those of a target
map. `Codes` says what an integer stands for.
"""

import math
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np

from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.rounding_steps import Rounding
from keras_efficient.export.integer.windows import Window, total
from keras_efficient.kinds.steps import Way
from keras_efficient.layers.random_basis.integers import BasisCodes
from keras_efficient.storage.prefix import source_cells

EXACT_IN_FLOAT32 = 2**24
EXACT_IN_FLOAT64 = 2**53
# Beyond any number of bits a cell has: larger shifts make no difference.
LARGEST_POOLING_SHIFT = 40


@dataclass(frozen=True)
class IntegerMap:
    """A map of integers: (rows, columns, channels) and what they stand for. A vector of n numbers
    is (1, 1, n)."""

    shape: tuple[int, int, int]
    codes: Codes

    @property
    def cells(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Operation:
    """One layer.

    compute_dtype: What the Keras layer computes in. loses_signs: Whether it holds weights that Keras may flush to 0
    where the sign decides. part: Of the weights of the layer, which it shares with others of the same part.
    """

    name: str
    source: IntegerMap
    target: IntegerMap
    compute_dtype: str = field(default="float32", kw_only=True)
    loses_signs: bool = field(default=False, kw_only=True)
    part: tuple = field(default=(), kw_only=True)

    def run(self, *x: Any) -> np.ndarray:
        """Integers of the target map from those of the source map, or of all sources."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class WindowOperation(Operation):
    """A layer that slides a window over its source."""

    window: Window


@dataclass(frozen=True, eq=False)
class Products:
    """Kernel and bias of a weighted sum, in integers.

    `kernel` is (kernel rows, kernel columns, channels of a group, filters); `bias` one number per output channel, or
    None. `bound` is the largest magnitude of any partial sum of the products, in any order. `pruned`: the kernel was
    pruned, so that its zeros are worth an encoding of their own. `basis`: what the kernel is made of, where it is not
    stored.
    """

    kernel: np.ndarray
    bias: np.ndarray | None
    kernel_codes: Codes
    bias_codes: Codes | None
    bound: int
    pruned: bool = False
    basis: BasisCodes | None = None

    def biases(self, channels: int) -> np.ndarray:
        return np.zeros(channels, np.int64) if self.bias is None else self.bias


@dataclass(frozen=True, eq=False)
class Convolution(WindowOperation):
    """t = sum of x times kernel over the window, and bias; rounded to the target's grid.

    A dense layer after a flattened map is a convolution whose window is the whole map. The filters of each of the
    `groups` read the channels of their group alone; `depthwise`: each group is one channel.
    `gives_logits`: it is the last layer; the target holds its sums. `shifts`: for each output channel,
    how many places its kernel lies above `products.kernel_codes`; None: all are 0.
    """

    products: Products
    rounding: Rounding
    groups: int = 1
    depthwise: bool = False
    gives_logits: bool = False
    shifts: np.ndarray | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the window is the whole map: every output reads every input."""
        return self.window.is_whole and self.groups == 1 and not self.depthwise

    def run(self, x: np.ndarray) -> np.ndarray:
        biases = self.products.biases(self.target.shape[2])
        sums = self.sums(x)
        return self.rounding.apply(sums if self.shifts is None else sums * 2**self.shifts, biases)

    def sums(self, x: np.ndarray) -> np.ndarray:
        bound = self.products.bound  # products of floats are far faster, and below these bounds their sums are exact
        dtype = np.float32 if bound < EXACT_IN_FLOAT32 else np.float64 if bound < EXACT_IN_FLOAT64 else np.int64
        x, kernel = x.astype(dtype), self.products.kernel.astype(dtype)
        places = zip(self.window.slices(x), self.window.offsets(), strict=True)
        return total(multiply(part, kernel[place], self.groups) for part, place in places).astype(np.int64)


def multiply(x: np.ndarray, kernel: np.ndarray, groups: int) -> np.ndarray:
    """The channels of each group of x times the filters of the group: kernel (channels of a group, filters)."""
    if groups == 1:
        return np.matmul(x, kernel)
    channels, weights = x.reshape(*x.shape[:-1], groups, -1, 1), kernel.reshape(len(kernel), groups, -1)
    return total(channels[..., k, :] * weights[k] for k in range(len(kernel))).reshape(*x.shape[:-1], -1)


@dataclass(frozen=True, eq=False)
class Scale(Operation):
    """Cells times a number of their channel, or, of a flattened map, of their own. `places` is the depthwise
    convolution of one place that does so: over (1, places, channels), or over all cells as the channels of one."""

    places: Convolution

    def run(self, x: np.ndarray) -> np.ndarray:
        return self.places.run(x.reshape(-1, *self.places.source.shape)).reshape(-1, *self.target.shape)

    def as_it_lies(self, cells: np.ndarray) -> Convolution:
        """The same over memory that holds these cells, counted by rows."""
        places = self.places
        if places.source.cells != places.source.shape[2]:
            return places
        products = places.products
        bias, shifts = (None if each is None else each[cells] for each in (products.bias, places.shifts))
        products = replace(products, kernel=products.kernel[..., cells], bias=bias)
        return replace(places, products=products, shifts=shifts)


@dataclass(frozen=True, eq=False)
class Residual(Operation):
    """h = round(relu(conv1(x))), y = round(relu(conv2(h) + x)): two 3x3 convolutions, padding "same"."""

    first: Convolution
    second: Convolution  # its rounding takes three terms: products, bias, x

    def run(self, x: np.ndarray) -> np.ndarray:
        second = self.second
        sums = second.sums(self.first.run(x))
        return second.rounding.apply(sums, second.products.biases(self.target.shape[2]), x)


@dataclass(frozen=True, eq=False)
class Rescale(Operation):
    """Each number rounded to another grid, after a relu if the plan has one."""

    rounding: Rounding

    def run(self, x: np.ndarray) -> np.ndarray:
        return self.rounding.apply(x)


@dataclass(frozen=True, eq=False)
class Lookup(Operation):
    """Each number through a table: (1, or one for each channel or cell; codes of the source) integers of the target.

    `near_ties`: whether floats may round an entry to another integer.
    """

    table: np.ndarray
    near_ties: bool

    def run(self, x: np.ndarray) -> np.ndarray:
        indices = self.source.codes.indices(x).reshape(len(x), -1, len(self.table))
        return self.table[np.arange(len(self.table)), indices].reshape(x.shape)

    def as_it_lies(self, cells: np.ndarray) -> np.ndarray:
        """The table for memory that holds these cells, counted by rows."""
        return self.table[cells] if len(self.table) == len(cells) else self.table


@dataclass(frozen=True, eq=False)
class Move(Operation):
    """Cells at other places, and zeros where there is none; `ways` as of a `MoveStep`."""

    ways: tuple[Way, Way, Way] | None

    @property
    def cells(self) -> np.ndarray:
        """For each cell of the target the cell of the source; -1: a zero."""
        return source_cells(self.ways, self.source.shape, self.target.shape)

    def run(self, x: np.ndarray) -> np.ndarray:
        filled = np.concatenate([x.reshape(len(x), -1), np.zeros((len(x), 1), x.dtype)], axis=1)
        return filled[:, self.cells].reshape(len(x), *self.target.shape)


@dataclass(frozen=True, eq=False)
class MeanPooling(WindowOperation):
    """The sum of each window times `factors[count]`, rounded to the target's grid: factor 2^exponent is nearly
    1 / count, the number of places of the window on the map. `bound`: the largest magnitude of a sum times its factor.
    """

    factors: np.ndarray
    bound: int
    rounding: Rounding

    def run(self, x: np.ndarray) -> np.ndarray:
        factors = self.factors[self.window.counts()][:, :, None]
        return self.rounding.apply(total(self.window.slices(x)) * factors)


@dataclass(frozen=True, eq=False)
class MaxPooling(WindowOperation):
    """The largest integer of each window; what lies outside of the map does not count."""

    def run(self, x: np.ndarray) -> np.ndarray:
        return reduce(np.maximum, self.window.slices(x, padding_value=self.source.codes.low))


@dataclass(frozen=True, eq=False)
class AveragePooling(WindowOperation):
    """The mean of each window, rounded down to an unsigned grid over [0, 1).

        y = clip(floor(sum 2^shift / count), 0, 2^bits - 1)

    `count` is the number of places of the window on the map.
    """

    @property
    def shift(self) -> int:
        """The source's exponent above the target's, within what makes a difference."""
        shift = self.source.codes.exponent - self.target.codes.exponent
        return max(-LARGEST_POOLING_SHIFT, min(shift, LARGEST_POOLING_SHIFT))

    @property
    def sum_bound(self) -> int:
        return self.source.codes.bound * math.prod(self.window.sizes)

    def run(self, x: np.ndarray) -> np.ndarray:
        sums = np.maximum(total(self.window.slices(x)), 0)
        counts = self.window.counts()[:, :, None]
        high = self.target.codes.high
        if self.shift < 0:
            return np.minimum(sums // (counts << -self.shift), high)
        limit, shift = mean_limit(int(counts.max()), self.shift, high)
        return np.minimum((np.minimum(sums, limit) << shift) // counts, high)


def mean_limit(count: int, shift: int, high: int) -> tuple[int, int]:
    """A sum and a shift that give more than `high`: larger ones need not be computed."""
    shift = min(shift, high.bit_length() + count.bit_length())
    return ((high + 1) * count >> shift) + 1, shift
