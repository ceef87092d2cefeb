"""Small pieces of C text."""

from __future__ import annotations

from collections.abc import Iterable

INDENT = "    "
AXES = ("row", "column", "channel")  # of a map, by the names of their counters


def braces(head: str, lines: Iterable[str]) -> list[str]:
    """`head { lines }`, indented."""
    return [f"{head} {{".strip(), *(INDENT + line if line else "" for line in lines), "}"]


def function(head: str, lines: Iterable[str]) -> list[str]:
    """A function, with its brace on a line of its own."""
    return [head, "{", *(INDENT + line if line else "" for line in lines), "}"]


def count_type(limit: int) -> str:
    """The smallest unsigned type that holds `limit` itself, as a loop counter must."""
    return "uint8_t" if limit <= 255 else "uint16_t" if limit <= 65535 else "uint32_t"


def counting(name: str, limit: int, lines: Iterable[str], first: int = 0, step: int = 1) -> list[str]:
    """A loop from `first` up to below `limit`, with its counter."""
    advance = f"{name}++" if step == 1 else f"{name} += {step}"
    return [
        f"{count_type(limit + step - 1)} {name};",
        *braces(f"for ({name} = {first}; {name} < {limit}; {advance})", lines),
    ]


def plus(text: str, number: int) -> str:
    """`text + number`, shorter where one of them is nothing."""
    if number == 0:
        return text
    return str(number) if text == "0" else f"{text} + {number}" if number > 0 else f"{text} - {-number}"


def plus_text(first: str, second: str) -> str:
    """`first + second`, shorter where the first is 0."""
    return second if first == "0" else f"{first} + {second}"


def times(text: str, number: int) -> str:
    return text if number == 1 else f"{number}u * {text}"


def is_plain(text: str) -> bool:
    """Whether `text` needs no parentheses as a factor."""
    return text.replace("_", "").isalnum()


def wrapped(text: str) -> str:
    return text if is_plain(text) else f"({text})"
