"""What a person sees while trials run: stage, trial, epoch, best so far, time left."""

import sys
from collections.abc import Callable
from typing import Any, Protocol, Self, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

# Told the number of an epoch (from 1) and its logs.
OnEpoch: TypeAlias = Callable[[int, dict[str, Any]], object]


class Figures(Protocol):
    """What is shown of a trial."""

    @property
    def trial(self) -> int: ...

    @property
    def val_loss(self) -> float | None: ...

    @property
    def val_accuracy(self) -> float | None: ...


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

    def trial(self, result: Figures) -> None:
        """A trial is done, or was found finished on the disk."""


class BarProgress(SilentProgress):
    """One bar a stage on standard error, with the best trial so far and the time left."""

    def __init__(self, console: Console | None = None):
        self.bars = Progress(
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
        self.best: Figures | None = None
        self.done: dict[int, int] = {}  # epochs of each trial; several may run at once
        self.task = self.bars.add_task(f"stage {number}/{stages} {mode:13}", total=trials * epochs, state="")

    def epoch(self, trial: int, epoch: int, logs: dict[str, Any]) -> None:
        state = f"trial {trial + 1}/{self.trials}, epoch {epoch}/{self.epochs}{self._best()}"
        self.done[trial] = epoch
        self.bars.update(self.task, completed=sum(self.done.values()), state=state)

    def trial(self, result: Figures) -> None:
        self.finished += 1
        lowest = None if self.best is None else self.best.val_loss
        if result.val_loss is not None and (lowest is None or result.val_loss < lowest):
            self.best = result
        # A trial that stopped early or was finished before counts in full.
        self.done[result.trial] = self.epochs
        self.bars.update(
            self.task,
            completed=sum(self.done.values()),
            state=f"trial {self.finished}/{self.trials} done{self._best()}",
        )

    def _best(self):
        if self.best is None:
            return ""
        return f", best {self.best.val_accuracy:.2%} (loss {self.best.val_loss:.4f})"


def make_progress(verbose: bool | str) -> SilentProgress:
    """`verbose` True or False; "auto" shows bars where standard error is a terminal."""
    shown = sys.stderr.isatty() if verbose == "auto" else verbose
    return BarProgress() if shown else SilentProgress()
