"""`train_network`: stages of trials, the best of each goes on, files that survive a crash."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np

from keras_efficient.layers.quantized.mode import MODES
from keras_efficient.quantization import diagnose
from keras_efficient.report import write_report
from keras_efficient.training.data import TrainingData, class_indices
from keras_efficient.files import read_json, write_atomically, write_json
from keras_efficient.training.manifest import make_manifest, open_directory, package_versions
from keras_efficient.training.network_source import NetworkSource
from keras_efficient.training.progress import SilentProgress, make_progress
from keras_efficient.training.results import Selection, bytes_json, trial_json
from keras_efficient.training.selection import check_rule, expected_accuracy, select, selection_score
from keras_efficient.training.stage import Stage
from keras_efficient.training.stage_trainer import StageTrainer, trial_seed
from keras_efficient.training.trial import (
    ACCURACY_CHECKPOINT,
    LOSS_CHECKPOINT,
    TrialResult,
    read_correct,
)

_RESULT, _BEST, _REPORT = "result.json", "best.keras", "report.html"
_DIAGNOSED_SAMPLES = 1000


def train_network(
    config: list | Callable[[], keras.Model],
    data: Sequence,
    stages: Sequence[Stage],
    directory: str | Path,
    executor=None,
    rule: str | Callable = "score",
    seed: int = 0,
    verbose: bool | str = "auto",
) -> Selection:
    """Train a network in stages of several trials each and keep the best.

    Each stage runs its trials, which differ in nothing but their seed; every stage after the
    first starts from the best trial of the one before. From a float stage to a quantized one
    the scales are calibrated; before frozen scales they are rounded. Source: Gural & Murmann,
    ICML 2019.

    The directory receives, for each trial, the checkpoint of the lowest validation loss, the
    one of the highest validation accuracy, and a record; at the end best.keras (the choice of
    the last stage), result.json and report.html. A call with the same arguments continues an
    interrupted run: finished trials are neither repeated nor overwritten. A finished run is
    only read.

    Args:
        config: A network description (see `build_network`), or a function without arguments
            that builds a Keras model whose outputs are class probabilities (or what the loss
            of the stages takes).
        data: (x_train, y_train, x_val, y_val) or these and (x_test, y_test): arrays; labels
            are integers or one-hot. Test data is used once, for the chosen network.
        stages: The stages in order.
        directory: Where the files go: new, empty, or a run with the same arguments.
        executor: A `concurrent.futures.Executor` whose workers run the trials; None runs them
            one after the other in this process, which is the fastest way on few cores.
        rule: How to choose among trials: `"score"` (see `selection_score`), `"val_loss"`,
            `"val_accuracy"`, or a function from a list of `TrialResult` to an index.
        seed: Decides all initial weights, shuffles and dropout.
        verbose: Progress bars: True, False, or "auto" (where a terminal watches).

    Returns:
        A `Selection`.

    Raises:
        ValueError: If an argument is wrong, the directory holds something else, or all trials
            of a stage fail.
    """
    run = _Run.prepare(config, data, stages, directory, rule, seed)
    if (run.directory / _RESULT).exists():
        return Selection.from_json(read_json(run.directory / _RESULT), run.directory)
    with make_progress(verbose) as progress:
        outcomes = run.all_stages(executor, progress)
    run.finish(outcomes)
    return Selection.from_json(read_json(run.directory / _RESULT), run.directory)


@dataclass(frozen=True)
class _Run:
    """The settings of a run; its methods do the work. Can be sent to a worker process."""

    source: NetworkSource
    data: TrainingData
    stages: tuple[Stage, ...]
    directory: Path
    rule: str | Callable
    seed: int

    @classmethod
    def prepare(cls, config, data, stages, directory, rule, seed):
        data = TrainingData.from_arrays(data)
        source = NetworkSource(config, data.input_shape)
        run = cls(source, data, _check_stages(stages), Path(directory), check_rule(rule), int(seed))
        source.build("float", 0)  # a wrong description ends here, before a file is written
        open_directory(run.directory, make_manifest(source, data, run.stages, rule, run.seed))
        return run

    def trial_directory(self, stage, trial):
        mode = self.stages[stage].mode
        return self.directory / "stages" / f"{stage + 1}_{mode}" / f"trial_{trial:03d}"

    def all_stages(self, executor, progress):
        """Run what is left of every stage; a list of (trials, chosen index)."""
        outcomes = []
        for number, stage in enumerate(self.stages):
            progress.stage(number + 1, len(self.stages), stage.mode, stage.trials, stage.epochs)
            start = self._start_of(number, outcomes)
            trials = self._stage_trials(number, start, executor, progress)
            _check_some_finished(trials, number + 1, stage.mode)
            chosen = select(trials, self.rule, len(self.data.x_val))
            outcomes.append((self._scored(trials), chosen))
        return outcomes

    def _start_of(self, number, outcomes):
        if number == 0:
            return None
        return self.trial_directory(number - 1, outcomes[-1][1]) / LOSS_CHECKPOINT

    def _stage_trials(self, number, start, executor, progress):
        stage = self.stages[number]
        found = [TrialResult.read(self.trial_directory(number, i)) for i in range(stage.trials)]
        missing = [i for i, result in enumerate(found) if result is None]
        for result in filter(None, found):
            progress.trial(result)
        if executor is None:
            trainer = self.trainer(number, start) if missing else None
            run = (self.run_trial(trainer, number, i, progress) for i in missing)
        else:
            futures = [executor.submit(_run_in_worker, self, number, start, i) for i in missing]
            run = (future.result() for future in futures)
        for index, result in zip(missing, run, strict=True):
            found[index] = result
            progress.trial(result)
        return found

    def trainer(self, number, start):
        """The model, data and engine of a stage."""
        start_mode = self.stages[number - 1].mode if number else "float"
        return StageTrainer(self.source, self.stages[number], self.data, start, start_mode)

    def run_trial(self, trainer, number, index, progress):
        """Run one trial with a stage's trainer."""
        epochs = iter(range(1, self.stages[number].epochs + 1))
        return trainer.run(
            index,
            trial_seed(self.seed, number, index),
            self.trial_directory(number, index),
            on_epoch=lambda logs: progress.epoch(index, next(epochs), logs),
        )

    def _scored(self, trials):
        losses = [np.nan if t.val_loss is None else t.val_loss for t in trials]
        accuracies = [np.nan if t.val_accuracy is None else t.val_accuracy for t in trials]
        scores = selection_score(losses, accuracies, len(self.data.x_val))
        for trial, score in zip(trials, scores, strict=True):
            trial.score = float(score)
        return trials

    def finish(self, outcomes):
        """Test the chosen network, once, and write best.keras, report.html, result.json."""
        last = len(self.stages) - 1
        trials, chosen = outcomes[last]
        checkpoint = self.trial_directory(last, chosen) / LOSS_CHECKPOINT
        model = self.source.build(self.stages[last].mode, 0)
        model.load_weights(checkpoint)
        storage = self.source.storage(model)
        best = {
            "path": _BEST,
            "stage": last,
            "trial": chosen,
            "val_loss": trials[chosen].val_loss,
            "val_accuracy": trials[chosen].val_accuracy,
            "expected_accuracy": self._expected_accuracy(last, outcomes[last]),
            **self._test(model, self.stages[last]),
            **bytes_json(storage),
        }
        result = self._result_json(outcomes, best, storage, self._diagnose(model))
        write_atomically(self.directory / _BEST, lambda path: path.write_bytes(checkpoint.read_bytes()))
        write_report(result, self.directory / _REPORT)
        write_json(self.directory / _RESULT, result)  # last: it says that all is there

    def _expected_accuracy(self, number, outcome):
        trials, chosen = outcome
        usable = [t.trial for t in trials if t.status == "finished"]
        correct = [read_correct(self.trial_directory(number, index)) for index in usable]
        return float(expected_accuracy(np.stack(correct))[usable.index(chosen)])

    def _test(self, model, stage):
        if self.data.x_test is None:
            return {"test_loss": None, "test_accuracy": None}
        outputs = model.predict(self.data.x_test, batch_size=1024, verbose=0)
        classes = class_indices(self.data.y_test)
        model.compile(loss=stage.loss_for(self.data.one_hot), optimizer="sgd")
        loss = model.compute_loss(
            x=None,
            y=keras.ops.convert_to_tensor(self.data.y_test),
            y_pred=keras.ops.convert_to_tensor(outputs),
            training=False,
        )
        accuracy = (outputs.argmax(axis=-1) == classes).mean()
        return {
            "test_loss": float(keras.ops.convert_to_numpy(loss)),
            "test_accuracy": float(accuracy),
        }

    def _diagnose(self, model):
        if not MODES[self.stages[-1].mode].quantized:
            return []
        return diagnose(model, self.data.x_val[:_DIAGNOSED_SAMPLES])

    def _result_json(self, outcomes, best, storage, diagnostics):
        data = self.data
        return {
            "format": "keras_efficient result 1",
            "network": self.source.description(),
            "input_shape": list(data.input_shape),
            "classes": int(class_indices(data.y_train).max()) + 1,
            "dataset": {
                "train": len(data.x_train),
                "validation": len(data.x_val),
                "test": 0 if data.x_test is None else len(data.x_test),
            },
            "seed": self.seed,
            "rule": self.rule if isinstance(self.rule, str) else self.rule.__qualname__,
            "backend": keras.backend.backend(),
            "versions": package_versions(),
            "best": best,
            "stages": [self._stage_json(i, *outcome) for i, outcome in enumerate(outcomes)],
            "storage": None if storage is None else storage.to_dict(),
            "diagnostics": diagnostics,
            "finished_date": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def _stage_json(self, number, trials, chosen):
        return {
            **self.stages[number].describe(),
            "chosen": chosen,
            "train_seconds": sum(trial.train_seconds for trial in trials),
            "trials": [trial_json(trial, self._paths(number, trial.trial)) for trial in trials],
        }

    def _paths(self, number, trial):
        directory = self.trial_directory(number, trial).relative_to(self.directory)
        return {
            "loss_path": (directory / LOSS_CHECKPOINT).as_posix(),
            "accuracy_path": (directory / ACCURACY_CHECKPOINT).as_posix(),
        }


def _check_some_finished(trials, number, mode):
    if all(trial.status == "failed" for trial in trials):
        raise ValueError(
            f"All {len(trials)} trials of stage {number} ({mode}) failed; the first: {trials[0].reason}. "
            "Try a lower learning rate, in another directory."
        )


# The trainer of a worker process: built at its first trial of a stage, used for the others.
_worker_trainers = {}


def _run_in_worker(run, number, start, index):
    key = (str(run.directory), number)
    if key not in _worker_trainers:
        _worker_trainers.clear()
        _worker_trainers[key] = run.trainer(number, start)
    return run.run_trial(_worker_trainers[key], number, index, SilentProgress())


def _check_stages(stages):
    stages = tuple(stages)
    if not stages or not all(isinstance(stage, Stage) for stage in stages):
        raise ValueError(
            f"`stages` must be a list of keras_efficient.Stage, at least one. Received: {stages!r}"
        )
    return stages
