"""One candidate: trained briefly, remembered in a record."""

import gc
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from keras_efficient.files import read_json, write_json
from keras_efficient.report import numbers
from keras_efficient.training.engines import COMPILED_ENGINE, KERAS_ENGINE, EngineError, reason_against_library
from keras_efficient.training.executors.tasks import Executor, Task, Tasks
from keras_efficient.training.prefix import PrefixCache
from keras_efficient.training.progress import PROGRESS, ProgressFile, SilentProgress, without_retracing_warnings
from keras_efficient.training.search.results import CandidateResult
from keras_efficient.training.search.settings import Search
from keras_efficient.training.stage import Stage

_COLLECTED = 10  # candidates: to look through all objects takes as long as half an epoch
# They say that a file cannot be written, or that the program is wrong: nothing that a candidate is to blame for.
_NOT_ITS_FAULT = (OSError, TypeError, NameError, AttributeError, LookupError, ImportError)


@dataclass(frozen=True)
class Job:
    """A network to train; `place` is its folder in the search's."""

    place: str
    candidate: CandidateResult
    stages: tuple[Stage, ...] = ()
    seed: int = 0

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
    _worker.trained += 1
    if _worker.trained % _COLLECTED == 0:
        gc.collect()  # models are cycles, and TensorFlow's hold much memory
    return result


class _Worker(threading.local):
    """What a process keeps from candidate to candidate: the samples, and what first layers make of them."""

    token, trained = "", 0

    def take(self, search: Search) -> Search:
        """The search with the samples that are here already."""
        if self.token != search.token:
            self.token, self.prepared, self.prefixes = search.token, search.prepared, PrefixCache()
        return replace(search, prepared=self.prepared)


_worker = _Worker()


def forget() -> None:
    """Let the memory go that candidates share in this process."""
    _worker.__dict__.clear()


def _train(search: Search, job: Job, directory: Path) -> dict:
    """The training of a run, without all that only the best of it needs: no report, no figures of its errors."""
    _check_engine(search.engine)
    search = _worker.take(search)
    run = search.run(job.candidate.network, job.stages, directory, job.seed, _worker.prefixes)
    run.remove_leftovers()
    try:
        outcomes = run.all_stages(None, SilentProgress())
    except EngineError as error:
        warnings.warn(f"Keras trains {job.candidate.name}, slower than the compiled engine: {error}", stacklevel=2)
        outcomes = replace(run, engine=KERAS_ENGINE).all_stages(None, SilentProgress())
    floats, quantized = (outcome[0].max_accuracy for outcome in outcomes)
    path = run.trial_directory(1, 0) / run.measures.objective_checkpoint
    return {
        "float_accuracy": floats["val_accuracy"],
        "val_accuracy": quantized["val_accuracy"],
        "val_loss": quantized["val_loss"],
        "path": path.relative_to(search.directory).as_posix(),
        "train_seconds": sum(outcome[0].train_seconds for outcome in outcomes),
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
