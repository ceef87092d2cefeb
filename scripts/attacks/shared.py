"""What all attacks of attack.py share: one attack, and the command line as it is run by them."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS = 30
# Times as long until a process counts as one that does not end: beside other work.
PATIENCE = float(os.environ.get("ATTACK_PATIENCE", "1"))


class NotHeldError(Exception):
    """The package did not stand the attack; the text says what was seen."""


@dataclass(frozen=True)
class Attack:
    """One attack: `run` works in an empty folder of its own and raises `NotHeldError` unless the package held.

    `is_quick` says whether the quick run tries it, too.
    """

    name: str
    run: Callable[[Path], object]
    is_quick: bool = False


def check(held: object, seen: object) -> None:
    """Raise `NotHeldError` with what was seen, unless it held."""
    if not held:
        raise NotHeldError(str(seen)[-500:])


def command(
    arguments: Sequence[object], folder: Path, seconds: float = SECONDS, **environment: str
) -> subprocess.CompletedProcess:
    """The command `keras-efficient` in `folder`; it may take so many seconds."""
    return _python(["-m", "keras_efficient", *map(str, arguments)], folder, seconds, environment)


def program(text: str, folder: Path, seconds: float = SECONDS, **environment: str) -> subprocess.CompletedProcess:
    """A Python program in `folder`, in a process of its own; it may take so many seconds."""
    return _python(["-c", text], folder, seconds, environment)


def _python(words, folder, seconds, environment):
    settings = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    try:
        return subprocess.run(
            [sys.executable, *words],
            cwd=folder,
            env=settings,
            capture_output=True,
            text=True,
            timeout=seconds * PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise NotHeldError(f"not ended after {seconds * PATIENCE:g} s") from None


def check_refused(arguments: Sequence[object], folder: Path, seconds: float = SECONDS, **environment: str) -> str:
    """Raise `NotHeldError` unless the command ends with exit code 2 and one line, and changes no file of `folder`.

    Returns:
        The line.
    """
    before = contents(folder)
    done = command(arguments, folder, seconds, **environment)
    check(done.returncode == 2, f"exit code {done.returncode}: {done.stderr}")
    check("Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr)
    check(contents(folder) == before, "files were changed")
    return done.stderr.strip()


def contents(folder: Path) -> dict[str, bytes | None]:
    """The files of a folder by their names; what is no plain file has no content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in sorted(folder.rglob("*"))
    }
