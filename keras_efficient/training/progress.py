"""What a person sees while trials run, here or in a worker: stage, trial, epoch, best so far, time left."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from keras_efficient.files import json_value
from keras_efficient.training.notebook_bars import NotebookBars, in_notebook

# Told the number of an epoch (from 1) and its logs.
OnEpoch: TypeAlias = Callable[[int, dict[str, Any]], object]


class SilentProgress:
    """Shows nothing. The driver calls these methods; subclasses show them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error):
        return None

    def stage(self, number: int, stages: int, mode: str, trials: int, epochs: int) -> None:
        """A stage begins."""

    def epoch(self, trial: int, epoch: int, logs: dict[str, Any]) -> None:
        """Epoch `epoch` (from 1) of trial `trial` (from 0) is done."""

    def trial(self, trial: int, val_loss: float | None, measured: str = "") -> None:
        """A trial is done, or was found finished on the disk; `val_loss` is None where it failed.

        `measured` says what it reached besides the loss.
        """


class BarProgress(SilentProgress):
    """One bar per stage on standard error, with the best trial so far and the time left."""

    def __init__(self, console: Console | None = None):
        self.bars: Any = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
        )

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(self, *error):
        self.bars.stop()

    def stage(self, number: int, stages: int, mode: str, trials: int, epochs: int) -> None:
        self.trials, self.epochs, self.finished = trials, epochs, 0
        self.best: tuple[float, str] | None = None  # loss, and what was measured besides
        self.done: dict[int, int] = {}  # epochs of each trial; several may run at once
        self.task = self.bars.add_task(f"stage {number}/{stages} {mode:13}", total=trials * epochs, state="")

    def epoch(self, trial: int, epoch: int, logs: dict[str, Any]) -> None:
        state = f"trial {trial + 1}/{self.trials}, epoch {epoch}/{self.epochs}{self._best()}"
        self.done[trial] = epoch
        self.bars.update(self.task, completed=sum(self.done.values()), state=state)

    def trial(self, trial: int, val_loss: float | None, measured: str = "") -> None:
        self.finished += 1
        if val_loss is not None and (self.best is None or val_loss < self.best[0]):
            self.best = val_loss, measured
        # A trial that stopped early or was finished before counts in full.
        self.done[trial] = self.epochs
        state = f"trial {self.finished}/{self.trials} done{self._best()}"
        self.bars.update(self.task, completed=sum(self.done.values()), state=state)

    def _best(self):
        if self.best is None:
            return ""
        loss = f"loss {self.best[0]:.4f}"
        return f", best {self.best[1]} ({loss})" if self.best[1] else f", best {loss}"


class NotebookProgress(BarProgress):
    """The same bars in the output of a notebook's cell."""

    def __init__(self) -> None:
        self.bars = NotebookBars()


def is_shown(verbose: bool | str) -> bool:
    """`verbose` True or False; "auto" where somebody watches: a terminal, or a notebook."""
    return bool(verbose) if verbose != "auto" else sys.stderr.isatty() or in_notebook()


def make_progress(verbose: bool | str) -> SilentProgress:
    if not is_shown(verbose):
        return SilentProgress()
    return NotebookProgress() if in_notebook() else BarProgress()


PROGRESS = "progress.jsonl"


class ProgressFile(SilentProgress):
    """Appends what a trial does to a file in its folder. A file that cannot be written stops no trial."""

    def __init__(self, directory: Path, name: str = PROGRESS):
        self.path = Path(directory) / name

    def begin(self) -> None:
        """The trial is in the hands of this process."""
        # After a line that a dying worker may have left unfinished.
        self._append({"process": os.getpid()}, before=b"\n")

    def epoch(self, trial: int, epoch: int, logs: dict[str, Any]) -> None:
        self._append({"epoch": epoch, **logs})

    def _append(self, line, before=b""):
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab", buffering=0, opener=_without_links) as file:
                file.write(before + json.dumps(json_value(line)).encode() + b"\n")


def _without_links(path, flags):
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o644)


class ProgressReader:
    """Reads what a `ProgressFile` appends. `begun`: a process has the trial; who hands it out anew sets it back."""

    def __init__(self, file: ProgressFile):
        self.path = file.path
        self.begun = False
        self._place = 0

    def new_lines(self) -> list[dict]:
        """The lines since the last call; a line that a dying worker left unfinished is skipped."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self._place)
                text = file.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._place += len(whole)
        lines = []
        for line in whole.splitlines():
            with suppress(ValueError):
                lines.append(json.loads(line))
        self.begun |= any("process" in line for line in lines)
        return lines

    def remove(self) -> None:
        """The trial is done."""
        self.path.unlink(missing_ok=True)


@contextmanager
def without_retracing_warnings() -> Iterator[None]:
    """A block in which TensorFlow logs errors only."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
