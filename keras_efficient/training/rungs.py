"""The trials of a stage on their way from rung to rung."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """How far a trial trains now.

    Attributes:
        epochs: It trains until so many epochs are done. If it has more of them to go, it pauses.
        stopped: Why it ends there for good instead; None: it pauses.
    """

    epochs: int
    stopped: str | None = None


def climb(stage, found: list, run: Callable[[list[int], Goal], Iterable]) -> Iterator:
    """Take all trials of a stage to its end, or to the rung at which its `Halving` stops them.

    Args:
        stage: The `Stage`; without halving its end is the only rung.
        found: The results that there are already, None for the other trials; completed here.
        run: Runs the trials with these indices up to a goal; gives index and result of each.

    Yields:
        The results of trials that end, as they do.
    """
    climbing = list(range(stage.trials))
    for rung in stage.rungs():
        below = [index for index in climbing if not _has_arrived(found[index], rung)]
        yield from _run(run, below, Goal(rung), found)
        if rung == stage.epochs:
            return
        kept = stage.halving.keep({index: found[index].history for index in climbing}, rung)
        reason = f"Not among the best {len(kept)} of {len(climbing)} trials after {rung} epochs"
        worse = [index for index in climbing if index not in kept and found[index].status == "paused"]
        yield from _run(run, worse, Goal(rung, reason), found)
        climbing = kept


def _has_arrived(result, rung):
    return result is not None and (result.status != "paused" or len(result.history["loss"]) >= rung)


def _run(run, indices, goal, found):
    for index, result in run(indices, goal) if indices else ():
        found[index] = result
        if result.status != "paused":
            yield result
