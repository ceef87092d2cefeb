"""`plan_order`: the order of a graph's layers that needs the smallest arena."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from keras_efficient.kinds.measures import FeatureMap, whole_bytes
from keras_efficient.kinds.steps import WindowStep
from keras_efficient.storage.graphs.graph import Front, Memory, PlanNode
from keras_efficient.storage.planner.arrival import arrival_bits, kept_bits

# Sets of finished layers that the exact search looks at, at most.
EXACT_STATES = 20_000
# Beyond that, how many of the best partial orders are followed.
BEAM = 32

# A partial order: its peak, how far it is, and the order itself.
State: TypeAlias = tuple[int, Front, tuple[int, ...]]


@dataclass(frozen=True)
class OrderPlan:
    """An order of the layers.

    order: numbers of the nodes, first to last. costs: bytes of the arena while each of them runs, in
    that order. exact: whether no order needs a smaller arena. arriving: how many of them run while the input
    arrives, as it would not fit into the arena.
    """

    order: tuple[int, ...]
    costs: tuple[int, ...]
    arena_bytes: int
    exact: bool
    arriving: int = 0


def plan_order(inputs: Sequence[FeatureMap], nodes: Sequence[PlanNode], streaming: bool = False) -> OrderPlan:
    """The order that needs the smallest arena. `streaming`: whether the input arrives pixel by pixel.

    For up to `EXACT_STATES` sets of finished layers (a chain of n layers has n + 1, a residual network
    few more) by a search that visits them from the cheapest on: the order is optimal. Beyond that the
    `BEAM` best partial orders of each length are followed, and the given order is never worse than
    what is chosen.
    """
    memory = Memory(inputs, nodes)
    exact = _exact_order(memory)
    order = exact
    if order is None:  # the beam's, or the given one if that needs less
        given = tuple(range(len(nodes)))
        order = min(_beam_order(memory), given, key=lambda each: max(costs_of(memory, each)))
    costs, arriving = costs_of(memory, order), 0
    if streaming and (count := _first_layers(memory)):
        (step,) = nodes[count - 1].steps
        assert isinstance(step, WindowStep)
        stored = costs[count - 1]
        least = min(stored, whole_bytes(arrival_bits(step.target, kept_bits(step))))
        costs = (*(0,) * (count - 1), least, *costs[count:])
        arriving = count if stored > max(costs) else 0
    return OrderPlan(order, costs, max(costs, default=sum(memory.bytes)), exact is not None, arriving)


def _first_layers(memory: Memory) -> int:
    """How many layers, the first ones in every order, can run while the input arrives: those that pass numbers on, and
    a convolution that alone reads what they make; 0 where there is none."""
    if memory.inputs > 1:
        return 0
    for number, node in enumerate(memory.nodes):
        if memory.readers[number] != 1 << number:
            return 0
        if node.streams == "lines" and isinstance(node.steps[0], WindowStep):
            return number + 1
        if node.streams != "pixels":
            return 0
    return 0


def costs_of(memory: Memory, order: Sequence[int]) -> tuple[int, ...]:
    front, costs = memory.start, []
    for number in order:
        costs.append(memory.cost(number, front))
        front = memory.after(front, number)
    return tuple(costs)


def _exact_order(memory: Memory) -> tuple[int, ...] | None:
    """The optimal order; None where there are too many sets. Of equal peaks the first layers come first."""
    every = (1 << len(memory.nodes)) - 1
    best: dict[int, int] = {0: 0}
    came: dict[int, tuple[int, int]] = {}
    queue = [(0, 0, 0, memory.start)]  # peak, layers left, done
    while queue:
        peak, _, done, front = heapq.heappop(queue)
        if done == every:
            return _read_back(came, done)
        if peak > best[done]:
            continue
        for number in front.ready:
            after, reached = done | 1 << number, max(peak, memory.cost(number, front))
            if reached < best.get(after, reached + 1):
                best[after], came[after] = reached, (done, number)
                left = len(memory.nodes) - after.bit_count()
                heapq.heappush(queue, (reached, left, after, memory.after(front, number)))
        if len(best) > EXACT_STATES:
            return None
    raise ValueError("the layers wait for each other in a circle")


def _read_back(came: dict[int, tuple[int, int]], done: int) -> tuple[int, ...]:
    order = []
    while done:
        done, number = came[done]
        order.append(number)
    return tuple(reversed(order))


def _beam_order(memory: Memory) -> tuple[int, ...]:
    """One of the best orders that a beam finds: by peak, then by what is alive."""
    beam: list[State] = [(0, memory.start, ())]
    for _ in memory.nodes:
        found: dict[int, State] = {}
        for peak, front, order in beam:
            for number in front.ready:
                after = memory.after(front, number)
                state = (max(peak, memory.cost(number, front)), after, (*order, number))
                found[after.done] = min(found.get(after.done, state), state)
        beam = heapq.nsmallest(BEAM, found.values())
    return beam[0][-1]
