"""Compilers and simulators: where they are, how to install them, and running them with a time limit."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# What the Debian and Ubuntu packages are called.
HOST_INSTALL = "apt-get install gcc"
AVR_INSTALL = "apt-get install gcc-avr avr-libc simavr libsimavr-dev"
ARM_INSTALL = "apt-get install gcc-arm-none-eabi qemu-system-arm"

# The C programs around a network (one `main` per target) are files of the package.
C_FOLDER = Path(__file__).parents[1] / "c"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")
COMPILE_SECONDS = 120
_SHOWN_START, _SHOWN_END = 3000, 1000  # characters of a tool's output in an error


class ToolMissingError(RuntimeError):
    """A compiler or simulator is not installed."""


class ToolFailedError(RuntimeError):
    """A compiler, simulator or compiled program reported an error or took too long."""


def find_tool(*names: str, install: str) -> str:
    """The path of the first of these programs that is installed.

    Raises `ToolMissingError` with the line that installs it.
    """
    for name in names:
        if path := shutil.which(name):
            return path
    raise ToolMissingError(f"{' or '.join(names)} not found. Install: {install}")


def run_tool(
    command: Sequence[str | Path], *, purpose: str, stdin: bytes = b"", seconds: float = COMPILE_SECONDS, **options: Any
) -> bytes:
    """Run a command and return what it wrote to standard output.

    `purpose` completes "... failed" in the error ("Compiling for AVR"); `seconds` is the time limit;
    `options` go to `subprocess.run`. Raises `ToolFailedError` with the command's own messages.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command], input=stdin, capture_output=True, timeout=seconds, **options
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailedError(f"{purpose} took more than {seconds:g} s.\n{_shown(error.stderr)}") from None
    if done.returncode != 0:
        raise ToolFailedError(f"{purpose} failed (exit status {done.returncode}).\n{_shown(done.stderr)}")
    return done.stdout


def compile_here(*arguments: str | Path, program: Path, purpose: str = "", stdin: bytes = b"") -> Path:
    """Compile a program, or with these arguments a library, for this computer; purpose: "Compiling ..." its source."""
    compiler = find_tool("gcc", "clang", "cc", install=HOST_INSTALL)
    run_tool([compiler, *arguments, "-o", program], purpose=purpose, stdin=stdin)
    return program


def _shown(output: bytes | None) -> str:
    """The start and the end of a tool's messages, as text."""
    text = (output or b"").decode(errors="replace").strip()
    if len(text) <= _SHOWN_START + _SHOWN_END:
        return text
    return f"{text[:_SHOWN_START]}\n...\n{text[-_SHOWN_END:]}"
