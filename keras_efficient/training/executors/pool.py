"""Worker processes on this machine, and how many threads a worker computes with."""

import importlib
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from typing import Any

import keras

from keras_efficient.checks import positive_integer


def process_pool(workers: int, threads: int | None = None) -> "ProcessPool":
    """Worker processes for the `executor` of `train_network`.

        with ke.training.process_pool(4) as executor:
            ke.train_network(..., executor=executor)

    Sums are grouped by thread, so the last bits of a result depend on the number of threads;
    they do not depend on which worker runs a trial.

    Args:
        workers: How many processes, at least 1.
        threads: Threads of each; None: an equal share of the cores.
    """
    return ProcessPool(workers, threads)


class ProcessPool(Executor):
    """A `ProcessPoolExecutor` whose processes start fresh, which is made anew after one of them
    died, and none of whose processes outlives its parent; arguments as in `process_pool`.
    """

    def __init__(self, workers: int, threads: int | None = None):
        self.workers = positive_integer(workers, "workers")
        if threads is None:
            threads = max(1, available_cores() // workers)
        self.threads = positive_integer(threads, "threads")
        self._lock = threading.Lock()
        self._start()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future:
        """As `Executor.submit`; after the death of a worker, on new processes."""
        with self._lock:
            try:
                return self._pool.submit(function, *arguments, **keywords)
            except BrokenProcessPool:
                # Waits until the last of the old processes is gone: two must not write one file.
                self.shutdown()
                self._start()
                return self._pool.submit(function, *arguments, **keywords)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As `Executor.shutdown`."""
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)
        if wait:
            self._lifeline.close()

    def __exit__(self, error, *rest):
        if error is not None:
            # Nobody wants the rest of a trial after an error or Ctrl-C.
            self._lifeline.close()
        self.shutdown(wait=True, cancel_futures=error is not None)

    def _start(self):
        context = get_context("spawn")
        # The workers wait at one end and stop when the other one closes, with this process if need be.
        end, self._lifeline = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(self.workers, context, _begin_worker, (self.threads, end))


def _begin_worker(threads, lifeline):
    def end():
        with suppress(EOFError, OSError):
            lifeline.recv()
        os._exit(1)

    # Ctrl-C reaches all processes of a terminal; the parent decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end, daemon=True).start()
    limit_threads(threads)


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads(threads: int) -> None:
    """Let TensorFlow or PyTorch compute with so many threads. To be called before the first
    computation; later it has no effect. (JAX on CPUs has no such setting.)
    """
    os.environ.setdefault("KERAS_EFFICIENT_THREADS", str(threads))  # of the compiled engine
    name = keras.backend.backend()
    if name == "torch":
        importlib.import_module(name).set_num_threads(threads)
    elif name == "tensorflow":
        settings = importlib.import_module(name).config.threading
        # An error says that TensorFlow has computed before.
        with suppress(RuntimeError):
            settings.set_intra_op_parallelism_threads(threads)
            settings.set_inter_op_parallelism_threads(threads)
