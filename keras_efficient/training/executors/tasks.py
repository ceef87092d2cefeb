"""Tasks on an executor: handed out, watched, handed out again when their worker dies."""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass
from typing import Any, Protocol

from keras_efficient.training.progress import ProgressFile, ProgressReader


class Executor(Protocol):
    """The part of `concurrent.futures.Executor` that is used: whatever has it will do."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future:
        """Run a function in a worker, some time."""


# How often a task may lose its worker.
_RETRIES = 3
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Task:
    """What a worker does: a call, with a name for people, and the file in which the worker says that it has begun."""

    name: str
    function: Callable
    arguments: tuple
    progress: ProgressFile


def _begin_and_call(progress, function, *arguments):
    progress.begin()
    return function(*arguments)


class Tasks:
    """Runs tasks (by a key) on an executor. A task whose worker dies is run again, up to three times.

    `on_line` is told key and content of each line of a progress file.
    """

    def __init__(
        self,
        executor: Executor,
        tasks: Mapping[Any, Task],
        on_line: Callable[[Any, dict], None] = lambda key, line: None,
    ):
        self.executor, self.tasks, self.on_line = executor, tasks, on_line
        self.retries = 0 if getattr(executor, "retries_lost_tasks", False) else _RETRIES
        self.lost: Counter[Hashable] = Counter()
        self.readers = {key: ProgressReader(task.progress) for key, task in tasks.items()}

    def results(self) -> Iterator[tuple[Any, Any]]:
        """Key and result of each task, in the order in which they finish; a ChildProcessError for one that cannot."""
        for reader in self.readers.values():
            reader.remove()  # what an earlier process may have left
        pending = {key: self._submit(key) for key in self.tasks}
        try:
            while pending:
                finished = self._wait(pending)
                futures = {key: pending.pop(key) for key in finished}
                errors = {key: future.exception() for key, future in futures.items()}
                lost = [key for key, error in errors.items() if isinstance(error, BrokenExecutor)]
                pending.update(self._again(lost, errors))
                for key in finished:
                    if key not in lost:
                        result = futures[key].result()
                        self.readers.pop(key).remove()
                        yield key, result
        finally:
            for future in pending.values():
                future.cancel()

    def _submit(self, key):
        task = self.tasks[key]
        return self.executor.submit(_begin_and_call, task.progress, task.function, *task.arguments)

    def _wait(self, pending):
        """The tasks that are done, at least one; meanwhile tells about their progress."""
        while True:
            finished = [key for key, future in pending.items() if future.done()]
            for key, reader in self.readers.items():
                for line in reader.new_lines():
                    self.on_line(key, line)
            if finished:
                return finished
            time.sleep(_POLL_SECONDS)

    def _again(self, lost, errors):
        """Submit the tasks whose worker died once more."""
        running = [key for key in lost if self.readers[key].begun]
        # With a process pool, the tasks that still waited are lost as well: they are not to blame.
        self.lost.update(running or lost)
        for key in lost:
            if self.lost[key] > self.retries:
                script = "a script that starts workers must do so under `if __name__ == '__main__':`."
                raise ChildProcessError(
                    f"The worker of {self.tasks[key].name} died {self.lost[key]} times: {errors[key]}. "
                    f"{'Is there enough memory?' if running else f'It never began: {script}'} "
                    "The run continues where it stopped when it is started again"
                )
            self.readers[key].begun = False
        try:
            return {key: self._submit(key) for key in lost}
        except BrokenExecutor as error:
            raise ChildProcessError(
                f"A worker died, and {type(self.executor).__name__} takes no more tasks: {error}. "
                "keras_efficient.training.process_pool(n) gives a pool that is made anew"
            ) from error
