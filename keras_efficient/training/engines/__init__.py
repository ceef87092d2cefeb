"""Engines: how an epoch is computed."""

from collections.abc import Sequence

import keras
import numpy as np

from keras_efficient.checks import one_of
from keras_efficient.training.engines.engine import (
    NO_WEIGHTS,
    Arrays,
    Engine,
    FitEngine,
    Loss,
    Optimizer,
    Weights,
)

DEFAULT_ENGINE, COMPILED_ENGINE, KERAS_ENGINE = "auto", "compiled", "keras"
# What a run computes with: what "auto" comes to.
CHOSEN_ENGINES = (COMPILED_ENGINE, KERAS_ENGINE)


class EngineError(ValueError):
    """The engine that a run computes with cannot compute it here; the message says why."""


def check_engine(engine: str) -> str:
    """Raise a ValueError unless `engine` is "auto" or the name of one."""
    return one_of(engine, "engine", (DEFAULT_ENGINE, *CHOSEN_ENGINES))


def make_engine(
    model: keras.Model,
    optimizer: Optimizer,
    loss: Loss,
    arrays: Arrays,
    batch_size: int,
    callbacks: Sequence[keras.callbacks.Callback],
    engine: str = KERAS_ENGINE,
    weights: Weights = NO_WEIGHTS,
) -> Engine:
    """The engine that was chosen, or an EngineError; of Keras's the fastest that can do the job.

    On TensorFlow a whole epoch is one graph call. A model with its own `train_step`, callbacks
    that look at batches, and the other backends go through `model.fit`.
    """
    if engine == COMPILED_ENGINE:
        from keras_efficient.training.engines.compiled import CompiledEngine

        reason = reason_against_compiled(model, optimizer, loss, np.ndim(arrays[1]), callbacks)
        if reason is not None:
            raise EngineError(f"The engine of this run, {COMPILED_ENGINE!r}, cannot be used here: {reason}")
        return CompiledEngine(model, optimizer, loss, arrays, batch_size)
    plain = type(model).train_step is keras.Model.train_step
    every_batch = _look_at_batches(callbacks)
    if keras.backend.backend() != "tensorflow" or not plain or every_batch:
        return FitEngine(model, optimizer, loss, arrays, batch_size, every_batch, weights)
    # Imported here: the module needs TensorFlow.
    from keras_efficient.training.engines.tensorflow import TensorFlowEngine

    return TensorFlowEngine(model, optimizer, loss, arrays, batch_size, weights)


def reason_against_compiled(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: Loss,
    label_dimensions: int,
    callbacks: Sequence[keras.callbacks.Callback],
    most_products: int | None = None,
) -> str | None:
    """Why the engine in C cannot train this here, or (with a limit) should not; None: it can."""
    from keras_efficient.training.engines.compiled import NotSupportedError, check_support

    try:
        if _look_at_batches(callbacks):
            raise NotSupportedError("a callback that looks at batches")
        _, program = check_support(model, optimizer, loss, label_dimensions)
        if most_products is not None and program.products > most_products:
            return f"a sample takes {program.products:,} products; above {most_products:,} Keras is about as fast"
    except NotSupportedError as error:
        return f"the compiled engine does not support {error}"
    return reason_against_library()


def reason_against_library() -> str | None:
    """Why the engine in C cannot be had on this machine; None: it can."""
    from keras_efficient.training.engines.compiled import LibraryError, load_library, threads

    threads()  # a wrong number of them is an error, before a file is written
    try:
        load_library()
    except LibraryError as error:
        return str(error)
    return None


def _look_at_batches(callbacks):
    """Whether a callback has a hook of its own for batches, in its class or (as `LambdaCallback`) as an attribute."""
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    functions = [
        (getattr(callback, hook), getattr(keras.callbacks.Callback, hook)) for callback in callbacks for hook in hooks
    ]
    return any(getattr(function, "__func__", None) is not plain for function, plain in functions)
