"""One search: its configurations trained from rung to rung, the best of them found."""

from collections.abc import Mapping, Sequence

import numpy as np

from keras_efficient.files import write_json
from keras_efficient.training.executors.tasks import Task, Tasks, begun
from keras_efficient.training.experiments.execution import (
    SEARCH,
    advance,
    open_folder,
    recorded,
    say,
)
from keras_efficient.training.experiments.planned import PlannedRun
from keras_efficient.training.experiments.search_plan import Configuration
from keras_efficient.training.halving import best_of
from keras_efficient.training.progress_file import ProgressFile

_FORMAT = "keras_efficient experiment search 1"


def execute_search(run: PlannedRun, executor=None, verbose: bool | str = False) -> None:
    """Run a search, or continue it: every configuration goes on from where it paused. Leaves search.json.

    Args:
        run: The search.
        executor: A `concurrent.futures.Executor` whose workers each take one configuration; they wait for each other
            at the rungs. None trains them in this process.
        verbose: Whether to say which rung is trained.

    Raises:
        OSError, BrokenExecutor, ValueError: As `execute`.
    """
    open_folder(run)
    with recorded(run):
        rows = []
        for number, (rungs, configurations) in enumerate(run.search.brackets):
            say(f"bracket {number + 1}/{len(run.search.brackets)}: epochs {', '.join(map(str, rungs))}", verbose)
            rows += _bracket(run.search.hyperband, number, rungs, configurations, executor)
        write_json(run.folder / SEARCH, _result(run.search.hyperband, rows))


def _bracket(hyperband, number, rungs, configurations, executor):
    """One row a configuration."""
    rows = [{**_identity(each), "bracket": number, "status": "stopped"} for each in configurations]
    climbing = list(range(len(rows)))
    for rung in rungs:
        for index, reached in _advance({index: configurations[index].run for index in climbing}, rung, executor):
            rows[index].update(reached)
        climbing = hyperband.keep({index: _worth(rows[index], hyperband.measure) for index in climbing})
    return rows


def _advance(runs: Mapping[int, PlannedRun], epochs, executor):
    """Index and what it reached of each, in any order."""
    if executor is None:
        return ((index, advance(run, epochs)) for index, run in runs.items())
    tasks = {
        index: begun(Task(f"configuration {run.folder.name}", advance, (run, epochs), ProgressFile(run.folder)))
        for index, run in runs.items()
    }
    return Tasks(executor, tasks).results()


def _identity(configuration: Configuration):
    run = configuration.run
    return {"values": configuration.values, "sha256": run.sha256, "path": f"runs/{run.folder.name}"}


def _worth(row, measure):
    """How bad a configuration is."""
    if row["status"] == "failed":
        return np.inf
    return -row[measure] if measure == "val_accuracy" else row[measure]


def _result(hyperband, rows: Sequence[dict]):
    """search.json: all configurations, and the best of those that were trained to their end."""
    worth = {i: _worth(row, hyperband.measure) for i, row in enumerate(rows) if row["status"] == "finished"}
    if not worth:
        reason = next(row["reason"] for row in rows if row["status"] == "failed")
        raise ValueError(f"No configuration of {len(rows)} came to its end; the first that failed: {reason}")
    return {
        "format": _FORMAT,
        "measure": hyperband.measure,
        "best": best_of(worth, 1)[0],
        "configurations": rows,
        "train_seconds": sum(row.get("train_seconds", 0.0) for row in _different(rows)),
    }


def _different(rows):
    """A configuration that several brackets have drawn was trained once."""
    return {row["sha256"]: row for row in sorted(rows, key=lambda row: row.get("epochs", 0))}.values()
