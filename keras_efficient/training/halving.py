"""Successive halving: all trials of a stage train a little, and only the better ones go on."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_efficient.checks import one_of, positive_integer

OBJECTIVE = "objective"  # of the run
Objective = tuple[str, str]  # ("val_NAME", "min" or "max")
ACCURACY: Objective = ("val_accuracy", "max")
MEASURES: dict[str, Objective] = {"val_loss": ("val_loss", "min"), "val_accuracy": ACCURACY}


@dataclass(frozen=True)
class Halving:
    """Stops the clearly worse trials of a stage early.

        rungs: first_epochs, first_epochs factor, first_epochs factor^2 ... below the epochs of the stage, then these
        of n trials on a rung, the best max(1, floor(n / factor)) go on to the next one

    Trials are compared by their best epoch so far; of equal ones the lower index is the better. A trial
    whose loss was not finite never goes on. One that has ended by itself (patience) takes part in the comparison and
    needs no more epochs. The learning rate is that of the whole stage: a trial that waits for the others only pauses.
    Source: Jamieson & Talwalkar, AISTATS 2016; the names are those of scikit-learn.

    Attributes:
        first_epochs: Epochs of every trial before the first comparison.
        factor: One of so many trials goes on, for so many times the epochs; at least 2.
        measure: "val_loss", "val_accuracy" or "objective", which is the `objective` of the run: any metric, of any
            output.

    Raises:
        ValueError: If an argument is wrong.
    """

    first_epochs: int
    factor: int = 2
    measure: str = "val_loss"

    def __post_init__(self):
        for name in ("first_epochs", "factor"):
            object.__setattr__(self, name, positive_integer(getattr(self, name), name))
        if self.factor < 2:
            raise ValueError(f"`factor` must be at least 2. Received: factor={self.factor!r}")
        one_of(self.measure, "measure", (*MEASURES, OBJECTIVE))

    def rungs(self, epochs: int) -> tuple[int, ...]:
        """The epochs at which the trials of a stage of `epochs` epochs meet.

        >>> Halving(5, 2).rungs(50)
        (5, 10, 20, 40, 50)
        """
        found, rung = [], self.first_epochs
        while rung < epochs:
            found.append(rung)
            rung *= self.factor
        return (*found, epochs)

    def keep(self, histories: Mapping[int, Mapping], rung: int, objective: Objective = ACCURACY) -> list[int]:
        """Which trials go on from a rung, by their histories (index -> history); later epochs are not looked at."""
        measure = objective if self.measure == OBJECTIVE else MEASURES[self.measure]
        worth = {index: best_so_far(history, rung, *measure) for index, history in histories.items()}
        usable = sorted((value, index) for index, value in worth.items() if np.isfinite(value))
        return sorted(index for _, index in usable[: max(1, len(worth) // self.factor)])

    def climbers(
        self, histories: Sequence[Mapping], epochs: int, objective: Objective = ACCURACY
    ) -> list[tuple[int, list[int]]]:
        """(epochs, trials) of every rung of a stage whose trials are done."""
        climbing, found = list(range(len(histories))), []
        for rung in self.rungs(epochs):
            found.append((rung, climbing))
            climbing = self.keep({index: histories[index] for index in climbing}, rung, objective)
        return found


@dataclass(frozen=True)
class Goal:
    """How far a trial trains now: until so many epochs are done. Then it pauses, or ends for the reason `stopped`."""

    epochs: int
    stopped: str | None = None


def climb(
    stage: Any, found: list, run: Callable[[list[int], Goal], Iterable], objective: Objective = ACCURACY
) -> Iterator:
    """Take all trials of a `Stage` to its end, or to the rung at which its `Halving` stops them.

    `found` has the results that there are already, None for the other trials, and is completed here. `run` runs the
    trials with these indices up to a goal, and gives index and result of each; `objective` is that of the run. Yields
    the results of trials that end.
    """
    climbing = list(range(stage.trials))
    for rung in stage.rungs():
        waiting = [index for index in climbing if found[index] is None or found[index].status == "paused"]
        below = [index for index in waiting if found[index] is None or len(found[index].history["loss"]) < rung]
        yield from _run(run, below, Goal(rung), found)
        if rung == stage.epochs or stage.halving is None:
            return
        kept = stage.halving.keep({index: found[index].history for index in climbing}, rung, objective)
        reason = f"Not among the best {len(kept)} of {len(climbing)} trials after {rung} epochs"
        worse = [index for index in climbing if index not in kept and found[index].status == "paused"]
        yield from _run(run, worse, Goal(rung, reason), found)
        climbing = kept


def _run(run, indices, goal, found):
    for index, result in run(indices, goal) if indices else ():
        found[index] = result
        if result.status != "paused":
            yield result


def best_so_far(history: Mapping, epochs: int, measure: str = "val_loss", direction: str = "min") -> float:
    """How bad a trial was at its best in its first epochs: the lowest value, or the negative of the highest where
    `direction` is "max"; infinite where a loss was not finite."""
    losses = [_numbers(history, name, epochs) for name in ("loss", "val_loss")]
    if not np.isfinite(np.concatenate(losses)).all():
        return np.inf
    values = _numbers(history, measure, epochs)
    values = values[np.isfinite(values)] * (-1 if direction == "max" else 1)
    return float(values.min(initial=np.inf))


def _numbers(history, name, epochs):
    # What was not finite is null in a record.
    return np.array([np.nan if value is None else value for value in history.get(name, [])[:epochs]], dtype=float)
