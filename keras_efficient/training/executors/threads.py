"""How many threads a worker computes with."""

import importlib
import os
from contextlib import suppress

import keras


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
        threading = importlib.import_module(name).config.threading
        # An error says that TensorFlow has computed before.
        with suppress(RuntimeError):
            threading.set_intra_op_parallelism_threads(threads)
            threading.set_inter_op_parallelism_threads(threads)
