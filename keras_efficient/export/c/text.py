"""Small pieces of C text."""

from __future__ import annotations

import re
from collections.abc import Iterable

INDENT = "    "
AXES = ("row", "column", "channel")  # of a map, by the names of their counters


def renamed(text: str, prefix: str) -> str:
    """A C text of this package for a network of another name than "network"."""
    if prefix == "network":
        return text
    text = re.sub(r"\bNETWORK_", f"{prefix.upper()}_", text)
    return re.sub(r"\bnetwork(?=_|\.[ch]\b)", prefix, text)


def braces(head: str, lines: Iterable[str]) -> list[str]:
    """`head { lines }`, indented."""
    return [f"{head} {{".strip(), *(INDENT + line if line else "" for line in lines), "}"]


def function(head: str, lines: Iterable[str]) -> list[str]:
    """A function, with its brace on a line of its own."""
    return [head, "{", *(INDENT + line if line else "" for line in lines), "}"]


def stored_type(limit: int) -> str:
    """The smallest unsigned type that holds `limit` itself, as variables and tables in memory have."""
    return "uint8_t" if limit <= 255 else "uint16_t" if limit <= 65535 else "uint32_t"


def count_type(limit: int) -> str:
    """The same for loop counters: as many bits as a register has, where that takes no instructions to stay within."""
    return {"uint8_t": "uint_fast8_t", "uint16_t": "uint_fast16_t"}.get(kind := stored_type(limit), kind)


def counting(name: str, limit: int, lines: Iterable[str]) -> list[str]:
    """A loop from 0 up to below `limit`, with its counter."""
    return [f"{count_type(limit)} {name};", *braces(f"for ({name} = 0; {name} < {limit}u; {name}++)", lines)]


def plus(text: str, number: int, suffix: str = "") -> str:
    """`text + number`, shorter where one of them is nothing; `suffix` is that of an unsigned number."""
    if number == 0:
        return text
    if text == "0":
        return str(number)
    return f"{text} {'+' if number > 0 else '-'} {abs(number)}{suffix}"


def plus_text(first: str, second: str) -> str:
    """`first + second`, shorter where the first is 0."""
    return second if first == "0" else f"{first} + {second}"


def times(text: str, number: int) -> str:
    return text if number == 1 else f"{number}u * {text}"


def _is_plain(text: str) -> bool:
    """Whether `text` needs no parentheses as a factor."""
    return text.replace("_", "").isalnum()


def wrapped(text: str) -> str:
    return text if _is_plain(text) or _is_wrapped(text) else f"({text})"


def as_index(text: str) -> str:
    """A place of the arena, or of the weights, as an argument: a sum or product has the type `int` or wider, a name or
    number its own."""
    return text if _is_plain(text) else f"(network_index){wrapped(text)}"


def _is_wrapped(text: str) -> bool:
    """Whether one pair of parentheses holds all of `text`."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return text[0] == "(" and place == len(text) - 1
    return False


def words(lines: Iterable[str]) -> set[str]:
    """The names in a C text."""
    return set(re.findall(r"\w+", " ".join(lines)))


def unused_lines(parameters: Iterable[str], lines: Iterable[str]) -> list[str]:
    """Statements for the parameters of a function that its lines do not read, of which compilers warn."""
    return [f"(void){name};" for name in parameters if name not in words(lines)]
