"""`rounding_lines`: a rounding plan as C99, on machines whose `int` has 16 bits as well as 32.

No negative number is shifted, no signed sum leaves its type, and narrowing casts lose nothing (or, from
unsigned to signed, wrap, as every compiler does that has intN_t). Where the plan has 16 bits, `int` is
wide enough for all its products and sums.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from keras_efficient.export.c.cells import index_type
from keras_efficient.export.c.text import braces
from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.rounding_steps import Rounding, RoundingStep

PRIMARY = re.compile(r"\w+(\[\w+\]|\(\w*\))?")


class Text(NamedTuple):
    """An expression, and whether it is a sum, a product or (plain) neither."""

    text: str
    kind: str = "plain"


def rounding_lines(
    rounding: Rounding, term_expressions: Sequence[str], result: str, as_index: bool = True, by_words: bool = False
) -> list[str]:
    """C statements, a block of their own, that store what `rounding` makes of its terms.

    Args:
        term_expressions: one for each term, without side effects, of integer types of at most
            `rounding.bits` bits; each is read once at most.
        result: what is assigned to.
        as_index: whether it gets the index that memory holds, (integer - low) / step, or the integer.
        by_words: whether the code is for cores that round and limit in one instruction, if the limits are the grid's.
    """
    at_once = by_words and as_index and rounding.bits <= 32 and _limits_are_the_grids(rounding)
    writer = Writer(rounding, term_expressions, result, at_once)
    for step in rounding.steps:
        writer.take_step(step)
    writer.finish(result, as_index)
    return braces("", writer.lines)


class Writer:
    """Lines so far, and for each register what holds it: an expression not yet evaluated, or a variable."""

    def __init__(self, rounding: Rounding, term_expressions: Sequence[str], result: str, at_once: bool = False):
        self.rounding, self.at_once = rounding, at_once
        self.bits = 32 if at_once else rounding.bits
        self.type = f"int{self.bits}_t"
        self.lines: list[str] = []
        self.held = [self.term(expression) for expression in term_expressions]
        self.variables: dict[int, str] = {}
        taken = set(re.findall(r"\w+", " ".join((*term_expressions, result))))
        self.names = (name for name in map("t{}".format, ("", *range(1, 100))) if name not in taken)

    def term(self, expression: str) -> Text:
        text = expression if PRIMARY.fullmatch(expression) else f"({expression})"
        # `int` may be narrower than the plan: widen before the first product.
        return Text(text if self.bits == 16 else f"({self.type}){text}")

    def take_step(self, step: RoundingStep) -> None:
        register, amount, held = step.register, step.amount, self.held[step.register]
        if step.action == "lower":
            self.held[register] = Text(f"{_operand(held, 'product')} * {2**amount}", "product")
        elif step.action == "add":
            self.held[register] = Text(f"{held.text} + {self.held[amount].text}", "sum")
        elif step.action == "clamp":
            self.clip(self.variable(register), -amount, amount)
        else:
            self.held[register] = Text(_odd_text(self.variable(register), amount), "other")
            self.variable(register)

    def variable(self, register: int) -> str:
        """The variable that holds the register; assigned, if what it holds is not evaluated yet."""
        held, name = self.held[register], self.variables.get(register)
        if held.text != name:
            declared = "" if name else f"{self.type} "
            name = self.variables[register] = name or next(self.names)
            self.lines.append(f"{declared}{name} = {self.narrowed(held)};")
            self.held[register] = Text(name)
        return name

    def narrowed(self, value: Text) -> str:
        """16-bit arithmetic may have been done in a wider `int`."""
        return f"({self.type}){_operand(value)}" if self.bits == 16 else value.text

    def clip(self, name: str, lowest: int | None, highest: int | None) -> None:
        for sign, limit in (("<", lowest), (">", highest)):
            if limit is not None:
                self.lines.append(f"if ({name} {sign} {limit}) {name} = {limit};")

    def finish(self, result: str, as_index: bool) -> None:
        """Clip the sum, make it positive, shift it, count from where memory or the integers do."""
        finish, codes = self.rounding.finish, self.rounding.output
        name = self.variable(self.rounding.register)
        if self.at_once:
            number = plus(Text(name), finish.offset).text
            index = f"network_round_index({number}, {finish.shift}, {codes.bits})"
            self.lines.append(f"{result} = ({_cell_type(codes, as_index)}){index};")
            return
        self.clip(name, finish.lowest, finish.highest)
        needs_sign_bit = finish.peak >= 2 ** (self.rounding.bits - 1)
        if needs_sign_bit or (as_index and codes.bits >= self.rounding.bits):
            rounded = self.rounded(self.unsigned(name), "u")
        else:
            if finish.offset:
                self.lines.append(f"{name} = {self.narrowed(plus(Text(name), finish.offset))};")
            rounded = self.rounded(name)
        if as_index:
            rounded = plus(rounded, finish.base - codes.low // codes.step)
        elif codes.midrise:
            rounded = plus(Text(f"{_operand(rounded, 'product')} * 2", "product"), 2 * finish.base + 1)
        else:
            rounded = plus(rounded, finish.base)
        self.lines.append(f"{result} = ({_cell_type(codes, as_index)}){_operand(rounded)};")

    def unsigned(self, name: str) -> str:
        """A new variable with one more bit, for the sum plus the offset."""
        cell = f"(u{self.type}){name}"
        offset = self.rounding.finish.offset
        text = f"(u{self.type})({cell} + {offset}u)" if offset else cell
        new = next(self.names)
        self.lines.append(f"u{self.type} {new} = {text};")
        return new

    def rounded(self, name: str, suffix: str = "") -> Text:
        finish = self.rounding.finish
        if finish.shift == 0:
            return Text(name)
        total = Text(name)
        if finish.nearest:
            last_bit = f"(({name} >> {finish.shift}) & 1{suffix})"
            total = Text(f"{plus(total, finish.added, suffix).text} + {last_bit}", "sum")
        return Text(f"{_operand(total)} >> {finish.shift}", "other")


def _limits_are_the_grids(rounding: Rounding) -> bool:
    """Whether the sum may be rounded first and then limited to the indices, within 32 bits."""
    finish, codes = rounding.finish, rounding.output
    most = 2**codes.bits - 1 << finish.shift
    if finish.base != codes.low // codes.step or not (finish.nearest or finish.shift == 0):
        return False
    if finish.highest is not None and finish.highest + finish.offset != most:
        return False
    return rounding.sum_bound + finish.offset + (1 << finish.shift) < 2**31


def _odd_text(name: str, places: int) -> str:
    """`round_to_odd`: the shift to minus infinity, with the last bit set if anything was lost."""
    shifted = f"({name} < 0 ? ~(~{name} >> {places}) : {name} >> {places})"
    return f"{shifted} | (({name} & {2**places - 1}) != 0)"


def _operand(value: Text, of: str = "") -> str:
    """In parentheses where it needs them: not a name, nor a product in a product or a sum."""
    return value.text if value.kind in ("plain", of) else f"({value.text})"


def plus(value: Text, number: int, suffix: str = "") -> Text:
    if number == 0:
        return value
    return Text(f"{_operand(value, 'product')} {'+' if number > 0 else '-'} {abs(number)}{suffix}", "sum")


def _cell_type(codes: Codes, as_index: bool) -> str:
    """The smallest type for the indices, or for the integers."""
    if as_index:
        return index_type(codes.bits)
    return next(
        f"int{bits}_t" for bits in (8, 16, 32) if -(2 ** (bits - 1)) <= codes.low and codes.high < 2 ** (bits - 1)
    )
