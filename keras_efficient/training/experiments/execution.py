"""One run: train it, or find what it left."""

import gc
import math
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from keras_efficient.files import read_json, remove_temporary, write_json
from keras_efficient.training.driver import train_network, train_until
from keras_efficient.training.executors.tasks import Executor
from keras_efficient.training.experiments.data import DataSettings
from keras_efficient.training.experiments.network import make_source
from keras_efficient.training.experiments.resolve import PlannedRun, make_stages
from keras_efficient.training.halving import MEASURES, best_so_far
from keras_efficient.training.outcome import BEST, REPORT, RESULT
from keras_efficient.training.progress import is_shown, without_retracing_warnings

_FORMAT = "keras_efficient experiment run 1"
# In the folder of a run: its settings, what train_network leaves, what it had reached where it paused, why it failed.
SETTINGS, TRAINING, RUNGS, FAILURE = "settings.json", "training", "rungs.json", "failure.json"
# In that of a search: what it found.
SEARCH = "search.json"


def status(run: PlannedRun) -> str:
    """ "done", "failed", "unfinished" or "missing"."""
    files = [f"{TRAINING}/{name}" for name in (RESULT, BEST, REPORT)] if run.search is None else [SEARCH]
    if all((run.folder / name).exists() for name in files):
        return "done"
    if (run.folder / FAILURE).exists():
        return "failed"
    return "unfinished" if run.folder.exists() else "missing"


def result(run: PlannedRun) -> dict:
    """The result.json of a run that is done; of a search, that of its best configuration."""
    if run.search is None:
        return read_json(run.folder / TRAINING / RESULT)
    found = search_result(run)
    folder = run.folder.parent / Path(found["configurations"][found["best"]]["path"]).name
    return read_json(folder / TRAINING / RESULT)


def search_result(run: PlannedRun) -> dict:
    """The search.json of a search that is done."""
    return read_json(run.folder / SEARCH, "Delete it, and it is written again from the configurations.")


def failure(run: PlannedRun) -> str:
    """Why a run failed."""
    return read_json(run.folder / FAILURE)["reason"]


def execute(run: PlannedRun, executor: Executor | None = None, verbose: bool | str = False) -> None:
    """Train a run, or continue it. An error of its own is recorded; what stops all runs is raised: OSError (the next
    run would meet the same), BrokenExecutor (no workers), ValueError (the folder belongs to other settings)."""
    open_folder(run)
    with recorded(run):
        (network, data, stages, folder), settings = _arguments(run)
        train_network(network, data, stages, folder, executor=executor, verbose=verbose, **settings)


def advance(run: PlannedRun, epochs: int) -> dict:
    """Train a run until so many epochs of its first stage are done; at the last of them, the later stages as well.

    It goes on from where it paused; what it reached before is only read. Returns `status` ("stopped", "finished" or
    "failed"), `reason`, `epochs`, `train_seconds`, and the best `val_loss` and `val_accuracy` so far, or those of the
    network that it chose in the end.
    """
    if epochs >= run.settings["stages"][0]["epochs"]:
        if status(run) != "done":
            execute(run)
        reached = None
        if status(run) == "done":
            found = result(run)
            seconds = sum(stage["train_seconds"] for stage in found["stages"])
            best = {name: found["best"][name] for name in MEASURES}
            reached = {"status": "finished", "reason": None, **best, "train_seconds": seconds}
    else:
        reached = _pause(run, epochs)
    gc.collect()  # models are cycles, and TensorFlow's hold much memory
    none = {"val_loss": None, "val_accuracy": None}
    return {"epochs": epochs, **(reached or {"status": "failed", "reason": failure(run), **none})}


def _pause(run, epochs):
    """What the run has reached at these epochs, from rungs.json or by training; None where it failed."""
    open_folder(run)
    path = run.folder / RUNGS
    rungs = read_json(path, "Delete it; the run itself is kept.") if path.exists() else {}
    if str(epochs) not in rungs:
        with recorded(run):
            (network, data, stages, folder), settings = _arguments(run)
            trials = train_until(epochs, network, data, stages, folder, **settings)
            best = {
                name: min(best_so_far(trial.history, epochs, *measure) for trial in trials)
                for name, measure in MEASURES.items()
            }
            if best["val_loss"] == math.inf:
                raise ValueError(f"All {len(trials)} trials failed; the first: {trials[0].reason}")
            best["val_accuracy"] *= -1
            seconds = sum(trial.train_seconds for trial in trials)
            rungs[str(epochs)] = {"status": "stopped", "reason": None, **best, "train_seconds": seconds}
            write_json(path, rungs)
    return rungs.get(str(epochs))


def _arguments(run):
    """The arguments of `train_network` that decide its result: those in order, those by name."""
    settings = run.settings
    data, seed = DataSettings(**settings["data"]), settings["seed"]
    others = {"engine": settings["engine"]} if "engine" in settings else {}
    stages = make_stages(settings["stages"], data.training_samples(seed))
    arguments = (make_source(settings["network"], run.modules), data.arrays(seed), stages, run.folder / TRAINING)
    return arguments, {"rule": settings.get("rule", "score"), "seed": seed, **others}


@contextmanager
def recorded(run: PlannedRun) -> Iterator[None]:
    """What the block raises becomes the failure of the run, unless the next run would meet the same."""
    try:
        with without_retracing_warnings():
            yield
    except Exception as error:  # a user's function may raise anything
        if isinstance(error, OSError | BrokenExecutor) and not isinstance(error, ChildProcessError):
            raise
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        reason = " ".join(f"{kind}{error}".split()).replace(str(run.folder / TRAINING), TRAINING)
        if status(run) != "failed" or failure(run) != reason:
            date = datetime.now(UTC).isoformat("T", "seconds")
            write_json(run.folder / FAILURE, {"reason": reason, "failed_date": date})
    else:
        (run.folder / FAILURE).unlink(missing_ok=True)


def say(line: str, verbose: bool | str) -> None:
    """A line of progress, where `is_shown`."""
    if is_shown(verbose):
        sys.stderr.write(f"{line}\n")


def open_folder(run: PlannedRun) -> None:
    """Make the folder the run's, without what a killed process left there; a ValueError if it belongs to others."""
    path = run.folder / SETTINGS
    content = {"format": _FORMAT, "sha256": run.sha256, "settings": run.settings}
    if not path.exists():
        write_json(path, content)
    elif read_json(path).get("sha256") != run.sha256:
        raise ValueError(f"'{run.folder}' holds a run with other settings; nothing was touched")
    remove_temporary(run.folder)
