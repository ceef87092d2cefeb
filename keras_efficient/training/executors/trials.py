"""The trials of a stage as tasks of an executor, their data on its way to the workers, and what a worker does."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_efficient.files import make_temporary_folder, write_atomically
from keras_efficient.training.data import TrainingData
from keras_efficient.training.engines import EngineError
from keras_efficient.training.executors.tasks import Executor, Task, Tasks
from keras_efficient.training.halving import Goal
from keras_efficient.training.manifest import package_versions
from keras_efficient.training.progress import ProgressFile, SilentProgress
from keras_efficient.training.trial import TrialResult, trial_seed

_NAMES = ("x_train", "y_train", "x_val", "y_val", "w_train", "w_val")


@contextmanager
def shared(data: TrainingData, executor: Executor | None, directory: Path) -> Iterator[Any]:
    """What to hand to `executor` in the place of `data`. Test data stays where it is.

    An executor with a method `share` has a way of its own. Otherwise the arrays are written into
    a temporary folder of the run the first time they are sent to another process, which maps the
    files into its memory; threads use the arrays themselves. The files go at the end of the block.
    """
    data = replace(data, x_test=None, y_test=None, w_test=None)
    if executor is not None and hasattr(executor, "share"):
        yield executor.share(data)
        return
    files = DataFiles(**{name: getattr(data, name) for name in _NAMES}, directory=directory.resolve())
    try:
        yield files
    finally:
        files.remove()


@dataclass(frozen=True)
class DataFiles(TrainingData):
    """Training data that another process gets as files, in a folder made in `directory` once they are needed."""

    directory: Path | None = None
    folder: Path | None = None

    def __reduce__(self):
        # The first time only: every trial is sent with a reference to the same files.
        if self.folder is None and self.directory is not None:
            folder = make_temporary_folder(self.directory)
            object.__setattr__(self, "folder", folder)
            for number, array in enumerate(keras.tree.flatten(self._parts())):
                write_atomically(folder / f"{number}.npy", partial(np.save, arr=array))
        parts = self._parts()
        numbers = list(range(len(keras.tree.flatten(parts))))
        return _open, (self.folder, keras.tree.pack_sequence_as(parts, numbers))

    def _parts(self):
        return {name: part for name in _NAMES if (part := getattr(self, name)) is not None}

    def remove(self) -> None:
        """Delete the files, if they were needed."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def _open(folder, files):
    return TrainingData(
        **keras.tree.map_structure(lambda number: np.load(folder / f"{number}.npy", mmap_mode="r"), files)
    )


@dataclass(frozen=True)
class StageWork:
    """The trials of one stage as they travel to the workers: everything but the data.

    Of the `run` the data is missing; the trials start from the checkpoint `start`, must be computed with these
    `versions` and this `precision`, and go as far as `goal` says (None: to their end).
    """

    run: Any
    number: int
    start: Path | None
    versions: dict
    precision: str
    goal: Goal | None = None

    @classmethod
    def of(cls, run: Any, number: int, start: Path | None) -> StageWork:
        """The work of a stage of `run`, with paths that do not depend on the current folder."""
        # No method that needs the data is called before the worker puts its own in their place.
        run = replace(run, data=None, directory=run.directory.resolve())
        start = None if start is None else start.resolve()
        return cls(run, number, start, package_versions(), keras.config.dtype_policy().name)


# The trainer of a worker (a process, or a thread of one): built at its first trial of a stage, used for the others.
_worker = threading.local()


def _run_trial(work: StageWork, data: TrainingData, index: int) -> TrialResult:
    """Run one trial in this process; one that another worker finished is only read."""
    directory = work.run.trial_directory(work.number, index)
    if (found := TrialResult.read(directory)) is not None:
        return found
    stage = (work.run.token, work.number)
    if getattr(_worker, "stage", None) != stage:
        versions = package_versions()
        if versions != work.versions:
            raise ValueError(f"A worker must have the packages of the driver, {work.versions}. Received: {versions}")
        if keras.config.dtype_policy().name != work.precision:
            keras.config.set_dtype_policy(work.precision)
        try:
            _worker.trainer = replace(work.run, data=data).trainer(work.number, work.start)
        except EngineError as error:  # this machine lacks what the driver's has
            seed = trial_seed(work.run.seed, work.number, index)
            result = TrialResult(index, seed, status="failed", reason=str(error))
            result.write(directory)
            return result
        _worker.stage = stage
    return work.run.run_trial(_worker.trainer, work.number, index, ProgressFile(directory), work.goal)


def remote_trials(
    executor: Executor, work: StageWork, data: Any, progress: SilentProgress
) -> Callable[[Iterable[int], Goal], Iterator[tuple[int, TrialResult]]]:
    """A function that runs trials of one stage up to a goal: index and result of each, in the order they finish.

    It raises a ChildProcessError if a trial loses its worker again and again. `data` is the training data as `executor`
    takes it; `progress` is told about every epoch.
    """

    def task(index, goal):
        name = f"trial {index} of stage {work.number} ({work.run.stages[work.number].mode})"
        file = ProgressFile(work.run.trial_directory(work.number, index))
        return Task(name, _run_trial, (replace(work, goal=goal), data, index), file)

    def tell(index, line):
        if "epoch" in line:
            progress.epoch(index, line["epoch"], line)

    return lambda indices, goal: Tasks(executor, {index: task(index, goal) for index in indices}, tell).results()
