"""Trials on a Ray cluster, or on a Ray that runs on this machine only."""

import os
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from concurrent.futures import wait as wait_all
from typing import Any

import keras

from keras_efficient.checks import positive_integer
from keras_efficient.training.executors.pool import limit_threads

# What Ray says on the screen is about itself; a Ray started here needs no web page and calls nobody.
_QUIET = {"log_to_driver": False, "logging_level": "error"}
_LOCAL = {"include_dashboard": False}


class RayExecutor(Executor):
    """The tasks of Ray with the protocol of `concurrent.futures.Executor`.

        with ke.training.RayExecutor("auto") as executor:
            ke.train_network(..., executor=executor)

    The workers write their trials into the folder of the run: on several machines it must lie
    where all of them see it under the same path, and all need the same packages. The training
    data travels once, through Ray's object store.

    Args:
        address: `"auto"`: the cluster that this machine belongs to; an address: that cluster;
            None: starts Ray on this machine until the executor is shut down.
        threads: Threads and CPUs that a trial takes.
        max_retries: How often a task whose worker died is started again.
        options: Further arguments of `ray.init`, such as `num_cpus` of a Ray started here.

    Raises:
        ImportError: If Ray is not installed.
        ConnectionError: If there is no Ray at the address.
    """

    retries_lost_tasks = True

    def __init__(self, address: str | None = "auto", threads: int = 1, max_retries: int = 3, **options: Any):
        self.threads = positive_integer(threads, "threads")
        if not isinstance(max_retries, int) or isinstance(max_retries, bool) or max_retries < 0:
            raise ValueError(f"`max_retries` must be zero or a positive integer. Received: max_retries={max_retries!r}")
        try:
            import ray
        except ImportError as error:
            raise ImportError("Ray is not installed: pip install 'keras_efficient[ray]'") from error
        self._ray = ray
        self._own = not self._ray.is_initialized()
        if self._own:
            _connect(self._ray, address, options)
        self._task = self._ray.remote(num_cpus=threads, max_retries=max_retries)(_call)
        self._open: set[Future] = set()

    def share(self, value: Any) -> Any:
        """Put a value into the object store, once; what is returned stands for it in `submit`."""
        return self._ray.put(value)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future:
        """As `Executor.submit`."""
        reference = self._task.remote(self.threads, function, *arguments, **keywords)
        future: Future = Future()

        def close(future):
            self._open.discard(future)
            if future.cancelled():
                self._ray.cancel(reference, force=True)

        self._open.add(future)
        future.add_done_callback(close)
        reference.future().add_done_callback(lambda done: _settle(future, done))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As `Executor.shutdown`; leaves Ray as it was found."""
        if cancel_futures:
            for future in list(self._open):
                future.cancel()
        if wait:
            wait_all(list(self._open))
        if self._own:
            self._ray.shutdown()
            self._own = False

    def __exit__(self, error, *rest):
        self.shutdown(wait=True, cancel_futures=error is not None)


def _call(threads, function, *arguments, **keywords):
    limit_threads(threads)
    return function(*arguments, **keywords)


def _settle(future, done):
    """Let `future` end as Ray's own future did: with what the task raised, `BrokenExecutor` where Ray lost it."""
    if not future.set_running_or_notify_cancel():
        return
    error = done.exception()
    if error is None:
        future.set_result(done.result())
        return
    cause = getattr(error, "cause", None)
    if isinstance(cause, BaseException):
        error = cause
    elif type(error).__module__.startswith("ray."):
        error = BrokenExecutor(str(error).strip())
    future.set_exception(error)


def _connect(ray, address, options):
    options = {**_QUIET, **options}
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(address="local", **{**_LOCAL, **options})
        return
    environment = {"env_vars": {"KERAS_BACKEND": keras.backend.backend()}}
    try:
        ray.init(address=address, **{"runtime_env": environment, **options})
    except (ConnectionError, ValueError) as error:
        raise ConnectionError(
            f"`address` must be 'auto' on a machine where Ray runs (`ray start --head`), the address of a cluster, "
            f"or None for a Ray of its own. Received: address={address!r}; Ray says: {error}"
        ) from error
