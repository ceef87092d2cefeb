"""Engines: how an epoch is computed. They share the interface of `FitEngine`."""

import keras

from keras_efficient.training.engines.fit import FitEngine


def make_engine(model, optimizer, loss, arrays, batch_size, callbacks):
    """The fastest engine that can do the job.

    On TensorFlow a whole epoch is one graph call. A model with its own `train_step`, callbacks
    that look at batches, and the other backends go through `model.fit`.
    """
    plain = type(model).train_step is keras.Model.train_step
    every_batch = _look_at_batches(callbacks)
    if keras.backend.backend() != "tensorflow" or not plain or every_batch:
        return FitEngine(model, optimizer, loss, arrays, batch_size, every_batch)
    # Imported here: the module needs TensorFlow.
    from keras_efficient.training.engines.tensorflow import TensorFlowEngine

    return TensorFlowEngine(model, optimizer, loss, arrays, batch_size)


def _look_at_batches(callbacks):
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    return any(_overrides(callback, hook) for callback in callbacks for hook in hooks)


def _overrides(callback, hook):
    """Whether a callback has a hook of its own, in its class or (as `LambdaCallback`) as an attribute."""
    function = getattr(getattr(callback, hook), "__func__", None)
    return function is not getattr(keras.callbacks.Callback, hook)
