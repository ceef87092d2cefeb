"""The steps of a network, without weights or numbers: what is priced, and what the planner places."""

from dataclasses import dataclass, field
from typing import NamedTuple

from keras_efficient.kinds.measures import FeatureMap


@dataclass(frozen=True)
class Step:
    """One layer at work: it reads the map `source` and makes the map `target`.

    Shapes are (rows, columns, channels); a vector of n numbers is (1, 1, n). The cells of a pixel
    lie side by side, channel by channel.

    scratch: Bits that the step works in beside the two maps.
    """

    source: FeatureMap
    target: FeatureMap
    scratch: int = field(default=0, kw_only=True)


@dataclass(frozen=True)
class WindowStep(Step):
    """A window slides over the source; pixel by pixel of the target.

    A convolution stores all channels of a target pixel before the source pixels that die with it
    are given up. A layer that works `cell_by_cell` (pooling, depthwise with multiplier 1: target
    channel c reads source channel c alone) computes a cell in a register, gives up the source cells
    that nobody else reads, then stores it.

    kernel_size: From a window's first place to its last: what lies between the places of a dilated window
        dies no earlier, as such windows move by 1.
    padding: "valid", "same", or the zeros ((above, below), (left, right)).
    """

    kernel_size: tuple[int, int]
    strides: tuple[int, int]
    padding: str | tuple[tuple[int, int], tuple[int, int]]
    cell_by_cell: bool


@dataclass(frozen=True)
class CellStep(Step):
    """Cell k of the target comes from cell k of the source alone: same shape, other bits perhaps. Where the map
    widens, the cells are made from its end."""


class Way(NamedTuple):
    """Where the places along an axis of a target come from: place k from `first + k // repeat * step` along the axis
    `source` of the source; a place that this does not have is filled with zeros."""

    source: int
    first: int = 0
    step: int = 1
    repeat: int = 1


@dataclass(frozen=True)
class MoveStep(Step):
    """Cells move to other places, by rows in both maps: `ways` says so along rows, columns and channels; None: cell k
    of the target is cell k of the source."""

    ways: tuple[Way, Way, Way] | None


@dataclass(frozen=True)
class WholeStep(Step):
    """Every target cell reads every source cell: both maps are there at once."""


@dataclass(frozen=True)
class ResidualStep(Step):
    """y = conv1(x), z = conv2(y) + x: 3x3, padding "same"; the maps have the same shape."""

    inner_bits: int
