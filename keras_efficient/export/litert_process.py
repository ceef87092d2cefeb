"""LiteRT's converter in a process of its own: where it ends that process, there is an error, and this one goes on."""

from __future__ import annotations

import atexit
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from keras_efficient.export import litert_child
from keras_efficient.programs import end_program

_SECONDS = 1800  # for one model; measuring the ranges on many samples may take minutes
_END_SECONDS = 10
_LONGEST = 1 << 20  # bytes of an answer
_SCRIPT = litert_child.__file__
_lock = threading.Lock()
_kept: list[_Converter] = []  # the process waits for the next model: to import TensorFlow takes it seconds


class ConverterError(ValueError):
    """The converter refused a model, or ended its process; the message says which model, and what happened."""


def start_converter() -> None:
    """Start the process, if none waits: it imports TensorFlow while the model is written."""
    with _lock:
        _ready()


def convert_saved_model(folder: Path, name: str) -> bytes:
    """The .tflite file of the SavedModel in a folder, where samples.npy may hold inputs for int8.

    At any exception here (Ctrl-C) the process is ended, too.

    Raises:
        ConverterError: If there is none; it names the model.
    """
    with _lock:
        try:
            error = _ask(folder)
        except _EndedError as end:
            error = str(end)
    if error is not None:
        raise ConverterError(f"LiteRT's converter cannot write the model {name!r}: {error}")
    return (folder / "model.tflite").read_bytes()


def _ask(folder, again=True):
    try:
        return _ready().ask(folder)
    except BaseException as error:
        end_converter()
        if again and isinstance(error, _WaitedTooLongError):
            return _ask(folder, again=False)
        raise


def _ready():
    if _kept and _kept[0].process.poll() is not None:
        end_converter()
    if not _kept:
        _kept.append(_Converter())
    return _kept[0]


def end_converter() -> int | None:
    """End the process, if there is one; its exit status."""
    if not _kept:
        return None
    converter = _kept.pop()
    with converter.words:
        end_program(converter.process)
    return converter.process.returncode


atexit.register(end_converter)


def _forget():
    """In a fork of this process: the converter is the other one's."""
    global _lock
    _lock = threading.Lock()
    _kept.clear()


os.register_at_fork(after_in_child=_forget)


class _EndedError(Exception):
    pass


class _WaitedTooLongError(_EndedError):
    """The process ended itself, as nobody asked it for long; this request came at that moment."""


class _Converter:
    """One process, and what it says."""

    def __init__(self):
        self.words = tempfile.TemporaryFile()  # noqa: SIM115  (closed by end_converter)
        # The same packages as here, wherever they were found. The memory of the GPU is this process's.
        surroundings = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "-1",
        }
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.words}
        command = [sys.executable, "-P", _SCRIPT]
        self.process = subprocess.Popen(command, **pipes, env=surroundings, start_new_session=True)
        assert self.process.stdin is not None and self.process.stdout is not None
        self.requests, self.answers = self.process.stdin, self.process.stdout

    def ask(self, folder: Path) -> str | None:
        """Have a folder converted; None, or the error of the converter."""
        os.ftruncate(self.words.fileno(), 0)
        os.lseek(self.words.fileno(), 0, os.SEEK_SET)  # one place in the file for both processes
        with suppress(BrokenPipeError):  # it has ended, as its missing answer will say
            self.requests.write(json.dumps(str(folder)).encode() + b"\n")
            self.requests.flush()
        line = self._line()
        try:
            answer = json.loads(line)
            if answer is None or isinstance(answer, str):
                return answer
        except ValueError:
            pass
        raise _EndedError(f"its process gave no answer but {line[:80]!r}")

    def _line(self):
        line, deadline = b"", time.monotonic() + _SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self.answers, selectors.EVENT_READ)
            while not line.endswith(b"\n") and len(line) < _LONGEST:
                if not selector.select(max(0, deadline - time.monotonic())):
                    raise _EndedError(f"it took more than {_SECONDS:g} s")
                part = os.read(self.answers.fileno(), 1 << 16)
                if not part:
                    raise self._end()
                line += part
        return line

    def _end(self):
        """How the process ended, and its last words."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_END_SECONDS)
        status = self.process.returncode
        if status is None:
            return _EndedError("it ended its answers, but not its process")
        how = f"exit code {status}" if status >= 0 else f"signal {_signal_name(-status)}"
        kind = _WaitedTooLongError if status == -signal.SIGALRM else _EndedError
        return kind(f"it ended its process ({': '.join(filter(None, (how, self._last_words())))})")

    def _last_words(self):
        """The line that tells most, where there is one, of what was written to standard error."""
        lines = os.pread(self.words.fileno(), _LONGEST, 0).decode(errors="replace").splitlines()
        lines = [" ".join(line.split()) for line in lines if line.strip()]
        telling = [line for line in lines if "error" in line.lower() or "check failed" in line.lower()]
        return (telling[-1] if telling else lines[-1] if lines else "")[:300]


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
