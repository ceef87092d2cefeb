"""Trials on an executor: handed out, watched, handed out again when their worker dies."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor

from keras_efficient.training.executors.worker import StageWork, run_trial
from keras_efficient.training.progress_file import ProgressReader
from keras_efficient.training.trial import TrialResult

# How often a trial may lose its worker.
_RETRIES = 3
_POLL_SECONDS = 0.05


class RemoteTrials:
    """The trials of one stage on an executor.

    Args:
        executor: A `concurrent.futures.Executor`, or what behaves like one.
        work: What the trials have in common.
        data: The training data as `executor` takes it.
        progress: Is told about every epoch.
    """

    def __init__(self, executor, work: StageWork, data, progress):
        self.executor, self.work, self.data, self.progress = executor, work, data, progress
        self.retries = 0 if getattr(executor, "retries_lost_tasks", False) else _RETRIES
        self.lost = Counter()
        self.readers = {}

    def results(self, indices: Iterable[int]) -> Iterator[tuple[int, TrialResult]]:
        """Run these trials; index and result of each, in the order in which they finish.

        Raises:
            ChildProcessError: If a trial loses its worker again and again.
        """
        directories = {index: self.work.run.trial_directory(self.work.number, index) for index in indices}
        self.readers = {index: ProgressReader(directory) for index, directory in directories.items()}
        pending = {index: self._submit(index) for index in self.readers}
        try:
            while pending:
                finished = self._wait(pending)
                futures = {index: pending.pop(index) for index in finished}
                errors = {index: future.exception() for index, future in futures.items()}
                lost = [index for index, error in errors.items() if isinstance(error, BrokenExecutor)]
                pending.update(self._again(lost, errors))
                for index in finished:
                    if index not in lost:
                        yield index, self._result(index, futures[index])
        finally:
            for future in pending.values():
                future.cancel()

    def _submit(self, index):
        return self.executor.submit(run_trial, self.work, self.data, index)

    def _wait(self, pending):
        """The trials that are done, at least one; meanwhile tells about epochs."""
        while True:
            finished = [index for index, future in pending.items() if future.done()]
            for index, reader in self.readers.items():
                for line in reader.new_lines():
                    if "epoch" in line:
                        self.progress.epoch(index, line["epoch"], line)
            if finished:
                return finished
            time.sleep(_POLL_SECONDS)

    def _result(self, index, future):
        result = future.result()
        self.readers.pop(index).remove()
        return result

    def _again(self, lost, errors):
        """Submit the trials whose worker died once more."""
        running = [index for index in lost if self.readers[index].begun]
        # With a process pool, the trials that still waited are lost as well: they are not to blame.
        self.lost.update(running or lost)
        for index in lost:
            if self.lost[index] > self.retries:
                raise self._given_up(index, bool(running), errors[index])
            self.readers[index].begun = False
        try:
            return {index: self._submit(index) for index in lost}
        except BrokenExecutor as error:
            raise ChildProcessError(
                f"A worker died, and {type(self.executor).__name__} takes no more trials: {error}. "
                "keras_efficient.training.process_pool(n) gives a pool that is made anew"
            ) from error

    def _given_up(self, index, begun, error):
        stage = f"stage {self.work.number} ({self.work.run.stages[self.work.number].mode})"
        reason = (
            "Is there enough memory?"
            if begun
            else "It never began: a script that starts workers must do so under `if __name__ == '__main__':`."
        )
        return ChildProcessError(
            f"The worker of trial {index} of {stage} died {self.lost[index]} times: {error}. {reason} "
            "The run continues where it stopped when it is started again"
        )
