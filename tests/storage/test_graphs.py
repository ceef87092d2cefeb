"""Networks with branches: the planned order is the best one, and everything has its place in the planned arena."""

from itertools import permutations

import pytest
from storage.random_graphs import RandomGraph

from keras_efficient.kinds import Key
from keras_efficient.kinds.measures import FeatureMap
from keras_efficient.kinds.steps import CellStep, ResidualStep, WholeStep, WindowStep
from keras_efficient.kinds.table import KINDS
from keras_efficient.storage.graphs import PlanNode, order, plan_order
from keras_efficient.storage.graphs.graph import Memory, over
from keras_efficient.storage.graphs.order import costs_of
from keras_efficient.storage.planner.graph import place_graph
from peers.greedy_arena import greedy_arena


def best_arena(graph):
    """The smallest peak over all orders, by trying them all."""
    memory, peaks = Memory([graph.first], graph.nodes), []
    for numbers in permutations(range(len(graph.nodes))):
        done = 0
        for number in numbers:
            if memory.needs[number] & ~done:
                break
            done |= 1 << number
        else:
            peaks.append(max(costs_of(memory, numbers)))
    return min(peaks)


@pytest.mark.parametrize("seed", range(40))
def test_the_order_is_the_best(seed):
    graph = RandomGraph(seed, 2 + seed % 5)
    plan = plan_order([graph.first], graph.nodes)
    assert plan.exact and plan.arena_bytes == best_arena(graph)


def test_the_greedy_arena_by_hand():
    """8 bytes at 0; 4 at 8, 16 at 12 beside both; the 8 die, 2 take their place; then 16 + 4 bytes find no gap."""
    maps = [FeatureMap((1, 1, cells), 8) for cells in (8, 4, 16, 2, 20)]
    edges = [((0,), 1), ((0, 1), 2), ((2,), 3), ((2, 3), 4)]
    nodes = [PlanNode(str(to), sources, tuple(WholeStep(maps[s], maps[to]) for s in sources)) for sources, to in edges]
    assert [greedy_arena(maps[:1], nodes[:count]) for count in range(5)] == [8, 12, 28, 28, 48]


@pytest.mark.parametrize("seed", range(60))
def test_never_above_the_greedy_arena(seed, monkeypatch):
    graph = RandomGraph(seed, 9)
    greedy, exact = greedy_arena([graph.first], graph.nodes), plan_order([graph.first], graph.nodes)
    monkeypatch.setattr(order, "EXACT_STATES", 3)
    heuristic = plan_order([graph.first], graph.nodes)
    assert exact.exact and not heuristic.exact and exact.arena_bytes <= heuristic.arena_bytes
    assert graph.has_residual or heuristic.arena_bytes <= greedy


class Simulation:
    """An arena whose bytes know which byte of which map they hold."""

    def __init__(self, graph, plan):
        self.graph, self.memory = graph, Memory([graph.first], graph.nodes)
        self.placement = place_graph([graph.first], graph.nodes, plan)
        self.arena = [None] * plan.arena_bytes
        self.places = {}
        self.put(0, self.placement.inputs[0])

    def bytes_of(self, number):
        return [(number, byte) for byte in range(self.memory.bytes[number])]

    def put(self, number, at):
        assert 0 <= at <= len(self.arena) - self.memory.bytes[number]
        self.arena[at : at + self.memory.bytes[number]] = self.bytes_of(number)
        self.places[number] = at

    def is_whole(self, number):
        at = self.places[number]
        return self.arena[at : at + self.memory.bytes[number]] == self.bytes_of(number)

    def run(self):
        done = 0
        for placed in self.placement.nodes:
            live, region = self.memory.live(done), self.memory.region(placed.number, done)
            for move in placed.moves:
                self.arena[move.to : move.to + move.bytes] = self.arena[move.first : move.first + move.bytes]
                (moved,) = (m for m in live if self.places[m] == move.first and self.memory.bytes[m] == move.bytes)
                self.places[moved] = move.to
            assert all(map(self.is_whole, live))
            node = self.graph.nodes[placed.number]
            assert [self.places[m] for m in node.sources] == list(placed.sources)
            self.put(placed.number + 1, placed.target)
            done |= 1 << placed.number
            assert all(self.is_whole(m) for m in live if m != region.in_place)
            if region.in_place is not None:
                assert self.places[region.in_place] - placed.target >= region.offset
                assert self.memory.readers[region.in_place] & ~done == 0
            ring = range(placed.ring, placed.ring + region.ring)
            assert not region.ring or ring.stop <= len(self.arena)
            for m in live if region.ring else ():
                assert ring.stop <= self.places[m] or self.places[m] + self.memory.bytes[m] <= ring.start
        assert self.placement.nodes[-1].target == 0


@pytest.mark.parametrize("seed", range(120))
def test_everything_has_its_place(seed):
    graph = RandomGraph(1000 + seed, 2 + seed % 8)
    Simulation(graph, plan_order([graph.first], graph.nodes)).run()


def test_a_skip_is_added_in_place():
    """x stands by while the branch runs; the sum is written over one of its terms."""
    x = FeatureMap((4, 4, 2), 8)
    branch = WindowStep(x, x, (3, 3), (1, 1), "same", cell_by_cell=False)
    logits = FeatureMap((1, 1, 3), 16)
    nodes = [
        PlanNode("branch", (0,), (branch,)),
        PlanNode("add", (1, 0), (CellStep(x, x), CellStep(x, x))),
        PlanNode("dense", (2,), (WholeStep(x, logits),)),
    ]
    plan = plan_order([x], nodes)
    assert (plan.order, plan.costs, plan.arena_bytes) == ((0, 1, 2), (64, 64, 38), 64)


def test_the_cheaper_branch_first():
    """A branch that leaves little is done before one that leaves much."""
    x, small, large = (FeatureMap((1, 1, n), 8) for n in (10, 2, 100))
    nodes = [
        PlanNode("large", (0,), (WholeStep(x, large),)),
        PlanNode("small", (0,), (WholeStep(x, small),)),
        PlanNode("narrow", (1,), (WholeStep(large, small),)),
        PlanNode("end", (2, 3), (WholeStep(small, small), WholeStep(small, small))),
    ]
    plan = plan_order([x], nodes)
    assert plan.order == (1, 0, 2, 3) and plan.arena_bytes == 112 and plan.exact


def test_layers_that_wait_for_each_other_are_refused():
    x = FeatureMap((1, 1, 4), 8)
    with pytest.raises(ValueError, match="wait for each other in a circle"):
        plan_order([x], [PlanNode("a", (2,), (CellStep(x, x),)), PlanNode("b", (1,), (CellStep(x, x),))])


@pytest.mark.parametrize(
    "step, offset",
    [
        (WindowStep(FeatureMap((5, 5, 2), 8), FeatureMap((3, 3, 2), 8), (3, 3), (1, 1), "valid", False), 16),
        (WindowStep(FeatureMap((4, 4, 2), 8), FeatureMap((4, 4, 2), 8), (3, 3), (1, 1), "same", False), 6 * 16),
        (WindowStep(FeatureMap((4, 4, 2), 8), FeatureMap((2, 2, 2), 8), (2, 2), (2, 2), "valid", True), 0),
        (CellStep(FeatureMap((2, 2, 1), 4), FeatureMap((2, 2, 1), 8)), 16),
        (WholeStep(FeatureMap((2, 2, 1), 4), FeatureMap((1, 1, 3), 16)), 48),
        (ResidualStep(FeatureMap((4, 4, 2), 8), FeatureMap((4, 4, 2), 8), 8), 0),
    ],
)
def test_offsets_in_row_order(step, offset):
    assert over(0, step).offset == -(-offset // 8)


@pytest.mark.parametrize(("axis", "offset"), [(1, 9 * 9 * 4), (2, 7 * 13 * 4 - 6 * 9 * 4), (3, 63 * 6 - 62 * 4)])
def test_maps_side_by_side_are_written_over_a_source_as_they_lie(axis, offset):
    """What lies before its own cells is made first: of rows all of the other map."""
    shapes = {1: (9, 9, 4), 2: (7, 13, 4), 3: (7, 9, 6)}
    (step,) = KINDS[Key("own", "ConcatenateQ")].price.steps(
        {"axis": axis}, FeatureMap((7, 9, 4), 8), FeatureMap(shapes[axis], 8)
    )
    assert over(0, step).offset == offset
