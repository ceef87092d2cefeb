"""What the engines have in common, and the plainest: `model.fit`, for any backend, any model, batch callbacks."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np

from keras_efficient.training.data import count, samples

# What a model is compiled with.
Loss: TypeAlias = str | keras.losses.Loss | Callable[..., Any]
Optimizer: TypeAlias = str | keras.optimizers.Optimizer
# x, y, x_val, y_val; of several inputs or outputs lists or dictionaries of arrays.
Arrays: TypeAlias = tuple[Any, Any, Any, Any]
# Of the training and the validation samples; None: all are 1.
Weights: TypeAlias = tuple[np.ndarray | None, np.ndarray | None]
NO_WEIGHTS: Weights = (None, None)


class Engine:
    """Trains a model one epoch at a time and evaluates it on the validation samples; `FitEngine` is the plainest."""

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    batch_size: int
    x: Any

    def set_callbacks(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Take the callbacks of the coming trial, where they can look at batches."""

    def train_epoch(self, order: np.ndarray) -> float:
        """Train on all samples in the given order; the mean loss."""
        raise NotImplementedError

    def evaluate(self) -> tuple[float, Any]:
        """Validation loss, and what the network gives for the validation samples, as arrays."""
        raise NotImplementedError


class FitEngine(Engine):
    """An engine for any model, which is compiled here; `every_batch`: callbacks must see every single batch."""

    def __init__(
        self,
        model: keras.Model,
        optimizer: Optimizer,
        loss: Loss,
        arrays: Arrays,
        batch_size: int,
        every_batch: bool = False,
        weights: Weights = NO_WEIGHTS,
    ):
        self.model = model
        self.x, self.y, self.x_val, self.y_val = arrays
        self.weights, self.val_weights = weights
        self.batch_size = min(batch_size, count(self.x))
        on_tensorflow = keras.backend.backend() == "tensorflow"
        # PyTorch takes one step at a time; so do callbacks that want to see every batch.
        one_by_one = every_batch or keras.backend.backend() == "torch"
        model.compile(
            optimizer,
            loss,
            # XLA makes small convolutions several times slower on a CPU under TensorFlow.
            jit_compile=False if on_tensorflow else "auto",
            steps_per_execution=1 if one_by_one else -(-count(self.x) // self.batch_size),
        )
        if keras.backend.backend() == "torch":
            # The first call builds the metrics on a dummy batch, which draws random numbers. Done here, the first
            # trial is like every other.
            model.evaluate(samples(self.x, slice(1)), samples(self.y, slice(1)), verbose=0)
        self.optimizer = model.optimizer
        # After that call: a subclassed model may have no weights before.
        self.optimizer.build(model.trainable_variables)

    def set_callbacks(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        # The hooks of batches alone: the driver itself calls those of epochs and training.
        hooks = ("on_train_batch_begin", "on_train_batch_end")
        self.batch_callbacks = [
            keras.callbacks.LambdaCallback(**{hook: getattr(callback, hook) for hook in hooks})
            for callback in callbacks
        ]

    def train_epoch(self, order: np.ndarray) -> float:
        x, y, weights = (samples(part, order) for part in (self.x, self.y, self.weights))
        how: dict[str, Any] = {"batch_size": self.batch_size, "shuffle": False, "verbose": 0}
        return self.model.fit(x, y, sample_weight=weights, callbacks=self.batch_callbacks, **how).history["loss"][0]

    def evaluate(self) -> tuple[float, Any]:
        outputs = self.model.predict(self.x_val, batch_size=1024, verbose=0)
        return validation_loss(self.model, self.y_val, outputs, self.val_weights), outputs


def validation_loss(model: keras.Model, y: Any, outputs: Any, weights: np.ndarray | None = None) -> float:
    """The loss of a compiled model for its outputs, as arrays."""
    y, y_pred, sample_weight = (
        None if part is None else keras.tree.map_structure(keras.ops.convert_to_tensor, part)
        for part in (y, outputs, weights)
    )
    loss = model.compute_loss(x=None, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)
    return float(keras.ops.convert_to_numpy(loss))
