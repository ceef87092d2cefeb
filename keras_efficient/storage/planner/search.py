"""Which layout every map gets: the smallest arena, then the fewest relayouts, then simple layouts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, product
from typing import NamedTuple

from keras_efficient.storage.liveness import window_slacks
from keras_efficient.storage.planner.candidates import Family, families
from keras_efficient.storage.planner.layouts import Layout
from keras_efficient.storage.planner.occupancy import Need, align, axes, step_need
from keras_efficient.storage.prices import FeatureMap
from keras_efficient.storage.steps import CellStep, ResidualStep, Step, WholeStep, WindowStep

RANKS = {"row": 0, "column": 1, "alternating": 1, "alternating from a column": 2, "strips": 3}


class Cost(NamedTuple):
    """What a choice costs once it fits into the arena; the first part counts first."""

    relayouts: int
    complexity: int

    def plus(self, relayouts: int, complexity: int) -> Cost:
        return Cost(self.relayouts + relayouts, self.complexity + complexity)


class Way(NamedTuple):
    """The cheapest way to make a map in a layout: how its source is made, and how it lies when used."""

    cost: Cost
    made: Layout
    used: Layout


class Orders(NamedTuple):
    """For every map, the layout in which it is made and, but for the last, the one in which it is used."""

    made: tuple[Layout, ...]
    used: tuple[Layout, ...]


def choose_orders(first: FeatureMap, steps: Sequence[Step]) -> Orders:
    """The arena can be as small as its largest step, as any map can be permuted in place before it is
    used. A dynamic program along the maps then looks for the cheapest way through that arena."""
    found = families(first, steps)
    arena = smallest_arena(first, steps, found)
    layouts = [sorted(set(column), key=lambda layout: RANKS[layout.pattern]) for column in zip(*found, strict=True)]
    ways = [{layout: Way(Cost(0, RANKS[layout.pattern]), layout, layout) for layout in layouts[0]}]
    for number, step in enumerate(steps):
        ways.append(ways_through(step, ways[-1], layouts[number], layouts[number + 1], arena, number == 0))
    return read_back(ways)


def smallest_arena(first: FeatureMap, steps: Sequence[Step], found: list[Family]) -> int:
    """The largest of what the steps need, each in the best pair of layouts."""
    floors = (aligned_prediction(step) for step in steps if not isinstance(step, ResidualStep))
    arena = max(first.total_bits, *floors, *(step.target.total_bits for step in steps))
    for number, step in enumerate(steps):
        pairs = [(family[number], family[number + 1]) for family in found]
        sources, targets = (dict.fromkeys(layouts) for layouts in zip(*pairs, strict=True))
        arena = max(arena, least_bits(step, chain(pairs, product(sources, targets)), arena, number == 0))
    return arena


def aligned_prediction(step: Step) -> int:
    """What the storage report predicts for a step that is no block, its source where its cells fit into bytes."""
    return step.source.total_bits + align(_slack(step), step.source.bits)


def _slack(step: Step) -> int:
    """Bits that a step needs beyond its source, at least 0."""
    if isinstance(step, WholeStep):
        return step.target.total_bits
    if isinstance(step, WindowStep):
        slacks = window_slacks(*axes(step), step.target.pixel_bits, step.source.pixel_bits, step.cell_by_cell)
        return max(slacks.pick("best")[0], 0)
    return max(step.target.total_bits - step.source.total_bits, 0)


def least_bits(step: Step, pairs: Iterable[tuple[Layout, Layout]], enough: int, is_first: bool) -> int:
    """The least arena for a step, or one that is small `enough`."""
    least: int | None = None
    for used, made in pairs:
        if allowed(step, used, made):
            bits = placed_need(step, used, made, is_first).bits(step)
            least = bits if least is None else min(least, bits)
            if least <= enough:
                break
    assert least is not None  # a step by rows is always allowed
    return least


def allowed(step: Step, used: Layout, made: Layout) -> bool:
    """A step cell by cell keeps the layout; a residual block goes by rows or by columns."""
    if isinstance(step, CellStep):
        return used == made
    return not isinstance(step, ResidualStep) or made.pattern in ("row", "column")


def placed_need(step: Step, used: Layout, made: Layout, is_first: bool) -> Need:
    """The first map is filled where it is used: all of it counts."""
    need = step_need(step, used, made)
    return need._replace(kept=used.rows * used.columns) if is_first else need


def ways_through(
    step: Step, before: dict[Layout, Way], sources: list[Layout], targets: list[Layout], arena: int, is_first: bool
) -> dict[Layout, Way]:
    """For every layout of the target the cheapest way to it, if there is one."""
    starts = sorted(ways_to_use(before, sources), key=lambda way: way.cost)
    ways = {}
    for target in targets:
        best = None
        for start in starts:
            if best is not None and start.cost.plus(0, RANKS[target.pattern]) >= best.cost:
                break
            cost = start.cost.plus(0, RANKS[target.pattern] + (start.used.pattern != target.pattern))
            if (best is None or cost < best.cost) and fits(step, start.used, target, arena, is_first):
                best = start._replace(cost=cost)
        if best is not None:
            ways[target] = best
    return ways


def ways_to_use(before: dict[Layout, Way], layouts: list[Layout]) -> Iterable[Way]:
    """For every layout the cheaper of: the map is made in it, or permuted to it."""
    cheapest = min(before, key=lambda layout: before[layout].cost)
    for layout in layouts:
        permuted = Way(before[cheapest].cost.plus(1, RANKS[layout.pattern]), cheapest, layout)
        direct = Way(before[layout].cost, layout, layout) if layout in before else permuted
        yield min(direct, permuted, key=lambda way: way.cost)


def fits(step: Step, used: Layout, made: Layout, arena: int, is_first: bool) -> bool:
    return allowed(step, used, made) and placed_need(step, used, made, is_first).bits(step) <= arena


def read_back(ways: list[dict[Layout, Way]]) -> Orders:
    """The cheapest way to the last map; users read it by rows."""
    last = min(ways[-1], key=lambda layout: ways[-1][layout].cost.plus(layout.pattern != "row", 0))
    made, used = [last], []
    for step_ways in reversed(ways[1:]):
        way = step_ways[made[-1]]
        made.append(way.made)
        used.append(way.used)
    return Orders(tuple(reversed(made)), tuple(reversed(used)))
