"""What a command says on standard error."""

import sys
from collections.abc import Callable
from textwrap import shorten
from typing import Any, NoReturn


def fail(message: str, code: int) -> NoReturn:
    """Say why in one line, and end."""
    say(message)
    sys.exit(code)


def say(message: str) -> None:
    """One line that tells whose it is."""
    # It quotes what was received, whatever a file holds.
    print(f"keras-efficient: {shorten(message, 5_000, placeholder=' ...')}", file=sys.stderr)  # noqa: T201


def show_warning(show: Callable[..., None], message: Any, category: type[Warning], *place: Any) -> None:
    """What the package warns of is for the user: one line, without the line of code."""
    if issubclass(category, UserWarning):
        say(f"warning: {message}")
    else:
        show(message, category, *place)
