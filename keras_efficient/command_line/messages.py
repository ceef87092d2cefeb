"""What a command says on standard error."""

import re
import sys
from collections.abc import Callable, Mapping
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


def with_options(text: str, options: Mapping[str, str]) -> str:
    """What the package says of arguments, said of the options that gave them: `max_bytes` is `--max-bytes`."""
    if not options:  # no command, or one without any
        return text
    if "--samples" in options.values():
        text = text.replace("keras_efficient.calibrate(model, x=samples)", "`--samples FILE.npy`")
    names = "|".join(map(re.escape, sorted(options, key=len, reverse=True)))
    text = re.sub(rf"^({names}) must", r"`\1` must", text)
    places = rf"(?<=`)({names})(?=[`=])|(?<=Received: )({names})(?==)"
    return re.sub(places, lambda found: options[found[0]], text)


def show_warning(
    show: Callable[..., None], word: Callable[[str], str], message: Any, category: type[Warning], *place: Any
) -> None:
    """What the package warns of is for the user: one line, without the line of code."""
    if issubclass(category, UserWarning):
        say(f"warning: {word(str(message))}")
    else:
        show(message, category, *place)
