"""The C functions that layers call: files in the folder `kernels`, of which a program gets what it uses.

Their arguments are constants, and a compiler leaves out what those exclude. So that people need not read it either, the
cases that no table of a program is in are left out here.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Set
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "kernels"
# Later ones call earlier ones.
FILES = (
    "cells.c",
    "places.c",
    "basis.c",
    "weights.c",
    "sums.c",
    "moves.c",
    "changes.c",
    "windows.c",
    "pooling.c",
    "push.c",
    "filters.c",
    "words.c",
    "products.c",
    "word_windows.c",
)
# Written for sums of 16 bits; a program gets one copy for each width that it uses.
GENERIC, SUM_BITS = "filters.c", (16, 32, 64)
# Values of `kernel->format`.
FORMATS = ("NETWORK_DENSE", "NETWORK_MADE", "NETWORK_MASKED", "NETWORK_GAPS")
_DEFINED = re.compile(
    r"^(?:static|NETWORK_INLINE) (?:const )?\w+ \*?(network_\w+)\(|^ *# *define (NETWORK_\w+)|^\} (network_\w+);"
    r"|^typedef .*\(\*(network_\w+)\)|^typedef \w+ (network_\w+);",
    re.MULTILINE,
)
_NAME = re.compile(r"\b(?:network|NETWORK)_\w+")
# A statement of one line that depends on a constant of a table.
_CASE = re.compile(r"^ +(?:else )?if \((.+?) (==|<|>|>=) (\w+)(?: && .*)?\)\n.*;\n", re.MULTILINE)
_COMPARISONS = {"==": operator.eq, "<": operator.lt, ">": operator.gt, ">=": operator.ge}


class Kernel(NamedTuple):
    """A function, type or macro with its comment: its text, and what it defines."""

    text: str
    defines: frozenset[str]


@cache
def kernels() -> tuple[Kernel, ...]:
    """All of them: empty lines stand between them, and nowhere else."""
    texts = [(FOLDER / file).read_text(encoding="utf-8") for file in FILES]
    generic = FILES.index(GENERIC)
    texts[generic : generic + 1] = [_for_sums(texts[generic], bits) for bits in SUM_BITS]
    blocks = "\n\n".join(texts).split("\n\n")
    pairs = [(block.strip() + "\n", frozenset(_defined(block))) for block in blocks]
    return tuple(Kernel(text, names) for text, names in pairs if names)


def used_kernels(text: str, constants: Mapping[str, Set[int]] | None = None) -> list[list[str]]:
    """The kernels that a C text names, with those that they name themselves, each after what it calls.

    constants: All values that the tables of the text give to these expressions; cases of others are left out.
    """
    names = set(_NAME.findall(text))
    used: list[list[str]] = []
    for kernel in reversed(kernels()):
        if kernel.defines & names:
            special = _CASE.sub(partial(_case, constants or {}), kernel.text)
            used.insert(0, special.splitlines())
            names.update(_NAME.findall(special))
    return used


def _defined(text: str) -> list[str]:
    return [name for found in _DEFINED.findall(text) for name in found if name]


def _for_sums(text: str, bits: int) -> str:
    """The generic kernels for sums of so many bits."""
    names = "|".join(_defined(text))
    return re.sub(rf"\b({names})\b", rf"\1_of_{bits}", text).replace(
        "typedef int n", f"typedef {'int' if bits == 16 else f'int{bits}_t'} n"
    )


def _case(constants: Mapping[str, Set[int]], found: re.Match) -> str:
    """A case that some table is in, or nothing."""
    what, comparison, number = found.groups()
    what = what.removeprefix("layer->")
    if what not in constants:
        return found[0]
    limit = FORMATS.index(number) if number in FORMATS else int(number)
    return found[0] if any(_COMPARISONS[comparison](value, limit) for value in constants[what]) else ""
