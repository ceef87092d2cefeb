"""The trials of a stage as tasks of an executor."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from keras_efficient.training.executors.protocol import Executor
from keras_efficient.training.executors.tasks import Task, Tasks
from keras_efficient.training.executors.worker import StageWork, run_trial
from keras_efficient.training.halving import Goal
from keras_efficient.training.progress import SilentProgress
from keras_efficient.training.progress_file import ProgressFile
from keras_efficient.training.trial import TrialResult


class RemoteTrials:
    """The trials of one stage on an executor.

    Args:
        executor: A `concurrent.futures.Executor`, or what behaves like one.
        work: What the trials have in common.
        data: The training data as `executor` takes it.
        progress: Is told about every epoch.
    """

    def __init__(self, executor: Executor, work: StageWork, data: Any, progress: SilentProgress):
        self.executor, self.work, self.data, self.progress = executor, work, data, progress

    def results(self, indices: Iterable[int], goal: Goal | None = None) -> Iterator[tuple[int, TrialResult]]:
        """Run these trials up to a goal; index and result of each, in the order in which they finish.

        Raises:
            ChildProcessError: If a trial loses its worker again and again.
        """
        work = replace(self.work, goal=goal)
        return Tasks(self.executor, {index: self._task(work, index) for index in indices}, self._tell).results()

    def _task(self, work, index):
        name = f"trial {index} of stage {work.number} ({work.run.stages[work.number].mode})"
        progress = ProgressFile(work.run.trial_directory(work.number, index))
        return Task(name, run_trial, (work, self.data, index), progress)

    def _tell(self, index, line):
        if "epoch" in line:
            self.progress.epoch(index, line["epoch"], line)
