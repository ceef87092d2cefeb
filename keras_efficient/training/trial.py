"""One trial: train from a seed, keep the best weights, write everything down."""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_efficient.files import check_archive, damaged, read_json, write_atomically, write_json
from keras_efficient.quantization import scale_table
from keras_efficient.training.engines.engine import Engine
from keras_efficient.training.halving import Goal
from keras_efficient.training.progress import OnEpoch
from keras_efficient.training.randomness import epoch_order, reseed
from keras_efficient.training.stage import Stage
from keras_efficient.training.state import SAVE_SECONDS, TrialState

LOSS_CHECKPOINT = "min_val_loss.keras"
ACCURACY_CHECKPOINT = "max_val_accuracy.keras"
RECORD, _CORRECT = "trial.json", "validation.npz"
_ADVICE = "Delete trial.json beside it, and the trial runs again."


@dataclass
class TrialResult:
    """What is kept of a trial. `val_loss` and `val_accuracy` belong to one checkpoint, that of
    the lowest validation loss; both are None where the trial failed.

    Attributes:
        trial: Index in its stage, from 0.
        seed: Seed of its initial weights, shuffles and dropout.
        status: `"finished"`, `"failed"`, or `"stopped"`: by the `Halving` of its stage. Of a trial
            that still waits for the others, `"paused"`.
        reason: Why it failed or was stopped.
        epoch: Epoch of the lowest validation loss, from 1.
        max_accuracy: `epoch`, `val_loss`, `val_accuracy` of the highest validation accuracy.
        history: Lists by epoch: loss, val_loss, val_accuracy, learning_rate.
        scales: The log2 scales at the start (after calibration) and at the end.
        score: Its selection score among the trials of its stage, once all have run.
    """

    trial: int
    seed: int
    status: str = "finished"
    reason: str | None = None
    epoch: int | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    max_accuracy: dict | None = None
    history: dict = field(default_factory=dict)
    scales: list = field(default_factory=list)
    score: float | None = None
    train_seconds: float = 0.0

    def write(self, directory: Path) -> None:
        """Write the record. It comes last: a directory that has it holds a finished trial."""
        write_json(directory / RECORD, asdict(self))

    @classmethod
    def read(cls, directory: Path) -> "TrialResult | None":
        """The record of a finished (or stopped, or failed) trial; None where there is none."""
        path = Path(directory) / RECORD
        if not path.exists():
            return None
        advice = "Delete it, and the trial runs again."
        try:
            return cls(**read_json(path, advice))
        except TypeError as error:
            raise damaged(path, error, advice) from error


def check_checkpoint(path: Path) -> None:
    """Raise a ValueError that names the checkpoint of a finished trial if it is missing or damaged."""
    check_archive(path, _ADVICE)


def read_correct(directory: Path) -> np.ndarray:
    """Which validation samples the trial's lowest-loss checkpoint gets right (booleans)."""
    path = Path(directory) / _CORRECT
    check_archive(path, _ADVICE)
    with np.load(path) as file:
        return np.unpackbits(file["correct"], count=int(file["samples"])).astype(bool)


class Best:
    """The weights of the best epoch so far by one measure."""

    def __init__(self):
        self.key = np.inf
        self.weights: list[np.ndarray] | None = None
        self.correct: np.ndarray | None = None
        self.summary: dict[str, Any] | None = None

    def offer(self, key: float, model: keras.Model, correct: np.ndarray, summary: dict[str, Any]) -> None:
        """Keep this epoch if `key` is lower than every earlier one."""
        if key < self.key:
            self.key, self.correct, self.summary = key, correct, summary
            self.weights = model.get_weights()


class Trial:
    """Runs one trial on a model whose weights already stand at the start.

    Args:
        model: The whole network, for checkpoints.
        engine: Trains and evaluates it.
        stage: The settings.
        result: The record to fill.
        on_epoch: Called with the number of each epoch (from 1) and its logs.
        save_seconds: Time between two saves of the running trial's state; see `TrialState`.
    """

    def __init__(
        self,
        model: keras.Model,
        engine: Engine,
        stage: Stage,
        result: TrialResult,
        on_epoch: OnEpoch,
        save_seconds: float = SAVE_SECONDS,
    ):
        self.model, self.engine, self.stage = model, engine, stage
        self.result, self.on_epoch, self.save_seconds = result, on_epoch, save_seconds
        self.by_loss, self.by_accuracy = Best(), Best()
        self._started = time.perf_counter()

    def run(self, directory: Path, goal: Goal | None = None) -> TrialResult:
        """Train all epochs, or those that are left, and leave checkpoints and record in `directory`.

        With a goal short of the last epoch the trial pauses there: its state is all it leaves, and the next call goes
        on from it; or it is stopped there, with the checkpoints and the record of a trial that was to end there.
        """
        start_scales = scale_table(self.model)
        state = TrialState(self, directory, self.save_seconds)
        goal = goal or Goal(self.stage.epochs)
        ended = self._train(state, min(goal.epochs, self.stage.epochs))
        self.result.train_seconds = self.seconds()
        if not ended:
            self.result.status, self.result.reason = "paused" if goal.stopped is None else "stopped", goal.stopped
        if self.result.status == "paused":
            return self.result
        if self.result.status != "failed":
            self._summarise(start_scales)
            self._write_checkpoints(directory)
        self.result.write(directory)
        state.remove()
        return self.result

    def seconds(self) -> float:
        """How long the trial has trained, with what it did before it was interrupted."""
        return self.result.train_seconds + time.perf_counter() - self._started

    def _train(self, state, last):
        """Train until `last` epochs are done; whether the trial is at its end. If not, its state is saved."""
        first = state.restore()
        callbacks = keras.callbacks.CallbackList(
            self.stage.make_callbacks(), model=self.engine.model, epochs=self.stage.epochs, verbose=0
        )
        self.engine.set_callbacks(callbacks.callbacks)
        self.engine.model.stop_training = False
        callbacks.on_train_begin()
        ended = False
        for epoch in range(first, last):
            self.engine.optimizer.learning_rate = self.stage.learning_rate_at(epoch)
            callbacks.on_epoch_begin(epoch)  # may choose another learning rate
            logs = self.run_epoch(epoch)
            callbacks.on_epoch_end(epoch, logs)
            self.on_epoch(epoch + 1, logs)
            ended = self._has_ended(epoch)
            if ended:
                break
            if epoch + 1 < last:
                state.save_when_due()
            elif last < self.stage.epochs:
                state.save()
        callbacks.on_train_end()
        return ended

    def _has_ended(self, epoch):
        stops = self.result.status == "failed" or self.engine.model.stop_training
        patience, best = self.stage.patience, self.by_loss.summary
        waits_in_vain = patience is not None and best is not None and epoch + 1 - best["epoch"] >= patience
        return stops or epoch + 1 == self.stage.epochs or waits_in_vain

    def run_epoch(self, epoch: int) -> dict:
        """Train and evaluate one epoch, and keep its weights where they are the best so far; the logs."""
        reseed(self.model, self.result.seed, epoch)
        order = epoch_order(self.result.seed, epoch, len(self.engine.x), self.stage.samples_per_epoch)
        loss = self.engine.train_epoch(order)
        val_loss, correct = self.engine.evaluate()
        logs = {
            "loss": loss,
            "val_loss": val_loss,
            "val_accuracy": float(correct.mean()),
            "learning_rate": float(keras.ops.convert_to_numpy(self.engine.optimizer.learning_rate)),
        }
        if np.isfinite([loss, val_loss]).all():
            self._offer(epoch, val_loss, correct)
        else:
            self.result.status = "failed"
            self.result.reason = f"The loss is not finite after epoch {epoch + 1}"
        for name, value in logs.items():
            self.result.history.setdefault(name, []).append(value)
        return logs

    def _offer(self, epoch, loss, correct):
        accuracy = float(correct.mean())
        summary = {"epoch": epoch + 1, "val_loss": loss, "val_accuracy": accuracy}
        self.by_loss.offer(loss, self.model, correct, summary)
        self.by_accuracy.offer(-accuracy, self.model, correct, summary)

    def _summarise(self, start_scales):
        for name, value in (self.by_loss.summary or {}).items():
            setattr(self.result, name, value)
        self.result.max_accuracy = self.by_accuracy.summary
        self.model.set_weights(self.by_loss.weights)
        self.result.scales = [
            {"layer": start["layer"], "weight": start["weight"], "start": start["log2_scale"], "end": end["log2_scale"]}
            for start, end in zip(start_scales, scale_table(self.model), strict=True)
        ]

    def _write_checkpoints(self, directory):
        correct = self.by_loss.correct
        assert correct is not None  # of a trial that did not fail
        write_atomically(
            directory / _CORRECT,
            lambda path: np.savez(path, correct=np.packbits(correct), samples=len(correct)),
        )
        for best, name in ((self.by_accuracy, ACCURACY_CHECKPOINT), (self.by_loss, LOSS_CHECKPOINT)):
            self.model.set_weights(best.weights)
            write_atomically(directory / name, self.model.save)
