"""PruningCallback: masks that follow the training."""

import warnings
from typing import Any

import keras

from keras_efficient.pruning.updates import prunable_layers, update_masks


@keras.saving.register_keras_serializable(package="keras_efficient")
class PruningCallback(keras.callbacks.Callback):
    """Updates the masks of a model's `Prunable` layers while it trains: `model.fit(..., callbacks=[it])`.

    Step n of a schedule lies before the n-th training batch, counted from 0; the step whose number is the
    count of all batches lies after the last one. The layers keep the number of batches they have seen, after every
    batch: it is saved with the model, and a later `fit`, or one that `keras.callbacks.BackupAndRestore` continues,
    goes on counting. With `steps_per_execution` k the updates that are due within k batches come at their end; in a
    model that its first batch builds, step 0 comes after that batch.

    Raises (when training starts):
        ValueError: If the model has no `Prunable` layer.
        Warns when training ends before a schedule has reached what it aims at.
    """

    def on_train_begin(self, logs: Any = None) -> None:
        if not prunable_layers(self.model):
            raise ValueError(
                f"Model '{self.model.name}' has no Prunable layer for PruningCallback to update: wrap its layers with "
                "`keras_efficient.prune_model` before."
            )
        self._step, self._started = 0, False

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._first_batch = batch
        # Not when training begins: a backup is restored by then, or only then.
        if not self._started and all(layer.built for layer in prunable_layers(self.model)):
            self._start()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not self._started:
            self._start()
        for _ in range(batch - self._first_batch + 1):
            self._step += 1
            if any(layer.schedule.updates_at(self._step) for layer in self._layers):
                self._sync()
                update_masks(self.model, self._step)
        self._sync()
        for layer in self._layers:
            layer.step.assign(self._step)

    def on_train_end(self, logs: Any = None) -> None:
        late = [layer for layer in self._layers if self._step < layer.schedule.last_step] if self._started else []
        if late:
            warnings.warn(
                f"Training ended after {self._step} batches, before {late[0].schedule!r} has reached what it aims at, "
                f"at step {late[0].schedule.last_step}: {len(late)} layers have fewer zeros, '{late[0].name}' a share "
                f"of {late[0].sparsity:.3f}.",
                stacklevel=2,
            )

    def get_config(self) -> dict[str, Any]:
        return {}

    def _start(self) -> None:
        self._layers, self._started = prunable_layers(self.model), True
        self._step = max(int(keras.ops.convert_to_numpy(layer.step)) for layer in self._layers)
        if self._step < 0:
            self._step = 0
            update_masks(self.model, 0)

    def _sync(self) -> None:
        """Only JAX keeps the weights elsewhere while it trains."""
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
