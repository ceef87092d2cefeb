"""Stages: the plain operations that a layer made of factors becomes in integers, with the maps between them.

A layer of small factors multiplies by one after another; each product is rounded to a grid of its own, an inner grid,
before the next one. Here stands which products these are, over which maps; the price, the integers and the C follow
from it, and the Keras layer takes the widths of its inner grids from here. Maps lie by rows, so that a stage may read
the map before it in another shape.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace as replaced
from typing import Any, NamedTuple

from keras_efficient.kinds.cosine import MATRIX_BITS, Cosine
from keras_efficient.kinds.fields import LARGEST_MIDRISE, MAX_BITS, check_bits
from keras_efficient.kinds.measures import Config, FeatureMap, Shape
from keras_efficient.kinds.steps import CellStep, MoveStep, Step, Way, WholeStep
from keras_efficient.kinds.windows import ONE_PLACE, Slide, window_step
from keras_efficient.kinds.words import KernelShape, padding_bits

EXACT_BITS = 24  # of float32
FEWEST_BITS = 3  # grids of fewer have no zero
ONE_BITS = 1  # of the number 1, by which a stage that only adds a bias multiplies each cell
Map = tuple[int, int, int]  # rows, columns, channels
Axes = tuple[int, ...]


class ProductStage(NamedTuple):
    """One operation.

    form: "Convolution" (a window), "Scale" (a number for each cell) or "Move", as `Kind.form` has them.
    source, target: The maps.
    factor: Which weight of the layer it multiplies by, by its place; None: by `matrix`, or by 1 to add a bias.
    axes: The axes of the factor in the order of the kernel: window, channels, filters.
    order: Of a scale and its bias, as they are stored: cell k of a vector takes entry order[k]; none: as it is.
    row: Which row of factors (depth, N), of the bias and of the permutations.
    matrix: The fixed matrix that it multiplies by.
    has_bias: Whether it adds the bias of the layer. permuted: Whether that has the order of the layer's permutation.
    depthwise: Whether each channel is computed from itself alone. groups: Parts of the channels that are multiplied
        each by a matrix of its own.
    grid: What it rounds to: "inner", a grid between two products; "between", that of an activation inside the layer;
        "output".
    bits: Width of that grid; None: the output's, or what it moves.
    """

    form: str
    source: Map
    target: Map
    factor: int | None = None
    axes: tuple[int, ...] = ()
    order: tuple[int, ...] = ()
    row: int | None = None
    matrix: Cosine | None = None
    has_bias: bool = False
    permuted: bool = False
    depthwise: bool = False
    groups: int = 1
    slide: Slide = ONE_PLACE
    ways: tuple[Way, Way, Way] | None = None
    grid: str = "inner"
    bits: int | None = None

    @property
    def computes(self) -> bool:
        return self.form != "Move"

    @property
    def adds_only(self) -> bool:
        """Whether it multiplies each cell by 1: it is there for the bias."""
        return self.form == "Scale" and self.factor is None

    @property
    def terms(self) -> int:
        """Products that one of its sums is made of."""
        return math.prod(self.slide.sizes) * self.channels if self.form == "Convolution" else 1

    @property
    def channels(self) -> int:
        """Of the source, that one of its sums reads."""
        return 1 if self.depthwise else self.source[2] // self.groups

    @property
    def is_whole(self) -> bool:
        sizes, border = (self.slide.sizes, self.slide.extents), self.slide.border(self.source)
        whole = self.target[:2] == (1, 1) and set(sizes) == {self.source[:2]} and border[0][0] == border[1][0] == 0
        return whole and self.reads_all_channels

    @property
    def reads_all_channels(self) -> bool:
        return not self.depthwise and self.groups == 1

    @property
    def takes_all(self) -> bool:
        """Whether a product reads each number of a map for each number that it makes."""
        places = {self.source[:2], self.target[:2], self.slide.sizes}
        return self.form == "Convolution" and places == {(1, 1)} and self.reads_all_channels

    @property
    def part(self) -> tuple:
        """What of a layer it multiplies by: stages of one part share what is stored."""
        if self.matrix is not None:
            return (self.matrix, self.slide.sizes, self.row if self.matrix.permuted else None)
        return (self.form, self.factor, self.row)

    def kernel(self, values: Any) -> Any:
        """A factor as the window reads it: (rows, columns, channels, filters)."""
        return values.transpose(self.axes).reshape(*self.slide.sizes, self.channels, self.target[2])

    def kernel_bits(self, config: Config) -> int:
        return ONE_BITS if self.adds_only else MATRIX_BITS if self.matrix else config["kernel_bits"]

    def step(self, source_bits: int, target_bits: int) -> Step:
        source, target = FeatureMap(self.source, source_bits), FeatureMap(self.target, target_bits)
        if self.form == "Move":
            return MoveStep(source, target, self.ways)
        if self.form == "Scale":
            return CellStep(source, target)
        return WholeStep(source, target) if self.is_whole else window_step(self.slide, source, target, self.depthwise)


Stages = Callable[[Config, Shape], tuple[ProductStage, ...]]


def each_place(source: Map, filters: int, factor: int | None = None, axes: Axes = ()) -> ProductStage:
    """The channels of each place times a matrix."""
    return ProductStage("Convolution", source, (*source[:2], filters), factor, axes)


def down_columns(
    places: int, rows: int, columns: int, channels: int, filters: int, factor: int | None = None, axes: Axes = ()
) -> ProductStage:
    """`rows` rows together with their channels times a matrix, column by column, for each of the `places`."""
    slide = Slide((rows, 1), (rows if places > 1 else 1, 1), "valid")
    source, target = (places * rows, columns, channels), (places, columns, filters)
    return ProductStage("Convolution", source, target, factor, axes, slide=slide)


def moved(source: Map, sizes: Map, *axes: int) -> ProductStage:
    """Along each axis of the target so many places from an axis of the source; those that it does not have are 0."""
    down, across, through = map(Way, axes)
    return ProductStage("Move", source, sizes, ways=(down, across, through))


def has_inner_grids(config: Config) -> bool:
    """A configuration without the key is older than they are; False says so in a new one."""
    return config.get("kernel_bits") is not None and config.get("inner_bits", False) is not False


def with_inner_grids(config: Config, stages: Iterable[ProductStage]) -> tuple[ProductStage, ...]:
    """The stages with the widths of the inner grids. The last that computes makes the output."""
    given, found = config.get("inner_bits"), list(stages)
    computing = [number for number, stage in enumerate(found) if stage.computes]
    found[computing[-1]] = found[computing[-1]]._replace(grid="output", bits=None)
    for number, after in zip(computing, computing[1:], strict=False):
        if found[number].grid == "inner":
            bits = widest_bits(found[after].kernel_bits(config), found[after].terms) if given is None else given
            found[number] = found[number]._replace(bits=bits)
    return tuple(found)


def widest_bits(kernel_bits: int, terms: int) -> int:
    """The widest signed grid, up to 16 bits, with which sums of so many products stay below 2^24: there float32 is
    exact. Never less than 3 bits."""
    # Codes of one and two bits are odd integers.
    largest = terms * (2**kernel_bits - 1 if kernel_bits <= LARGEST_MIDRISE else 2 ** (kernel_bits - 1))
    return max(FEWEST_BITS, min(MAX_BITS, EXACT_BITS + 1 - largest.bit_length()))


def check_inner_bits(value: object, name: str) -> object:
    """None, False or a number of bits."""
    return value if value is None or value is False else check_bits(value, name)


def inner_bits(stages: Iterable[ProductStage]) -> list[int]:
    """The widths of the inner grids, in the order of the stages."""
    return [stage.bits for stage in stages if stage.computes and stage.grid == "inner" and stage.bits is not None]


def adds_bias(stages: Sequence[ProductStage]) -> bool:
    """Whether the bias is a stage of its own: the sums of the last product are rounded before."""
    return any(stage.adds_only for stage in stages)


def stage_steps(stages: Sequence[ProductStage], source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    """The steps of the stages from a source to a target, the shapes of both apart."""
    steps, bits = [], source.bits
    for stage in stages:
        after = (stage.bits or target.bits) if stage.computes else bits
        steps.append(stage.step(bits, after))
        bits = after
    return tuple(steps)


def with_target_bits(steps: tuple[Step, ...], bits: int) -> tuple[Step, ...]:
    """The steps with cells of so many bits at the end, which users read as logits."""
    *first, last = steps
    return (*first, replaced(last, target=last.target._replace(bits=bits)))


def fixed_bits(stages: Iterable[ProductStage]) -> int:
    """Bits of what stages multiply by beside the layer's weights: matrices, stored once for each window that reads
    them, and the numbers 1 of those that only add a bias."""
    stages = list(stages)
    matrices = {stage.part: MATRIX_BITS * stage.matrix.size**2 for stage in stages if stage.matrix}
    return sum(matrices.values()) + sum(ONE_BITS * stage.source[2] for stage in stages if stage.adds_only)


def stage_padding(stages: Iterable[ProductStage], config: Config, source_bits: int) -> int:
    """Bits that fill the words of the kernels up, where products are taken a word at a time."""
    paddings, bits = dict[tuple, int](), source_bits
    for stage in stages:
        if stage.form == "Convolution" and stage.reads_all_channels:
            places, channels = (1, stage.terms) if stage.is_whole else (math.prod(stage.slide.sizes), stage.source[2])
            kernel = KernelShape(places, channels, stage.target[2], stage.kernel_bits(config))
            paddings.setdefault(stage.part, padding_bits(kernel, bits))
        bits = stage.bits or bits
    return sum(paddings.values())
