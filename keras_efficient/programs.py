"""Programs of others, run so that neither their silence nor their talk holds this process up."""

import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from typing import Any

_LONGEST = 1 << 20  # bytes of output that are read


class ProgramError(RuntimeError):
    """A program did not end in its time, or said too much."""


def run_program(command: list[str], seconds: float) -> tuple[int, str, str]:
    """Exit status of a program, and what it wrote to standard output and standard error.

    It reads nothing. After so many seconds, and at any exception here (Ctrl-C), it is ended with all that it started.
    An OSError if it is no program, a ProgramError if it takes longer, or writes more than a megabyte.
    """
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, **pipes, start_new_session=True)
    try:
        deadline = time.monotonic() + seconds
        said = _read(process, deadline)
        status = process.wait(max(1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise ProgramError(f"{command[0]} took more than {seconds:g} s") from None
    finally:
        end_program(process)
    return status, *(text.decode(errors="replace") for text in said)


def end_program(process: subprocess.Popen) -> None:
    """End a program that has a session of its own, with all that it started, and close its pipes."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
        with suppress(OSError):  # the end of a pipe that is closed already
            pipe.close()


def _read(process, deadline):
    """Both outputs, until the program has closed them."""
    said = {process.stdout: b"", process.stderr: b""}
    with selectors.DefaultSelector() as selector:
        for pipe in said:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0, deadline - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(process.args, deadline)
            for key, _ in ready:
                part = os.read(key.fd, 1 << 16)
                said[key.fileobj] += part
                if not part:
                    selector.unregister(key.fileobj)
            if sum(map(len, said.values())) > _LONGEST:
                raise ProgramError(f"{process.args[0]} writes without end")
    return tuple(said.values())
