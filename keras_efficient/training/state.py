"""The state of a running trial in one file: with it, the trial goes on as if it had never stopped."""

import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_efficient.files import damaged, json_value, write_atomically

STATE = "state.npz"
# A few seconds of training are cheaper to repeat than to write down.
SAVE_SECONDS = 30.0
_ADVICE = "Delete it, and the trial starts again at its first epoch."


class TrialState:
    """Saves what a running trial needs to go on, and puts it back.

    Shuffles and dropout are functions of the trial's seed and the epoch, so weights, the engine's
    variables, the best weights so far and the history are all there is; the resumed trial equals
    the uninterrupted one bit for bit. Callbacks keep what they know to themselves: a trial that
    has some starts again instead.

    Args:
        trial: The `Trial`.
        directory: Where its files are.
        seconds: How much time passes between two saves, at least; 0 saves after every epoch.
    """

    def __init__(self, trial: Any, directory: Path, seconds: float = SAVE_SECONDS):
        self.trial, self.path, self.seconds = trial, Path(directory) / STATE, seconds
        self.used = not trial.stage.callbacks
        self.saved = time.perf_counter()

    def save_when_due(self) -> None:
        """Write the state, unless it was written a short while ago."""
        if self.used and time.perf_counter() - self.saved >= self.seconds:
            self.save()

    def save(self) -> None:
        """Write the state."""
        arrays = self._arrays()
        facts = {**self._facts(), "arrays": {name: len(group) for name, group in arrays.items()}}
        write_atomically(self.path, lambda path: _write(path, facts, arrays))
        self.saved = time.perf_counter()

    def restore(self) -> int:
        """Put the trial back where the file has it; the number of epochs that are done.

        Raises:
            ValueError: If the file is damaged or belongs to another trial.
        """
        if not self.used or not self.path.exists():
            return 0
        facts, arrays = _read(self.path)
        arrays = self._checked(facts, arrays)
        trial = self.trial
        trial.model.set_weights(arrays["weights"])
        for variable, array in zip(trial.engine.optimizer.variables, arrays["engine"], strict=True):
            variable.assign(array)
        for name, correct in zip(("by_loss", "by_objective"), arrays["correct"] or (None, None), strict=True):
            best = getattr(trial, name)
            best.key, best.summary = facts[name]
            best.weights, best.correct = arrays[name], correct
        trial.result.history = facts["history"]
        trial.result.train_seconds = facts["train_seconds"]
        return len(facts["history"]["loss"])

    def remove(self) -> None:
        """The trial is finished: its record says all."""
        self.path.unlink(missing_ok=True)

    def _arrays(self):
        trial = self.trial
        return {
            "weights": trial.model.get_weights(),
            "engine": _engine_state(trial.engine),
            "by_loss": trial.by_loss.weights,
            "by_objective": trial.by_objective.weights,
            "correct": [best.correct for best in (trial.by_loss, trial.by_objective) if best.correct is not None],
        }

    def _facts(self):
        trial = self.trial
        return {
            "seed": trial.result.seed,
            "history": trial.result.history,
            "train_seconds": trial.seconds(),
            "by_loss": [trial.by_loss.key, trial.by_loss.summary],
            "by_objective": [trial.by_objective.key, trial.by_objective.summary],
        }

    def _checked(self, facts, arrays):
        """The arrays with the types that the trial has (numpy's files forget bfloat16)."""
        if facts["seed"] != self.trial.result.seed:
            seeds = f"it is of a trial with seed {facts['seed']}, not {self.trial.result.seed}"
            raise damaged(self.path, seeds, _ADVICE)
        wanted = {"weights": self.trial.model.get_weights(), "engine": _engine_state(self.trial.engine)}
        wanted |= {"by_loss": wanted["weights"], "by_objective": wanted["weights"]}
        for name, group in wanted.items():
            found, expected = _shapes(arrays.get(name, ())), _shapes(group)
            if found != expected:
                raise damaged(self.path, f"{name} of shapes {found}, not {expected}", _ADVICE)
            arrays[name] = [array.view(like.dtype) for array, like in zip(arrays[name], group, strict=True)]
        return arrays


def _engine_state(engine):
    """What an engine carries from epoch to epoch besides the model's weights."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in engine.optimizer.variables]


def _shapes(group):
    return [tuple(array.shape) for array in group]


def _write(path, facts, arrays):
    named = {f"{name}.{index}": array for name, group in arrays.items() for index, array in enumerate(group)}
    text = json.dumps(json_value(facts)).encode()
    np.savez(path, facts=np.frombuffer(text, dtype=np.uint8), **named)


def _read(path):
    try:
        with np.load(path) as file:
            facts = json.loads(file["facts"].tobytes())
            counts = facts["arrays"].items()
            arrays = {name: [file[f"{name}.{index}"] for index in range(count)] for name, count in counts}
    except Exception as error:  # what a file cut or changed anywhere makes numpy and zipfile say
        raise damaged(path, error, _ADVICE) from error
    return facts, arrays
