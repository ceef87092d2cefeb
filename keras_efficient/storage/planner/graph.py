"""`place_graph`: where every map of a network with branches lies, and what is moved before each layer."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from keras_efficient.kinds.measures import FeatureMap
from keras_efficient.storage.graphs.graph import Memory, PlanNode, Region
from keras_efficient.storage.graphs.order import OrderPlan


@dataclass(frozen=True)
class ArenaMove:
    """So many bytes from one place of the arena to another."""

    first: int
    bytes: int
    to: int


@dataclass(frozen=True)
class PlacedNode:
    """A layer with the places of what it needs, in bytes from the start of the arena.

    number: of the node. moves: done before it runs, in order. sources, target, ring: where they start.
    """

    number: int
    moves: tuple[ArenaMove, ...]
    sources: tuple[int, ...]
    target: int
    ring: int


@dataclass(frozen=True)
class GraphPlacement:
    """`inputs`: the bytes where the inputs are filled in; `nodes`: in the order in which they run."""

    inputs: tuple[int, ...]
    nodes: tuple[PlacedNode, ...]


def place_graph(inputs: Sequence[FeatureMap], nodes: Sequence[PlanNode], plan: OrderPlan) -> GraphPlacement:
    """Places within `plan.arena_bytes` for everything.

    The maps keep their order in the arena: those below the one that is written over are packed to the
    bottom, those above it to the top, and only where there is not room enough. So no two maps ever
    change places, and the moves need no memory of their own. The last map starts at byte 0.
    """
    memory = Memory(inputs, nodes)
    ends = itertools.accumulate(reversed(memory.bytes[: len(inputs)]))
    starts = tuple(plan.arena_bytes - end for end in ends)[::-1]
    places, done, placed = dict(enumerate(starts)), 0, []
    for number in plan.order:
        node, region = memory.nodes[number], memory.region(number, done)
        places = {m: places[m] for m in sorted(memory.live(done), key=places.__getitem__)}
        arena = Arena(memory, places, plan.arena_bytes)
        target = arena.free_place(number, region)
        moves: tuple[ArenaMove, ...] = ()
        if target is None:
            room, target = arena.with_room(region)
            moves, places = arena.moves_to(room), room
        source = region.in_place
        ring = target + memory.bytes[memory.target(number)] if source is None else places[source] + memory.bytes[source]
        placed.append(PlacedNode(number, moves, tuple(places[m] for m in node.sources), target, ring))
        done |= 1 << number
        places = {**places, memory.target(number): target}
    return GraphPlacement(starts, tuple(placed))


@dataclass(frozen=True)
class Arena:
    """The live maps and their places, from the lowest up."""

    memory: Memory
    places: dict[int, int]
    size: int

    def end(self, number: int) -> int:
        return self.places[number] + self.memory.bytes[number]

    def free_place(self, number: int, region: Region) -> int | None:
        """Where the target of node `number` can go without a move; None: nowhere."""
        made = self.memory.target(number)
        target, is_last = self.memory.bytes[made], not self.memory.readers[made]
        order = list(self.places)
        ends = [0, *map(self.end, order)]
        starts = [*self.places.values(), self.size]
        if region.in_place is None:
            gaps = zip(ends, starts, strict=True)
            fitting = (low for low, high in gaps if high - low >= region.size and (low == 0 or not is_last))
            return next(fitting, None)
        at = order.index(region.in_place)
        low, high = ends[at], starts[at + 1]
        fits = self.places[region.in_place] - low >= region.offset and low + target <= high
        return low if fits and self.end(region.in_place) + region.ring <= high else None

    def with_room(self, region: Region) -> tuple[dict[int, int], int]:
        """The places of all maps that leave the most room, and that of the target."""
        order = list(self.places)
        at = 0 if region.in_place is None else order.index(region.in_place)
        room, low, high = {}, 0, self.size
        for number in order[:at]:
            room[number], low = low, low + self.memory.bytes[number]
        for number in reversed(order[at:]):
            high -= self.memory.bytes[number] + (region.ring if number == region.in_place else 0)
            room[number] = high
        return room, low

    def moves_to(self, room: dict[int, int]) -> tuple[ArenaMove, ...]:
        """Down from the lowest on, then up from the highest on: nothing is run over."""
        down = [number for number in self.places if room[number] < self.places[number]]
        up = [number for number in reversed(self.places) if room[number] > self.places[number]]
        return tuple(ArenaMove(self.places[n], self.memory.bytes[n], room[n]) for n in (*down, *up))
