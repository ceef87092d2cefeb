"""What an integer model does on a device: the input as it arrives, then one placed step per layer."""

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
from keras_efficient.kinds.steps import CellStep, MoveStep, ResidualStep, Step, WholeStep, WindowStep
from keras_efficient.kinds.windows import window_step
from keras_efficient.storage.graphs import PlanNode, gathering
from keras_efficient.storage.planner import step_bits
from keras_efficient.storage.planner.arrival import arrival_bits, kept_bits, line_bits, sum_bits

# Operations of a network with branches that can run while the input arrives (see `storage.graphs.Node`).
STREAMS: dict[type[Operation], str] = {Rescale: "pixels", Convolution: "lines"}


@dataclass(frozen=True)
class Arrival:
    """What happens to a cell of the input before it is stored: rescaled, then pooled or convolved.

    Pooling without overlap needs no input map: a window is summed up, or compared, as it comes. A convolution needs the
    lines of the input that its window reaches.
    """

    input: IntegerMap
    rescales: tuple[Rescale, ...]
    pooling: MaxPooling | AveragePooling | None
    convolution: Convolution | None
    stored: IntegerMap  # the first map in the arena
    logits_bits: int | None = None  # of the first map, where it is the last one

    @property
    def sum_bits(self) -> int:
        """Width of a running sum of average pooling; 0 where there is none."""
        return sum_bits(*self._summed) if self._summed else 0

    @property
    def line_bits(self) -> int:
        """Room for a row of running sums, or for the lines that a convolution needs."""
        if self.convolution is not None:
            return kept_bits(self.step)
        return line_bits(*self._summed, feature_map(self.stored)) if self._summed else 0

    @property
    def step(self) -> WindowStep:
        assert self.convolution is not None
        step = _planner_step(self.convolution, self.logits_bits)
        assert isinstance(step, WindowStep)
        return step

    @property
    def _summed(self) -> tuple[int, int] | None:
        """Bits of a cell that is summed up, and cells of a window."""
        if not isinstance(self.pooling, AveragePooling):
            return None
        return self.pooling.source.codes.bits, math.prod(self.pooling.window.sizes)


def split_arrival(
    source: IntegerMap, operations: list[Operation], logits_bits: int = LOGIT_BITS
) -> tuple[Arrival, list[Operation]]:
    """What is done while the input arrives, and the layers after it."""
    rescales: list[Rescale] = []
    for operation in operations:
        if not isinstance(operation, Rescale):
            break
        rescales.append(operation)
    after = operations[len(rescales) :]
    pooling = after[0] if after and _pools_on_arrival(after[0]) else None
    convolution = _convolution_on_arrival(planner_steps(after, logits_bits), after)
    first = [*rescales, *(each for each in (pooling, convolution) if each is not None)]
    stored, rest = first[-1].target if first else source, operations[len(first) :]
    return Arrival(source, tuple(rescales), pooling, convolution, stored, None if rest else logits_bits), rest


def _convolution_on_arrival(steps: list[Step], operations: list[Operation]) -> Convolution | None:
    """The first operation, if it is a convolution, and all of a layer, and the arena would be larger with its input."""
    if not steps or not isinstance(steps[0], WindowStep) or not isinstance(operations[0], Convolution):
        return None
    if operations[0].part:
        return None
    arena = max(arrival_bits(steps[0].target, kept_bits(steps[0])), *map(step_bits, steps[1:]), 0)
    return operations[0] if step_bits(steps[0]) > arena else None


def _pools_on_arrival(operation: Operation) -> TypeGuard[MaxPooling | AveragePooling]:
    if not isinstance(operation, (MaxPooling, AveragePooling)):
        return False
    window = operation.window
    return all(stride >= size for stride, size in zip(window.strides, window.sizes, strict=True))


def graph_nodes(network: IntegerNetwork) -> list[PlanNode]:
    """The nodes of a network with branches, as the storage report has them."""
    nodes: list[PlanNode] = []
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
            steps = [_planner_step(operation, bits)]
        streams = "no" if operation.part else STREAMS.get(type(operation), "no")
        nodes.append(PlanNode(operation.name, sources, tuple(steps), streams))
    return nodes


def planner_steps(operations: list[Operation], logits_bits: int = LOGIT_BITS) -> list[Step]:
    return [_planner_step(each, logits_bits if each is operations[-1] else None) for each in operations]


def _planner_step(operation: Operation, bits: int | None) -> Step:
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
