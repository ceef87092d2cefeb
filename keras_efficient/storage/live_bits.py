"""Bits that are alive at the worst moment of a step, wherever they lie."""

from __future__ import annotations

from typing import NamedTuple

from keras_efficient.kinds.steps import CellStep, MoveStep, ResidualStep, Step, WindowStep
from keras_efficient.storage.liveness import window_slacks
from keras_efficient.storage.moves import move_need
from keras_efficient.storage.prefix import axes
from keras_efficient.storage.residual_slack import residual_slack


class Working(NamedTuple):
    """Bits of input and output that are alive at once at the worst moment, and the order of the
    output pixels if it matters."""

    bits: int
    order: str | None = None


def live_bits(step: Step, order: str = "best") -> Working:
    """Exact liveness of a step whose output pixels are made in one of `liveness.ORDERS`."""
    working = live_maps(step, order)
    return working._replace(bits=working.bits + step.scratch)


def live_maps(step: Step, order: str) -> Working:
    """The same without what the step works in beside its maps."""
    source, target = step.source, step.target
    if isinstance(step, WindowStep):
        slacks = window_slacks(*axes(step), target.pixel_bits, source.pixel_bits, step.cell_by_cell)
        slack, chosen = slacks.pick(order)
        return Working(source.total_bits + max(slack, 0), chosen if target.shape[:2] != (1, 1) else None)
    if isinstance(step, ResidualStep):
        rows, columns, channels = source.shape
        inner = channels * step.inner_bits
        slack, chosen = residual_slack(rows, columns, inner, target.pixel_bits, source.pixel_bits, order)
        return Working(source.total_bits + max(slack, 0), chosen)
    if isinstance(step, CellStep):  # cells replace cells: where they widen, from the end of the map
        return Working(max(source.total_bits, target.total_bits))
    if isinstance(step, MoveStep):
        need = move_need(step)
        return Working(max(source.total_bits, target.total_bits, need.offset + need.kept * source.bits))
    return Working(source.total_bits + target.total_bits)
