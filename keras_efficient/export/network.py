"""What an integer model does on a device: the input as it arrives, then one placed step a layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeGuard

from keras_efficient.export.integer import (
    AveragePooling,
    Combination,
    Concatenation,
    Convolution,
    IntegerMap,
    Lookup,
    MaxPooling,
    Move,
    Operation,
    Outputs,
    Rescale,
    Residual,
    Scale,
    WindowOperation,
)
from keras_efficient.export.integer.reading import IntegerNetwork
from keras_efficient.kinds.combining import combined_step, joined_step
from keras_efficient.kinds.measures import LOGIT_BITS, FeatureMap
from keras_efficient.kinds.steps import CellStep, MoveStep, ResidualStep, Step, WholeStep
from keras_efficient.kinds.windows import window_step
from keras_efficient.storage.graphs import Node, gathering
from keras_efficient.storage.planner.arrival import line_bits, sum_bits


@dataclass(frozen=True)
class Arrival:
    """What happens to a cell of the input before it is stored: rescaled, then pooled.

    Pooling without overlap needs no input map: a window is summed up, or compared, as it comes.
    """

    input: IntegerMap
    rescales: tuple[Rescale, ...]
    pooling: MaxPooling | AveragePooling | None
    stored: IntegerMap  # the first map in the arena

    @property
    def sum_bits(self) -> int:
        """Width of a running sum of average pooling; 0 where there is none."""
        return sum_bits(*self._summed) if self._summed else 0

    @property
    def line_bits(self) -> int:
        """Room for a row of running sums."""
        return line_bits(*self._summed, feature_map(self.stored)) if self._summed else 0

    @property
    def _summed(self) -> tuple[int, int] | None:
        """Bits of a cell that is summed up, and cells of a window."""
        if not isinstance(self.pooling, AveragePooling):
            return None
        return self.pooling.source.codes.bits, math.prod(self.pooling.window.sizes)


def split_arrival(source: IntegerMap, operations: list[Operation]) -> tuple[Arrival, list[Operation]]:
    """What is done while the input arrives, and the layers behind it."""
    rescales: list[Rescale] = []
    for operation in operations:
        if not isinstance(operation, Rescale):
            break
        rescales.append(operation)
    behind = operations[len(rescales) :]
    pooling = behind[0] if behind and pools_on_arrival(behind[0]) else None
    first = [*rescales, *([] if pooling is None else [pooling])]
    stored = first[-1].target if first else source
    return Arrival(source, tuple(rescales), pooling, stored), operations[len(first) :]


def pools_on_arrival(operation: Operation) -> TypeGuard[MaxPooling | AveragePooling]:
    if not isinstance(operation, (MaxPooling, AveragePooling)):
        return False
    window = operation.window
    return all(stride >= size for stride, size in zip(window.strides, window.sizes, strict=True))


def graph_nodes(network: IntegerNetwork) -> list[Node]:
    """The nodes of a network with branches, as the storage report has them."""
    nodes: list[Node] = []
    for number, (operation, sources) in enumerate(zip(network.operations, network.sources, strict=True)):
        bits = network.logits_bits if number == len(network.operations) - 1 else None
        target = feature_map(operation.target, bits)
        if isinstance(operation, Outputs):
            nodes.append(gathering(sources, [feature_map(source) for source in operation.sources], network.logits_bits))
            continue
        if isinstance(operation, Combination):
            steps: list[Step] = [combined_step(feature_map(source), target) for source in operation.sources]
        elif isinstance(operation, Concatenation):
            steps = [joined_step(operation.axis, feature_map(source), target) for source in operation.sources]
        else:
            steps = [planner_step(operation, bits)]
        nodes.append(Node(operation.name, sources, tuple(steps)))
    return nodes


def planner_steps(operations: list[Operation], logits_bits: int = LOGIT_BITS) -> list[Step]:
    return [planner_step(each, logits_bits if each is operations[-1] else None) for each in operations]


def planner_step(operation: Operation, bits: int | None) -> Step:
    """How an operation works its way through its source. `bits`: of a logit, where it gives the logits."""
    source = feature_map(operation.source)
    target = feature_map(operation.target, bits)
    if isinstance(operation, (Rescale, Lookup, Scale)):
        return CellStep(source, target)
    if isinstance(operation, Move):
        return MoveStep(source, target, operation.ways)
    if isinstance(operation, Residual):
        return ResidualStep(source, target, operation.first.target.codes.bits)
    if isinstance(operation, Convolution) and operation.is_whole:
        return WholeStep(source, target)
    assert isinstance(operation, WindowOperation)
    # A depthwise layer with multiplier 1, and pooling: channel c comes from channel c alone.
    one_to_one = not isinstance(operation, Convolution) or (operation.depthwise and source.shape[2] == target.shape[2])
    return window_step(operation.window.slide, source, target, one_to_one)


def feature_map(integers: IntegerMap, bits: int | None = None) -> FeatureMap:
    """A map as the planner sees it; users read the last one as logits, which have `bits` of their own."""
    return FeatureMap(integers.shape, bits or integers.codes.bits)
