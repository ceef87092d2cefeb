"""Random networks with branches, as nodes: for the planner's tests. Nothing here imports Keras."""

import random

from keras_efficient.kinds.measures import FeatureMap
from keras_efficient.kinds.steps import CellStep, ResidualStep, WholeStep, WindowStep
from keras_efficient.storage.graphs import PlanNode

BITS = (3, 4, 8, 8)
KINDS = ("conv", "pool", "cell", "residual", "whole", "sum")


class RandomGraph:
    """`first` and `nodes` of a graph with `count` layers; the last one reads all that nobody has read."""

    def __init__(self, seed, count):
        self.random = random.Random(seed)
        shape = tuple(self.random.randint(1, limit) for limit in (6, 6, 4))
        self.first = FeatureMap(shape, self.random.choice((3, 4, 8, 16)))
        self.maps, self.nodes, self.unread = [self.first], [], {0}
        for number in range(count):
            self._add(f"layer_{number}", is_last=number == count - 1)

    def _add(self, name, is_last):
        newest = len(self.maps) - 1
        sources = tuple(sorted(self.unread)) if is_last else (self.random.choice([newest, newest, *range(newest)]),)
        kind = "merge" if len(sources) > 1 else self.random.choice(KINDS)
        sources, steps = getattr(self, f"_{kind}")(sources, 16 if is_last else self.random.choice(BITS))
        self.nodes.append(PlanNode(name, sources, steps))
        self.maps.append(steps[0].target)
        self.unread = (self.unread - set(sources)) | {newest + 1}

    def _merge(self, sources, bits):
        channels = sum(self.maps[s].shape[2] for s in sources)
        target = FeatureMap((*self.maps[sources[0]].shape[:2], channels), bits)
        return sources, tuple(WholeStep(self.maps[s], target) for s in sources)

    def _sum(self, sources, bits):
        first = self.maps[sources[0]]
        same = [number for number, each in enumerate(self.maps) if each.shape == first.shape]
        sources = (sources[0], self.random.choice(same))
        target = FeatureMap(first.shape, bits)
        return sources, tuple(CellStep(self.maps[s], target) for s in sources)

    def _cell(self, sources, bits):
        source = self.maps[sources[0]]
        return sources, (CellStep(source, FeatureMap(source.shape, bits)),)

    def _residual(self, sources, bits):
        source = self.maps[sources[0]]
        return sources, (ResidualStep(source, FeatureMap(source.shape, bits), self.random.choice((4, 8))),)

    def _whole(self, sources, bits):
        return sources, (WholeStep(self.maps[sources[0]], FeatureMap((1, 1, self.random.randint(1, 20)), bits)),)

    def _pool(self, sources, bits):
        return self._window(sources, bits, size=2, stride=2, channels=None)

    def _conv(self, sources, bits):
        return self._window(sources, bits, 3, self.random.choice((1, 2)), self.random.randint(1, 6))

    def _window(self, sources, bits, size, stride, channels):
        rows, columns, own = self.maps[sources[0]].shape
        target = FeatureMap((-(-rows // stride), -(-columns // stride), channels or own), bits)
        step = WindowStep(
            self.maps[sources[0]], target, (size, size), (stride, stride), "same", cell_by_cell=channels is None
        )
        return sources, (step,)

    @property
    def has_residual(self):
        """Whether a layer needs memory beside its input and output."""
        return any(isinstance(step, ResidualStep) for node in self.nodes for step in node.steps)
