"""Engines: how an epoch is computed. They share the interface of `FitEngine`."""

import warnings
from collections.abc import Sequence

import keras

from keras_efficient.training.engines.engine import Arrays, Engine, Loss, Optimizer
from keras_efficient.training.engines.fit import FitEngine

DEFAULT_ENGINE = "keras"
ENGINES = (DEFAULT_ENGINE, "compiled")


def check_engine(engine: str) -> str:
    """Raise a ValueError unless `engine` is the name of one."""
    if engine not in ENGINES:
        raise ValueError(f"`engine` must be one of {ENGINES}. Received: engine={engine!r}")
    return engine


def make_engine(
    model: keras.Model,
    optimizer: Optimizer,
    loss: Loss,
    arrays: Arrays,
    batch_size: int,
    callbacks: Sequence[keras.callbacks.Callback],
    engine: str = DEFAULT_ENGINE,
) -> Engine:
    """The engine asked for if it can do the job, else the fastest that can.

    On TensorFlow a whole epoch is one graph call. A model with its own `train_step`, callbacks
    that look at batches, and the other backends go through `model.fit`.
    """
    plain = type(model).train_step is keras.Model.train_step
    every_batch = _look_at_batches(callbacks)
    if engine == "compiled":
        compiled = _compiled_engine(model, optimizer, loss, arrays, batch_size, every_batch)
        if compiled is not None:
            return compiled
    if keras.backend.backend() != "tensorflow" or not plain or every_batch:
        return FitEngine(model, optimizer, loss, arrays, batch_size, every_batch)
    # Imported here: the module needs TensorFlow.
    from keras_efficient.training.engines.tensorflow import TensorFlowEngine

    return TensorFlowEngine(model, optimizer, loss, arrays, batch_size)


def _compiled_engine(model, optimizer, loss, arrays, batch_size, every_batch):
    """The engine in C; None, with a warning that says why, where it cannot do the job."""
    from keras_efficient.training.engines.compiled import CompiledEngine, LibraryError, NotSupportedError

    try:
        if every_batch:
            raise NotSupportedError("a callback that looks at batches")
        return CompiledEngine(model, optimizer, loss, arrays, batch_size)
    except NotSupportedError as error:
        reason = f"it does not support {error}"
    except LibraryError as error:
        reason = str(error)
    warnings.warn(f"The compiled engine is not used, Keras trains instead: {reason}", stacklevel=2)
    return None


def _look_at_batches(callbacks):
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    return any(_overrides(callback, hook) for callback in callbacks for hook in hooks)


def _overrides(callback, hook):
    """Whether a callback has a hook of its own, in its class or (as `LambdaCallback`) as an attribute."""
    function = getattr(getattr(callback, hook), "__func__", None)
    return function is not getattr(keras.callbacks.Callback, hook)
