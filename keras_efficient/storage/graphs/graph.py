"""`PlanNode` and `Memory`: the layers of a network with branches, and what is alive while they run."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import NamedTuple

from keras_efficient.kinds.measures import FeatureMap, whole_bytes
from keras_efficient.kinds.steps import ResidualStep, Step, WholeStep
from keras_efficient.storage.planner.layouts import Layout
from keras_efficient.storage.planner.occupancy import grid, step_need
from keras_efficient.storage.prefix import row_ring


@dataclass(frozen=True)
class PlanNode:
    """A layer that reads some maps and makes one.

    sources: numbers of the maps it reads: the inputs come first, then what each node makes.
    steps: for each source, how the target may be written over it.
    streams: whether it can run while its source arrives: "pixels", "lines" or "no" (see `kinds.kind.Price`).
    """

    name: str
    sources: tuple[int, ...]
    steps: tuple[Step, ...]
    streams: str = "no"

    @property
    def target(self) -> FeatureMap:
        return self.steps[0].target


def gathering(sources: Sequence[int], maps: Sequence[FeatureMap], bits: int) -> PlanNode:
    """What copies several outputs together for users, at the end, as logits of `bits`."""
    target = FeatureMap((1, 1, sum(each.cells for each in maps)), bits)
    return PlanNode("outputs", tuple(sources), tuple(WholeStep(each.as_image, target) for each in maps))


class Region(NamedTuple):
    """What a layer touches beside the maps that only stand by, in bytes.

    in_place: number of the source (a map) that the target is written over; None: it gets a place of its own.
    offset: from the start of the target to the start of that source.
    ring: of a residual block, after the source.
    size: from the start of the target to the end of all of it.
    """

    in_place: int | None
    offset: int
    ring: int
    size: int


class Front(NamedTuple):
    """How far a network has run: the bytes of the maps that somebody still reads, the nodes that are done (bits), and
    those that can run next."""

    alive: int
    done: int
    ready: tuple[int, ...]


class Memory:
    """What each layer of a graph needs, whatever was done before it.

    All maps lie in one arena, in row order, and start at whole bytes. Maps that stand by may be moved
    before a layer runs, so only their sizes count: a layer needs them, and its region.
    """

    def __init__(self, inputs: Sequence[FeatureMap], nodes: Sequence[PlanNode]):
        self.nodes, self.inputs = tuple(nodes), len(inputs)
        self.maps = (*inputs, *(node.target for node in nodes))
        self.bytes = tuple(whole_bytes(each.total_bits) for each in self.maps)

    @cached_property
    def readers(self) -> tuple[int, ...]:
        """For each map the nodes that read it, as bits."""
        masks = [0] * len(self.maps)
        for number, node in enumerate(self.nodes):
            for source in node.sources:
                masks[source] |= 1 << number
        return tuple(masks)

    @cached_property
    def needs(self) -> tuple[int, ...]:
        """For each node those that must be done before it, as bits."""
        made = [{source - self.inputs for source in node.sources} for node in self.nodes]
        return tuple(sum(1 << maker for maker in makers if maker >= 0) for makers in made)

    @cached_property
    def start(self) -> Front:
        ready = tuple(number for number, needs in enumerate(self.needs) if not needs)
        return Front(sum(self.bytes[each] for each in self.live(0)), 0, ready)

    def after(self, front: Front, number: int) -> Front:
        """When node `number`, one of those that are ready, is done, too."""
        done, target = front.done | 1 << number, self.target(number)
        died = sum(self.bytes[each] for each in set(self.nodes[number].sources) if not self.readers[each] & ~done)
        freed = [each for each in self._followers[number] if not self.needs[each] & ~done]
        waiting = [each for each in front.ready if each != number]
        alive = front.alive - died + (self.bytes[target] if self.readers[target] else 0)
        return Front(alive, done, tuple(sorted(waiting + freed)))

    @cached_property
    def _followers(self) -> tuple[tuple[int, ...], ...]:
        """For each node those that read what it makes."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for number, node in enumerate(self.nodes):
            for source in set(node.sources):
                if source >= self.inputs:
                    found[source - self.inputs].append(number)
        return tuple(map(tuple, found))

    @cached_property
    def _places(self) -> tuple[tuple[Region, ...], ...]:
        """For each node where its target may lie: in a place of its own, or over each of its sources."""
        return tuple(
            (_own_place(node), *(over(source, step) for source, step in zip(node.sources, node.steps, strict=True)))
            for node in self.nodes
        )

    def target(self, number: int) -> int:
        """The number of the map that a node makes."""
        return number + self.inputs

    def live(self, done: int) -> list[int]:
        """The maps that somebody still reads when the nodes in `done` (bits) are done."""
        return [
            number
            for number, readers in enumerate(self.readers)
            if readers & ~done and (number < self.inputs or done >> (number - self.inputs) & 1)
        ]

    def region(self, number: int, done: int) -> Region:
        """The region of node `number`, run after those in `done`: over the source that saves most."""
        node, after = self.nodes[number], done | 1 << number
        is_last = not self.readers[self.target(number)]
        own, *others = self._places[number]
        # Outputs are read from the arena's start: several sources would have to change places.
        stays = is_last and len(set(node.sources)) > 1
        dying = [not (stays or self.readers[source] & ~after) for source in node.sources]
        choices = [own, *compress(others, dying)]
        return min(choices, key=lambda region: region.size - self.size_of(region.in_place))

    def size_of(self, number: int | None) -> int:
        return 0 if number is None else self.bytes[number]

    def cost(self, number: int, front: Front) -> int:
        region = self.region(number, front.done)
        return front.alive - self.size_of(region.in_place) + region.size


def _own_place(node: PlanNode) -> Region:
    ring = _ring_bytes(node.steps[0])
    target = whole_bytes(node.target.total_bits)
    return Region(None, target, ring, target + ring)


def over(number: int, step: Step) -> Region:
    source, target = (Layout.by_rows(*grid(each)) for each in (step.source, step.target))
    offset, ring = whole_bytes(step_need(step, source, target).offset), _ring_bytes(step)
    end = offset + whole_bytes(step.source.total_bits) + ring
    return Region(number, offset, ring, max(end, whole_bytes(step.target.total_bits)))


def _ring_bytes(step: Step) -> int:
    """What a step works in beside its maps."""
    if not isinstance(step, ResidualStep):
        return whole_bytes(step.scratch)
    rows, columns, channels = step.source.shape
    return whole_bytes(row_ring(rows, columns) * channels * step.inner_bits)
