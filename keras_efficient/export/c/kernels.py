"""The C functions that layers call: files in the folder `kernels`, of which a program gets what it uses."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "kernels"
# Later ones call earlier ones.
FILES = (
    "cells.c",
    "places.c",
    "weights.c",
    "basis.c",
    "sums.c",
    "moves.c",
    "changes.c",
    "pooling.c",
    "words.c",
    "products.c",
)
_DEFINED = re.compile(
    r"^(?:static|NETWORK_INLINE) (?:const )?\w+ \*?(network_\w+)\(|^ *# *define (NETWORK_\w+)|^\} (network_\w+);"
    r"|^typedef .*\(\*(network_\w+)\)",
    re.MULTILINE,
)
_NAME = re.compile(r"\b(?:network|NETWORK)_\w+")


class Kernel(NamedTuple):
    """A function, type or macro with its comment: its lines, what they define and what they name."""

    lines: list[str]
    defines: frozenset[str]
    names: frozenset[str]


@cache
def kernels() -> tuple[Kernel, ...]:
    """All of them: empty lines stand between them, and nowhere else."""
    texts = [block for file in FILES for block in (FOLDER / file).read_text(encoding="utf-8").split("\n\n")]
    return tuple(
        Kernel(text.strip().splitlines(), names, frozenset(_NAME.findall(text)))
        for text in texts
        if (names := frozenset(name for found in _DEFINED.findall(text) for name in found if name))
    )


def used_kernels(text: str) -> list[list[str]]:
    """The kernels that a C text names, with those that they name themselves, each after what it calls."""
    names = set(_NAME.findall(text))
    used: list[list[str]] = []
    for kernel in reversed(kernels()):
        if kernel.defines & names:
            used.insert(0, kernel.lines)
            names |= kernel.names
    return used
