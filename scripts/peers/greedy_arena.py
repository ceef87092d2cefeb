"""`greedy_arena`: what a planner that neither reorders, nor moves, nor writes in place needs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from keras_efficient.kinds.measures import FeatureMap
from keras_efficient.storage.graphs.graph import Memory, PlanNode


def greedy_arena(inputs: Sequence[FeatureMap], nodes: Sequence[PlanNode]) -> int:
    """Bytes of the arena when layers run in the given order, to compare `plan_order` with.

    Each map goes to the lowest bytes that are free while its layer runs, none over another, and stays
    there until its last reader is done. `plan_order` never needs more, but for the rows that a residual
    block keeps, which are not counted here.
    """
    memory = Memory(inputs, nodes)
    starts = itertools.accumulate(memory.bytes[: len(inputs)], initial=0)
    places, top, done = dict(zip(range(len(inputs)), starts, strict=False)), sum(memory.bytes[: len(inputs)]), 0
    for number in range(len(nodes)):
        live = set(memory.live(done))
        places = {each: at for each, at in places.items() if each in live}
        target = memory.target(number)
        low = 0  # the first byte where there is room
        for start, length in sorted((at, memory.bytes[m]) for m, at in places.items()):
            if start - low >= memory.bytes[target]:
                break
            low = max(low, start + length)
        places[target] = low
        top = max(top, places[target] + memory.bytes[target])
        done |= 1 << number
    return top
