"""Bits to compare a plan with: what the storage report predicts, and what another scheme needs."""

from __future__ import annotations

from collections.abc import Sequence

from keras_efficient.export.planner.layouts import Layout
from keras_efficient.export.planner.occupancy import align, axes, grid, step_need
from keras_efficient.export.planner.steps import ResidualStep, Step, WholeStep, WindowStep
from keras_efficient.storage.liveness import window_slacks
from keras_efficient.storage.prices import FeatureMap
from keras_efficient.storage.residual_slack import residual_slack


def predicted_bits(first: FeatureMap, steps: Sequence[Step]) -> int:
    """Bits alive at the worst moment, each layer in the best of its four orders, as the storage
    report counts them: no map has to lie in one piece, and cells may straddle bytes."""
    return max([first.total_bits, *(step.source.total_bits + slack_of(step) for step in steps)])


def slack_of(step: Step) -> int:
    """Bits that a step needs beyond its source, at least 0."""
    if isinstance(step, WholeStep):
        return step.target.total_bits
    if isinstance(step, WindowStep):
        slacks = window_slacks(*axes(step), step.target.pixel_bits, step.source.pixel_bits, step.cell_by_cell)
        return max(slacks.pick("best")[0], 0)
    if isinstance(step, ResidualStep):
        rows, columns, channels = step.source.shape
        inner = channels * step.inner_bits
        return max(residual_slack(rows, columns, inner, step.target.pixel_bits, step.source.pixel_bits, "best")[0], 0)
    return max(step.target.total_bits - step.source.total_bits, 0)


def aligned_prediction(step: Step) -> int:
    """The prediction for a step whose source starts where its cells fit into bytes."""
    return step.source.total_bits + align(slack_of(step), step.source.bits)


def ping_pong_bits(first: FeatureMap, steps: Sequence[Step]) -> int:
    """Arena of the published alternative: row order, and nothing is ever moved. Odd steps run
    forward, from the top of the arena to its bottom; even steps backward, from the bottom to the top.
    (As published, it holds the sums of one pixel outside of the arena and needs a pixel less in it.)

    `plan_arena` never needs more. Row order for all maps is one of its choices, with the same need
    for every step forward. A step backward is the step turned by half a turn. That changes nothing
    but the zeros before the map, where the larger half now comes first, so pixels die later; and the
    rows and columns at the far end that no window reads, which are now free from the start. Forward
    they are the end of the source, and `PlacedStep.kept_pixels` leaves them out.
    """
    bits = [first.total_bits]
    for number, step in enumerate(steps):
        source, target = (Layout.by_rows(*grid(each)) for each in (step.source, step.target))
        need = step_need(step, source, target, from_the_end=number % 2 == 1)
        bits.append(need._replace(kept=source.rows * source.columns).bits(step))
    return max(bits)
