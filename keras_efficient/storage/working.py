"""The working memory of a layer: what is alive at the worst moment of its steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from keras_efficient.kinds.measures import FeatureMap
from keras_efficient.kinds.steps import CellStep, ResidualStep, Step, WindowStep
from keras_efficient.storage.liveness import window_slacks
from keras_efficient.storage.prefix import axes
from keras_efficient.storage.residual_slack import residual_slack


class Working(NamedTuple):
    """Bits of input and output that are alive at once at the worst moment, and the order of the
    output pixels if it matters."""

    bits: int
    order: str | None = None


def working_memory(steps: Iterable[Step], order: str) -> Working:
    """What a layer needs that works in these steps, in an order of the output pixels (see `exact_slack`)."""
    return max((step_memory(step, order) for step in steps), key=lambda working: working.bits)


def step_memory(step: Step, order: str) -> Working:
    source, target, chosen = step.source, step.target, None
    if isinstance(step, CellStep):
        bits = max(source.total_bits, target.total_bits)
    elif isinstance(step, (WindowStep, ResidualStep)):
        slack, chosen = slack_of(step, source, target, order)
        bits = source.total_bits + max(slack, 0)
    else:
        bits = source.total_bits + target.total_bits
    return Working(bits + step.scratch, chosen)


def slack_of(step: WindowStep | ResidualStep, source: FeatureMap, target: FeatureMap, order: str) -> tuple[int, str]:
    """Bits beyond the source, and the order that gives them."""
    if isinstance(step, WindowStep):
        return window_slacks(*axes(step), target.pixel_bits, source.pixel_bits, step.cell_by_cell).pick(order)
    rows, columns, channels = source.shape
    return residual_slack(rows, columns, channels * step.inner_bits, target.pixel_bits, source.pixel_bits, order)
