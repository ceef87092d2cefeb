"""`Rounding`: the steps from a layer's sums to its output integers, as `plan_rounding` finds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from keras_efficient.export.integer.codes import Codes

Integers = TypeVar("Integers", int, np.ndarray)


@dataclass(frozen=True)
class Term:
    """Integers k, -bound <= k <= bound, that stand for k x 2^exponent."""

    bound: int
    exponent: int


class RoundingStep(NamedTuple):
    """Something done to a register; register i starts with the integers of term i.

    clamp: to -amount ... amount.  lower: times 2^amount.  raise: over 2^amount, rounded to odd.
    add: register `amount` is added.
    """

    action: str
    register: int
    amount: int


class Finish(NamedTuple):
    """From the sum t to r:  t = min(max(t, lowest), highest);  r = round((t + offset) / 2^shift) + base.

    Where `lowest` or `highest` is None there is nothing to clip. t + offset >= 0 wherever shift > 0, so
    no negative number is shifted; offset = -base 2^shift, with `base` even for half to even.
    """

    lowest: int | None
    highest: int | None
    offset: int
    shift: int
    base: int
    nearest: bool  # half to even; otherwise down
    peak: int  # the largest number on the way

    @property
    def added(self) -> int:
        """What is added before the shift, besides the last bit that stays (1 if odd): half - 1."""
        return 2 ** (self.shift - 1) - 1 if self.nearest and self.shift else 0


@dataclass(frozen=True)
class Rounding:
    """The plan: all its numbers are magnitudes below 2^(bits-1), in `finish` maybe unsigned ones of `bits`."""

    terms: tuple[Term, ...]
    output: Codes
    bits: int
    steps: tuple[RoundingStep, ...]
    register: int  # the one that holds the sum after all steps
    finish: Finish

    @property
    def sum_bound(self) -> int:
        bounds = [term.bound for term in self.terms]
        for action, register, amount in self.steps:
            bound = bounds[register]
            bounds[register] = {
                "clamp": min(bound, amount),
                "lower": bound << amount,
                "raise": round_to_odd(bound, amount),
                "add": bound + bounds[amount if action == "add" else register],
            }[action]
        return bounds[self.register]

    def apply(self, *integers: np.ndarray) -> np.ndarray:
        """Output integers (int64), for the integers of each term."""
        registers = [np.asarray(k, dtype=np.int64) for k in integers]
        if len(registers) != len(self.terms):
            raise ValueError(f"expected {len(self.terms)} arrays, one per term. Received: {len(registers)}")
        for step in self.steps:
            registers[step.register] = take_step(step, registers)
        finish, grid = self.finish, self.output.step
        t = np.clip(registers[self.register], finish.lowest, finish.highest) + finish.offset
        t = t + finish.added + ((t >> finish.shift) & (finish.nearest and finish.shift > 0))
        rounded = grid * ((t >> finish.shift) + finish.base) + grid - 1
        # A term that cannot matter does not take part; its shape does.
        return np.broadcast_to(rounded, np.broadcast_shapes(*(np.shape(k) for k in integers)))


def take_step(step: RoundingStep, registers: Sequence[np.ndarray]) -> np.ndarray:
    value, amount = registers[step.register], step.amount
    if step.action == "clamp":
        return np.clip(value, -amount, amount)
    if step.action == "lower":
        return value * 2**amount
    return value + registers[amount] if step.action == "add" else round_to_odd(value, amount)


def round_to_odd(value: Integers, places: int) -> Integers:
    """value / 2^places if that is an integer, otherwise the odd one of its two neighbours."""
    return (value >> places) | ((value & (2**places - 1)) != 0)
