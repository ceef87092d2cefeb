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
    """Saves what a running trial needs to go on, and puts it back; between two saves pass at least so many seconds.

    Shuffles and dropout are functions of the trial's seed and the epoch, so weights, the engine's variables, the best
    weights so far and the history are all there is; the resumed trial equals the uninterrupted one bit for bit.
    Callbacks keep what they know to themselves: a trial that has some starts again instead.
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
        trial = self.trial
        bests = {"by_loss": trial.by_loss, "by_objective": trial.by_objective}
        arrays = {
            "weights": trial.model.get_weights(),
            "engine": _engine_state(trial.engine),
            **{name: best.weights for name, best in bests.items()},
            "correct": [best.correct for best in bests.values() if best.correct is not None],
        }
        facts = {
            "seed": trial.result.seed,
            "history": trial.result.history,
            "train_seconds": trial.seconds(),
            **{name: [best.key, best.summary] for name, best in bests.items()},
            "arrays": {name: len(group) for name, group in arrays.items()},
        }
        named = {f"{name}.{index}": array for name, group in arrays.items() for index, array in enumerate(group)}
        named["facts"] = np.frombuffer(json.dumps(json_value(facts)).encode(), dtype=np.uint8)
        write_atomically(self.path, lambda path: np.savez(path, **named))
        self.saved = time.perf_counter()

    def restore(self) -> int:
        """Put the trial back where the file has it; how many epochs are done. A ValueError for a wrong file."""
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

    def _checked(self, facts, arrays):
        """The arrays with the types that the trial has (numpy's files forget bfloat16)."""
        if facts["seed"] != self.trial.result.seed:
            seeds = f"it is of a trial with seed {facts['seed']}, not {self.trial.result.seed}"
            raise damaged(self.path, seeds, _ADVICE)
        wanted = {"weights": self.trial.model.get_weights(), "engine": _engine_state(self.trial.engine)}
        wanted |= {"by_loss": wanted["weights"], "by_objective": wanted["weights"]}
        for name, group in wanted.items():
            found, expected = ([array.shape for array in part] for part in (arrays.get(name, ()), group))
            if found != expected:
                raise damaged(self.path, f"{name} of shapes {found}, not {expected}", _ADVICE)
            arrays[name] = [array.view(like.dtype) for array, like in zip(arrays[name], group, strict=True)]
        return arrays


def _engine_state(engine):
    """What an engine carries from epoch to epoch besides the model's weights."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in engine.optimizer.variables]


def _read(path):
    try:
        with np.load(path) as file:
            facts = json.loads(file["facts"].tobytes())
            counts = facts["arrays"].items()
            arrays = {name: [file[f"{name}.{index}"] for index in range(count)] for name, count in counts}
    except Exception as error:  # what a file cut or changed anywhere makes numpy and zipfile say
        raise damaged(path, error, _ADVICE) from error
    return facts, arrays
