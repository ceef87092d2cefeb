"""One candidate: trained briefly, remembered in a record."""

import gc
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from keras_efficient.files import read_json, write_json
from keras_efficient.report import numbers
from keras_efficient.training.driver import train_network
from keras_efficient.training.engines import COMPILED_ENGINE, EngineError, reason_against_library
from keras_efficient.training.executors.tasks import Executor, Task, Tasks
from keras_efficient.training.progress import PROGRESS, ProgressFile, SilentProgress, without_retracing_warnings
from keras_efficient.training.search.results import CandidateResult
from keras_efficient.training.search.settings import Search

# They say that a file cannot be written, or that the program is wrong: nothing that a candidate is to blame for.
_NOT_ITS_FAULT = (OSError, TypeError, NameError, AttributeError, LookupError, ImportError)


@dataclass(frozen=True)
class Job:
    """A network to train; `place` is its folder in the search's."""

    place: str
    candidate: CandidateResult

    def record(self, search: Search) -> Path:
        """The file that says it was trained. It is written last."""
        return search.directory / f"{self.place}.json"


def train_all(
    search: Search, jobs: Sequence[Job], executor: Executor | None, progress: SilentProgress
) -> list[CandidateResult]:
    """The results of all jobs, in their order; those with a record are only read."""
    found = [CandidateResult.read(job.record(search)) for job in jobs]
    missing = [index for index, result in enumerate(found) if result is None]
    for index, result in enumerate(found):
        if result is not None:
            progress.trial(index, result.val_loss, numbers.percent(result.val_accuracy))
    results: Iterator[tuple[int, CandidateResult]] = ((index, train_job(search, jobs[index])) for index in missing)
    if executor is not None:
        results = Tasks(executor, {index: _task(search, jobs[index]) for index in missing}).results()
    for index, result in results:
        found[index] = result
        progress.trial(index, result.val_loss, numbers.percent(result.val_accuracy))
    return [result for result in found if result is not None]  # all of them


def _task(search, job):
    record = job.record(search)
    progress = ProgressFile(record.parent, f"{record.stem}.{PROGRESS}")  # beside the folder, which is of the run
    return Task(job.candidate.name, train_job, (search, job), progress)


def train_job(search: Search, job: Job) -> CandidateResult:
    """Train a candidate in float mode and quantized, and write its record.

    What its training raises becomes the reason of a failed candidate, unless the disk or the program is to blame.
    """
    directory = search.directory / job.place
    try:
        with without_retracing_warnings():
            result = replace(job.candidate, **_train(search, job, directory))
    except _NOT_ITS_FAULT:
        raise
    except Exception as error:
        result = replace(job.candidate, status="failed", reason=_reason(directory, error))
    write_json(job.record(search), asdict(result))
    gc.collect()  # models are cycles, and TensorFlow's hold much memory
    return result


def _train(search: Search, job: Job, directory: Path) -> dict:
    data = search.data
    _check_engine(search.engine)
    selection = train_network(
        job.candidate.network,
        (data.x_train, data.y_train, data.x_val, data.y_val),
        search.stages,
        directory,
        rule="val_accuracy",
        seed=search.seed,
        verbose=False,
        engine=search.engine,
    )
    trials = read_json(directory / "result.json")["stages"]
    quantized = trials[-1]["trials"][0]
    return {
        "float_accuracy": selection.stages[0][0].max_accuracy["val_accuracy"],
        "val_accuracy": quantized["max_accuracy"]["val_accuracy"],
        "val_loss": quantized["max_accuracy"]["val_loss"],
        "path": f"{job.place}/{quantized['accuracy_path']}",
        "train_seconds": sum(stage["train_seconds"] for stage in trials),
    }


def _check_engine(engine):
    """Candidates that this worker cannot train as the others are trained fail: Keras does not take over here."""
    reason = reason_against_library() if engine == COMPILED_ENGINE else None
    if reason is not None:
        raise EngineError(f"The search computes with the engine {engine!r}, which this worker does not have: {reason}")


def _reason(directory: Path, error: Exception) -> str:
    """What the trial that failed says about it, else the error."""
    for path in sorted(directory.glob("stages/*/trial_*/trial.json")):
        trial = read_json(path)
        if trial["status"] == "failed":
            return f"{path.parent.parent.name}: {trial['reason']}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
