"""One trial: train from a seed, keep the best weights, write everything down."""

import hashlib
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_efficient.files import check_archive, damaged, read_json, write_atomically, write_json
from keras_efficient.quantization import scale_table
from keras_efficient.training.data import count
from keras_efficient.training.halving import Goal
from keras_efficient.training.progress import OnEpoch
from keras_efficient.training.state import TrialState

LOSS_CHECKPOINT = "min_val_loss.keras"
RECORD, _CORRECT = "trial.json", "validation.npz"
_ADVICE = "Delete trial.json beside it, and the trial runs again."


@dataclass
class TrialResult:
    """What is kept of a trial. `epoch`, `val_loss`, `val_accuracy` and `val_metrics` belong to one checkpoint, that of
    the lowest validation loss; with `rule="objective"` that of the best objective. They are empty where it failed.

    Attributes:
        trial: Index in its stage, from 0.
        seed: Seed of its initial weights, shuffles and dropout.
        status: `"finished"`, `"failed"`, or `"stopped"`: by the `Halving` of its stage. Of a trial
            that still waits for the others, `"paused"`.
        reason: Why it failed or was stopped.
        epoch: Epoch of that checkpoint, from 1.
        val_accuracy: None where the run measures no accuracy.
        val_metrics: All that is measured by its name, the loss among it.
        max_accuracy: `epoch`, `val_loss`, `val_accuracy` of the highest validation accuracy, if that is the objective.
        best_objective: The same of the best objective, with all that is measured.
        history: Lists by epoch: loss, val_loss, a val_NAME for each metric, learning_rate.
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
    val_metrics: dict = field(default_factory=dict)
    max_accuracy: dict | None = None
    best_objective: dict | None = None
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


def check_checkpoint(path: Path) -> Path:
    """The checkpoint of a finished trial; a ValueError names it if it is missing or damaged."""
    check_archive(path, _ADVICE)
    return path


def read_correct(directory: Path) -> np.ndarray:
    """Which validation samples the trial's checkpoint gets right (booleans), where the run measures an accuracy."""
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

    def offer(self, key: float, model: keras.Model, correct: np.ndarray | None, summary: dict[str, Any]) -> None:
        """Keep this epoch if `key` is lower than every earlier one."""
        if key < self.key:
            self.key, self.correct, self.summary = key, correct, summary
            self.weights = model.get_weights()


class Trial:
    """Runs one trial on the model of a `StageTrainer`, whose weights already stand at the start.

    `result` is the record to fill; `on_epoch` is called with the number of each epoch (from 1) and its logs.
    """

    def __init__(self, trainer: Any, result: TrialResult, on_epoch: OnEpoch, save_seconds: float):
        self.model, self.engine, self.stage = trainer.model, trainer.engine, trainer.stage
        self.measuring, self.measures, self.y_val = trainer.measuring, trainer.measuring.measures, trainer.data.y_val
        self.result, self.on_epoch, self.save_seconds = result, on_epoch, save_seconds
        self.by_loss, self.by_objective = Best(), Best()
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
        state.path.unlink(missing_ok=True)  # the record says all
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
        _reseed(self.model, self.result.seed, epoch)
        order = epoch_order(self.result.seed, epoch, count(self.engine.x), self.stage.samples_per_epoch)
        loss = self.engine.train_epoch(order)
        val_loss, outputs = self.engine.evaluate()
        metrics, correct = self.measuring(self.y_val, outputs)
        measured = {"val_loss": val_loss, **{f"val_{name}": value for name, value in metrics.items()}}
        rate = float(keras.ops.convert_to_numpy(self.engine.optimizer.learning_rate))
        logs = {"loss": loss, **measured, "learning_rate": rate}
        objective = self.measures.worth(measured)
        if np.isfinite([loss, val_loss, objective]).all():
            summary = {"epoch": epoch + 1, **measured}
            self.by_loss.offer(val_loss, self.model, correct, summary)
            self.by_objective.offer(objective, self.model, correct, summary)
        else:
            what = "objective" if np.isfinite([loss, val_loss]).all() else "loss"
            self.result.status = "failed"
            self.result.reason = f"The {what} is not finite after epoch {epoch + 1}"
        for name, value in logs.items():
            self.result.history.setdefault(name, []).append(value)
        return logs

    @property
    def _kept(self) -> Any:
        """The epoch that stands for the trial."""
        return self.by_objective if self.measures.keeps_objective else self.by_loss

    def _summarise(self, start_scales):
        result, kept, best = self.result, self._kept.summary, self.by_objective.summary or {}
        result.epoch, result.val_loss, result.val_accuracy = kept["epoch"], kept["val_loss"], kept.get("val_accuracy")
        result.val_metrics = {name.removeprefix("val_"): value for name, value in kept.items() if name != "epoch"}
        result.best_objective = best
        if self.measures.objective == ("val_accuracy", "max"):
            result.max_accuracy = {name: best[name] for name in ("epoch", "val_loss", "val_accuracy")}
        self.model.set_weights(self._kept.weights)
        self.result.scales = [
            {"layer": start["layer"], "weight": start["weight"], "start": start["log2_scale"], "end": end["log2_scale"]}
            for start, end in zip(start_scales, scale_table(self.model), strict=True)
        ]

    def _write_checkpoints(self, directory):
        correct = self._kept.correct
        if correct is not None:
            arrays: dict[str, Any] = {"correct": np.packbits(correct), "samples": len(correct)}
            write_atomically(directory / _CORRECT, lambda path: np.savez(path, **arrays))
        files = {self.measures.objective_checkpoint: self.by_objective, LOSS_CHECKPOINT: self.by_loss}
        for name, best in files.items():
            self.model.set_weights(best.weights)
            write_atomically(directory / name, self.model.save)


def trial_seed(seed: int, stage: int, trial: int) -> int:
    """The seed of a trial, a function of the run's seed and its place only."""
    digest = hashlib.sha256(f"{seed}/{stage}/{trial}".encode()).digest()
    return int.from_bytes(digest[:4], "little") >> 1


def _reseed(model: keras.Model, *seed: int) -> None:
    """Let the dropout of an epoch depend on `seed` alone."""
    states = [variable for variable in model.variables if variable.name == "seed_generator_state"]
    for number, state in enumerate(states):
        words = np.random.SeedSequence([*seed, number]).generate_state(2)
        state.assign(words.astype(keras.backend.standardize_dtype(state.dtype)))
    if keras.backend.backend() == "torch":
        import torch

        # There, dropout without a seed of its own draws from the global generator.
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))


def epoch_order(seed: int, epoch: int, samples: int, drawn: int | None = None) -> np.ndarray:
    """The samples of an epoch, in order: `drawn` of them (None: all), a new shuffle whenever all have been drawn."""
    drawn = samples if drawn is None else drawn
    parts, start, stop = [], epoch * drawn, (epoch + 1) * drawn
    while start < stop:
        shuffle, place = divmod(start, samples)
        part = np.random.default_rng([seed, shuffle]).permutation(samples)[place : place + stop - start]
        parts.append(part)
        start += len(part)
    return np.concatenate(parts)
