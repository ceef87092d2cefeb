"""PruningCallback: masks that follow the training."""

from __future__ import annotations

from typing import Any

import keras

from keras_efficient.pruning.updates import prunable_layers, update_masks
from keras_efficient.type_aliases import Config


@keras.saving.register_keras_serializable(package="keras_efficient")
class PruningCallback(keras.callbacks.Callback):
    """Updates the masks of a model's `Prunable` layers while it trains: `model.fit(..., callbacks=[it])`.

    Step n of a schedule lies before the n-th training batch, counted from 0; the step whose number is the
    count of all batches lies behind the last one. The layers keep the number of batches they have seen: it is
    saved with the model, and a later `fit` goes on counting. With `steps_per_execution` k the updates that are
    due within k batches come at their end.

    Raises (when training starts):
        ValueError: If the model has no `Prunable` layer.
    """

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        layers = prunable_layers(self.model)
        if not layers:
            raise ValueError(
                f"Model '{self.model.name}' has no Prunable layer for PruningCallback to update: wrap its layers with "
                "`keras_efficient.prune_model` before."
            )
        self._schedules = {layer.schedule for layer in layers}
        self._step = max(int(keras.ops.convert_to_numpy(layer.step)) for layer in layers)
        if self._step < 0:
            self._step = 0
            update_masks(self.model, 0)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._first_batch = batch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        for _ in range(batch - self._first_batch + 1):
            self._step += 1
            if any(schedule.updates_at(self._step) for schedule in self._schedules):
                self._write_step()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._write_step()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._write_step()

    def get_config(self) -> Config:
        return {}

    def _write_step(self):
        # Only JAX keeps the weights elsewhere while it trains.
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        update_masks(self.model, self._step)
