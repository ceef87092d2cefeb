"""`plan_arena`: where every map of a network lies in one arena."""

from collections.abc import Sequence
from dataclasses import dataclass

from keras_efficient.kinds.measures import FeatureMap, whole_bytes
from keras_efficient.kinds.steps import ResidualStep, Step
from keras_efficient.storage.planner.arrival import arrival_bits, filled_up
from keras_efficient.storage.planner.layouts import Layout
from keras_efficient.storage.planner.occupancy import Need, align, grid, step_need
from keras_efficient.storage.planner.search import Orders, choose_orders, step_bits


@dataclass(frozen=True)
class PlacedStep:
    """A step with the places of what it needs. Offsets are in bits from the start of the arena.

    When it starts, its source lies at `arrives_at` in `source_layout`. First, if `relayout` is given,
    the source's pixels are permuted in place to that layout (`source_layout` is then the one before).
    Then the first `kept_pixels` of the source are moved up to `source_offset`: what lies after them
    is never read, and need not fit into the arena. The target is written from bit 0 on, in the order
    of `target_layout`.
    """

    step: Step
    source_layout: Layout
    target_layout: Layout
    arrives_at: int
    source_offset: int
    kept_pixels: int
    need: Need  # what the step asks of the arena by itself
    relayout: Layout | None = None
    inner_offset: int | None = None  # of a residual step: the ring of inner pixels
    inner_pixels: int = 0  # how many pixels the ring holds
    target_offset: int = 0  # in a network with branches

    @property
    def need_bits(self) -> int:
        """The smallest arena in which this step alone could run."""
        return self.need.bits(self.step)


@dataclass(frozen=True)
class ArenaPlan:
    """`first_offset`: where the first stored map is filled, in `first_layout`; `lines_offset`: where
    the running sums of a pooled input lie while it arrives. `final_relayout`: the last map must be
    permuted to row order at the end.

    Everything lies within `arena_bytes`; `arena_bits` is what is needed if no place is rounded up to
    whole bytes.
    """

    arena_bits: int
    first_layout: Layout
    first_offset: int
    lines_offset: int
    steps: tuple[PlacedStep, ...]
    final_relayout: bool = False

    @property
    def arena_bytes(self) -> int:
        return whole_bytes(self.arena_bits)


def plan_arena(first: FeatureMap, steps: Sequence[Step], line_bits: int = 0) -> ArenaPlan:
    """The smallest arena found for a chain of steps, and the place of everything in it: as large as the largest of
    what the steps and the arrival of the first map need.

    Args:
        first: the map that is filled from outside, pixel by pixel.
        steps: what follows; each reads the map that the one before made. The last map is read by
            users: from bit 0 on, by rows.
        line_bits: running sums of a pooled input, whole bytes. While the first map is filled they lie before it
            or after it.
    """
    for number, (step, before) in enumerate(zip(steps, [first, *(step.target for step in steps)], strict=False)):
        if step.source != before:
            raise ValueError(f"step {number} reads {step.source}, but the map before it is {before}")
    arena = max(arrival_bits(first, line_bits), *map(step_bits, steps), 0)
    if not steps:
        return ArenaPlan(arena, Layout.by_rows(*grid(first)), 0, filled_up(first.total_bits) if line_bits else 0, ())
    orders = choose_orders(first, steps, arena)
    needs = [step_need(*each) for each in zip(steps, orders.used, orders.made[1:], strict=True)]
    offsets = [_low_offset(need, step, arena) for need, step in zip(needs, steps, strict=True)]
    first_offset, lines_offset, offsets[0] = _place_first(steps[0], needs[0], arena, line_bits)
    return ArenaPlan(
        arena_bits=arena,
        first_layout=orders.used[0],
        first_offset=first_offset,
        lines_offset=lines_offset,
        steps=tuple(_placed_steps(steps, orders, needs, [first_offset, *[0] * (len(steps) - 1)], offsets)),
        final_relayout=orders.made[-1].pattern != "row",
    )


def _low_offset(need: Need, step: Step, arena: int, lowest: int = 0) -> int:
    """The lowest place for a step's source; on a whole byte if the arena's bytes allow it, as moving
    whole bytes is fast."""
    offset = align(max(need.offset, lowest), step.source.bits)
    on_byte = filled_up(offset)
    return on_byte if need.bits(step, on_byte) <= filled_up(arena) else offset


def _place_first(step: Step, need: Need, arena: int, line_bits: int) -> tuple[int, int, int]:
    """(offset of the first map while it is filled, offset of the lines, offset of the map when it is used): filled
    where it is used, with the lines before or after it, where the arena is large enough; else it is moved up."""
    size, total = filled_up(arena), step.source.total_bits
    above = _low_offset(need, step, arena, line_bits)
    if max(need.bits(step, above), above + total) <= size:
        return above, 0, above
    low = _low_offset(need, step, arena)
    if arrival_bits(step.source, line_bits, low) <= size:
        return low, filled_up(low + total), low
    return 0, filled_up(total), low


def _placed_steps(
    steps: Sequence[Step], orders: Orders, needs: Sequence[Need], arrivals: Sequence[int], offsets: Sequence[int]
) -> list[PlacedStep]:
    placed = []
    for number, (step, need, arrives_at, offset) in enumerate(zip(steps, needs, arrivals, offsets, strict=True)):
        made, used = orders.made[number], orders.used[number]
        end = offset + need.kept * step.source.pixel_bits
        placed.append(
            PlacedStep(
                step=step,
                source_layout=used if number == 0 else made,
                target_layout=orders.made[number + 1],
                arrives_at=arrives_at,
                source_offset=offset,
                kept_pixels=need.kept,
                need=need,
                relayout=None if number == 0 or made == used else used,
                inner_offset=align(end, step.inner_bits) if isinstance(step, ResidualStep) else None,
                inner_pixels=need.ring_pixels,
            )
        )
    return placed
