"""Which layout every map gets: the smallest arena, then the fewest relayouts, then simple layouts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from keras_efficient.kinds.measures import FeatureMap
from keras_efficient.kinds.steps import CellStep, MoveStep, ResidualStep, Step, WindowStep
from keras_efficient.storage.live_bits import live_bits
from keras_efficient.storage.planner.candidates import families
from keras_efficient.storage.planner.layouts import Layout
from keras_efficient.storage.planner.occupancy import CACHED_NEEDS, align, step_need

RANKS = {"row": 0, "column": 1, "alternating": 1, "alternating from a column": 2, "strips": 3}


class Cost(NamedTuple):
    """What a choice costs once it fits into the arena; the first part counts first."""

    relayouts: int
    complexity: int

    def plus(self, relayouts: int, complexity: int) -> Cost:
        return Cost(self.relayouts + relayouts, self.complexity + complexity)


class CheapestWay(NamedTuple):
    """The cheapest way to make a map in a layout: how its source is made, and how it lies when used."""

    cost: Cost
    made: Layout
    used: Layout


class Orders(NamedTuple):
    """For every map, the layout in which it is made and, but for the last, the one in which it is used."""

    made: tuple[Layout, ...]
    used: tuple[Layout, ...]


def choose_orders(first: FeatureMap, steps: Sequence[Step], arena: int) -> Orders:
    """Layouts with which all steps fit into the arena, which is at least as large as each of them needs: any map
    can be permuted in place before it is used. A dynamic program along the maps looks for the cheapest way."""
    found = [dict.fromkeys(column) for column in zip(*families(first, steps), strict=True)]
    for number, step in enumerate(steps):
        best = best_layouts(step)
        found[number][best.used], found[number + 1][best.made] = None, None
    layouts = [sorted(column, key=lambda layout: RANKS[layout.pattern]) for column in found]
    ways = [{layout: CheapestWay(Cost(0, RANKS[layout.pattern]), layout, layout) for layout in layouts[0]}]
    for number, step in enumerate(steps):
        ways.append(_ways_through(step, ways[-1], layouts[number], layouts[number + 1], arena))
    return _read_back(ways)


class BestLayouts(NamedTuple):
    """The smallest arena in which a step alone can run, in bits, and the layouts of its maps."""

    bits: int
    used: Layout
    made: Layout


@lru_cache(maxsize=CACHED_NEEDS)
def step_bits(step: Step) -> int:
    """The arena that a step needs at least, whatever stands before and after it: what the price asks, too."""
    return enough_bits(step) if _reaches_liveness(step) else best_layouts(step).bits + step.scratch


def enough_bits(step: Step) -> int:
    """Exact liveness, with the source where its cells fit into bytes. What a block keeps lies after its source."""
    live, source = live_bits(step).bits, step.source
    if isinstance(step, ResidualStep):
        return live
    return source.total_bits + align(live - source.total_bits, source.bits)


def _reaches_liveness(step: Step) -> bool:
    """Whether it is known that a step needs no more than that: so do windows without strides and padding that store
    whole pixels, along each of the four orders (see `candidates`)."""
    if isinstance(step, WindowStep):
        return step.strides == (1, 1) and step.padding == "valid" and not step.cell_by_cell
    return not isinstance(step, ResidualStep)


@lru_cache(maxsize=CACHED_NEEDS)
def best_layouts(step: Step) -> BestLayouts:
    """The best of the pairs of layouts that suit a step; the first that needs no more than exact liveness."""
    enough, best = enough_bits(step), None
    for used, made in _pairs_of(step):
        if allowed(step, used, made):
            bits = step_need(step, used, made).bits(step)
            best = BestLayouts(bits, used, made) if best is None or bits < best.bits else best
            if best.bits <= enough:
                break
    assert best is not None  # a step by rows is always allowed
    return best._replace(bits=max(best.bits, enough))


def _pairs_of(step: Step) -> Iterator[tuple[Layout, Layout]]:
    """Pairs that follow one sequence of strips, then any others of these layouts."""
    found = []
    for used, made in families(step.source, [step]):
        found.append((used, made))
        yield used, made
    yield from product(*map(dict.fromkeys, zip(*found, strict=True)))


def allowed(step: Step, used: Layout, made: Layout) -> bool:
    """A step cell by cell keeps the layout; a move goes by rows; a residual block goes by rows or by columns."""
    if isinstance(step, CellStep):
        return used == made
    if isinstance(step, MoveStep):
        return used.pattern == made.pattern == "row"
    return not isinstance(step, ResidualStep) or made.pattern in ("row", "column")


def _ways_through(
    step: Step, before: dict[Layout, CheapestWay], sources: list[Layout], targets: list[Layout], arena: int
) -> dict[Layout, CheapestWay]:
    """For every layout of the target the cheapest way to it, if there is one."""
    starts = sorted(_ways_to_use(before, sources), key=lambda way: way.cost)
    ways = {}
    for target in targets:
        best = None
        for start in starts:
            if best is not None and start.cost.plus(0, RANKS[target.pattern]) >= best.cost:
                break
            cost = start.cost.plus(0, RANKS[target.pattern] + (start.used.pattern != target.pattern))
            if (best is None or cost < best.cost) and fits(step, start.used, target, arena):
                best = start._replace(cost=cost)
        if best is not None:
            ways[target] = best
    return ways


def _ways_to_use(before: dict[Layout, CheapestWay], layouts: list[Layout]) -> Iterable[CheapestWay]:
    """For every layout the cheaper of: the map is made in it, or permuted to it."""
    cheapest = min(before, key=lambda layout: before[layout].cost)
    for layout in layouts:
        permuted = CheapestWay(before[cheapest].cost.plus(1, RANKS[layout.pattern]), cheapest, layout)
        direct = CheapestWay(before[layout].cost, layout, layout) if layout in before else permuted
        yield min(direct, permuted, key=lambda way: way.cost)


def fits(step: Step, used: Layout, made: Layout, arena: int) -> bool:
    return allowed(step, used, made) and step_need(step, used, made).bits(step) <= arena


def _read_back(ways: list[dict[Layout, CheapestWay]]) -> Orders:
    """The cheapest way to the last map; users read it by rows."""
    last = min(ways[-1], key=lambda layout: ways[-1][layout].cost.plus(layout.pattern != "row", 0))
    made, used = [last], []
    for step_ways in reversed(ways[1:]):
        way = step_ways[made[-1]]
        made.append(way.made)
        used.append(way.used)
    return Orders(tuple(reversed(made)), tuple(reversed(used)))
