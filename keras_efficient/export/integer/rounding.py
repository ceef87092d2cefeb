"""`plan_rounding`: how a layer's sum becomes its output integer, exactly, in the narrowest words.

    y = sum_i k_i 2^e_i,  |k_i| <= bound_i        (relu: y = max(y, 0))
    r = clip(round(y / 2^unit), low, high)        integer = r, or 2 r + 1 for mid-rise codes

The answer is that of infinite precision. In nearly every network the terms meet at the finest exponent
and the plan is  t = k_0 + k_1 2^d; clip; round.  Otherwise one of two steps comes before. Both keep the
answer for the exact sum of all registers, so any sequence of steps does:

* "raise" rounds a register to odd: t -> floor(t / 2^s), made odd if anything was lost. In the new unit
  all other registers and all thresholds of the answer (multiples of 2^threshold: of half a unit, or of
  a whole one where the rounding is down) must be even. t compares with every even number as before, and
  therefore so does the sum with every threshold.
* "clamp" limits a register to +-limit, where limit 2^e >= the bounds of all other registers + the range
  of the output. At the limit and beyond the answer is low or high, whatever the others hold. If limit is
  1, any nonzero value is beyond: it may also be lowered by fewer places than its exponent says, as long
  as one new unit is still that large.

Registers finer than a threshold are merged from the finest up, the others from the coarsest down, then
the two. In 64 bits this always fits for a few terms up to 2^46: a raised register is at most about the
bounds of its terms, in a unit at most two places finer than the next register or the output's own, and
a clamped one at most twice the bounds of the finer terms and the range of the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.rounding_steps import Finish, Rounding, RoundingStep, Term, round_to_odd

WIDTHS = (16, 32, 64)
LARGEST_CODES = 16  # bits
ROUNDINGS = ("nearest", "floor")


def plan_rounding(
    terms: Sequence[Term], output: Codes, relu: bool = False, rounding: str = "nearest", highest: int | None = None
) -> Rounding:
    """The plan in the fewest of 16, 32 and 64 bits.

    Args:
        terms: what is summed; a bound of 0 says that there is nothing.
        output: the grid; y below or beyond it saturates.
        relu: whether negative sums count as 0.
        rounding: "nearest" (half to even; mid-rise codes: floor + 1/2) or "floor".
        highest: the largest integer that may come out, where it is not the grid's (relu6).

    Raises:
        ValueError: for no terms, negative bounds, sums beyond 64 bits (never with up to 8 terms up to
            2^46), more than 16 output bits, an unknown rounding, or "floor" with mid-rise codes.
    """
    _check_request(terms, output, rounding)
    target = Target.of(output, relu, rounding, highest)
    for bits in WIDTHS:
        with suppress(OverflowError):
            planner = Planner(terms, target, bits)
            register = planner.merge()
            finish = planner.finish(register)
            return Rounding(tuple(terms), output, bits, tuple(planner.steps), register, finish)
    raise ValueError(f"`terms` are too many or too large for 64 bits. Received: terms={terms}")


def _check_request(terms: Sequence[Term], output: Codes, rounding: str) -> None:
    if not terms or min(term.bound for term in terms) < 0:
        raise ValueError(f"`terms` must be one or more, with bounds from 0. Received: terms={terms}")
    if output.bits > LARGEST_CODES:
        raise ValueError(f"`output` must have at most {LARGEST_CODES} bits. Received: output={output}")
    if rounding not in ROUNDINGS or (output.midrise and rounding == "floor"):
        raise ValueError(
            f"`rounding` must be one of {ROUNDINGS}, and 'nearest' for signed codes of one or two bits. "
            f"Received: rounding={rounding!r}, output={output}"
        )


class Target(NamedTuple):
    """What is asked of the sum: clip(round(y / 2^unit), low, high); relu is a matter of `low`."""

    unit: int
    low: int
    high: int
    nearest: bool

    @classmethod
    def of(cls, output: Codes, relu: bool, rounding: str, highest: int | None = None) -> Target:
        low, high = output.low // output.step, output.high // output.step
        high = high if highest is None else min(high, highest)
        nearest = rounding == "nearest" and not output.midrise
        return cls(output.exponent + output.midrise, max(low, 0) if relu else low, high, nearest)

    @property
    def threshold(self) -> int:
        """Sums between the same two multiples of 2^threshold have the same answer."""
        return self.unit - self.nearest

    @property
    def range(self) -> int:
        """In units; sums of at least this magnitude saturate."""
        return max(-self.low, self.high, 1)


class Planner:
    """Registers with their bounds and exponents, and the steps so far; OverflowError if `bits` are too few."""

    def __init__(self, terms: Sequence[Term], target: Target, bits: int):
        used = {i: term for i, term in enumerate(terms) if term.bound}
        self.registers = used or {0: Term(0, target.unit)}
        self.target = target
        self.bits = bits
        self.largest = 2 ** (bits - 1) - 1
        self.steps: list[RoundingStep] = []
        if max(term.bound for term in self.registers.values()) > self.largest:
            raise OverflowError

    def do(self, action: str, register: int, amount: int, result: Term) -> None:
        self.registers[register] = result
        if amount or action == "add":
            self.steps.append(RoundingStep(action, register, amount))

    def merge(self) -> int:
        """Add all registers up; the number of the one that holds the sum."""
        order = sorted(self.registers, key=lambda i: self.registers[i].exponent)
        while len(order) > 1:
            # Two coarse ones may cancel down to what is finer: that must be known before they meet it.
            from_below = len(order) == 2 or self.registers[order[1]].exponent < self.target.threshold
            self.add(*(order[:2] if from_below else order[-2:]))
            order.pop(1 if from_below else -1)
        return order[0]

    def add(self, fine: int, coarse: int) -> None:
        """Bring both to one exponent, with as little done to them as fits, and add."""
        if not self.lower(coarse, self.registers[fine].exponent, self.registers[fine].bound):
            self.raise_to(fine, min(self.registers[coarse].exponent, self.target.threshold) - 1)
            if not self.lower(coarse, self.registers[fine].exponent, self.registers[fine].bound):
                raise OverflowError
        term = self.registers[fine]
        self.do("add", fine, coarse, Term(term.bound + self.registers.pop(coarse).bound, term.exponent))

    def lower(self, register: int, exponent: int, taken: int = 0) -> bool:
        """Whether `register` can go down to `exponent` and have `taken` added; if so, it does."""
        term = self.registers[register]
        limit, start = self.reach(register)
        for bound, places in (
            (term.bound, term.exponent - exponent),
            (min(term.bound, limit), min(term.exponent, max(exponent, start)) - exponent),
        ):
            if (bound << places) + taken <= self.largest:
                if bound < term.bound:
                    self.do("clamp", register, bound, Term(bound, term.exponent))
                self.do("lower", register, places, Term(bound << places, exponent))
                return True
        return False

    def reach(self, register: int) -> tuple[int, int]:
        """(limit, exponent): from `limit` on the register saturates, and in that exponent from 1 on."""
        others = [term for i, term in self.registers.items() if i != register]
        others.append(Term(self.target.range, self.target.unit))
        base = min(term.exponent for term in (self.registers[register], *others))
        total = sum(term.bound << (term.exponent - base) for term in others)
        return -(-total >> (self.registers[register].exponent - base)), base + (total - 1).bit_length()

    def raise_to(self, register: int, exponent: int) -> None:
        """Round to odd, unless the register is as coarse as that. Shifting out all bits leaves the sign."""
        term = self.registers[register]
        if exponent > term.exponent:
            places = min(exponent - term.exponent, term.bound.bit_length())
            self.do("raise", register, places, Term(int(round_to_odd(term.bound, places)), exponent))

    def finish(self, register: int) -> Finish:
        """Bring the sum to the output's unit, or so near that rounding fits."""
        unit, threshold = self.target.unit, self.target.threshold
        if self.registers[register].exponent >= unit and not self.lower(register, unit):
            raise OverflowError
        for exponent in (self.registers[register].exponent, threshold - 1):
            self.raise_to(register, exponent)
            ways = self.finishes(self.registers[register])
            for largest in (self.largest, self.largest_unsigned):
                for finish in ways:
                    if finish.peak <= largest:
                        return finish
        raise OverflowError

    @property
    def largest_unsigned(self) -> int:
        """numpy has no 64 unsigned bits beside signed ones, and they are never needed."""
        return self.largest if self.bits == max(WIDTHS) else 2**self.bits - 1

    def finishes(self, total: Term) -> list[Finish]:
        """Two ways to make a sum positive: r counts from `low`, as in memory, or from the lowest sum."""
        low, high, nearest = self.target.low, self.target.high, self.target.nearest
        shift = self.target.unit - total.exponent
        if shift >= self.bits:
            return []
        lowest, highest = low << shift, high << shift
        reached = -(-total.bound >> shift)
        bases = (low, max(low, -(reached + reached % 2))) if shift and low < 0 else (0,)
        half = 2 ** (shift - 1) if nearest and shift else 0
        return [
            Finish(
                lowest=lowest if -total.bound < lowest else None,
                highest=highest if total.bound > highest else None,
                offset=-base << shift,
                shift=shift,
                base=base,
                nearest=nearest,
                peak=min(total.bound, highest) + (-base << shift) + half,
            )
            for base in bases
        ]
