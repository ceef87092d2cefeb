"""A run: its settings, its directories, its trials."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_efficient.training.data import TrainingData
from keras_efficient.training.manifest import make_manifest, open_directory
from keras_efficient.training.network_source import NetworkSource
from keras_efficient.training.progress import SilentProgress
from keras_efficient.training.results import StageResult
from keras_efficient.training.selection import check_rule, select, selection_score
from keras_efficient.training.stage import Stage
from keras_efficient.training.stage_trainer import StageTrainer, trial_seed
from keras_efficient.training.trial import LOSS_CHECKPOINT, TrialResult


@dataclass(frozen=True)
class Run:
    """The settings of a run; its methods do the work. Can be sent to a worker process."""

    source: NetworkSource
    data: TrainingData
    stages: tuple[Stage, ...]
    directory: Path
    rule: str | Callable
    seed: int
    # Tells the runs apart that a worker has seen.
    token: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)

    @classmethod
    def prepare(cls, config, data, stages, directory, rule, seed):
        data = TrainingData.from_arrays(data)
        source = NetworkSource(config, data.input_shape)
        run = cls(source, data, _check_stages(stages), Path(directory), check_rule(rule), int(seed))
        # What is wrong with the network or the labels shows here, before a file is written.
        outputs = source.outputs()
        if outputs is not None:
            data.check_labels(outputs)
        open_directory(run.directory, make_manifest(source, data, run.stages, rule, run.seed))
        return run

    def trial_directory(self, stage: int, trial: int) -> Path:
        """Where the files of a trial are."""
        mode = self.stages[stage].mode
        return self.directory / "stages" / f"{stage}_{mode}" / f"trial_{trial:03d}"

    def all_stages(self, executor, progress):
        """Run what is left of every stage; a `StageResult` for each."""
        outcomes = []
        for number, stage in enumerate(self.stages):
            progress.stage(number + 1, len(self.stages), stage.mode, stage.trials, stage.epochs)
            start = self._start_of(number, outcomes)
            trials = self._stage_trials(number, start, executor, progress)
            _check_some_finished(trials, number, stage.mode)
            chosen = select(trials, self.rule, len(self.data.x_val))
            outcomes.append(StageResult(stage.mode, tuple(self._scored(trials)), chosen))
        return outcomes

    def _start_of(self, number, outcomes):
        if number == 0:
            return None
        return self.trial_directory(number - 1, outcomes[-1].chosen) / LOSS_CHECKPOINT

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


def _check_some_finished(trials, number, mode):
    if all(trial.status == "failed" for trial in trials):
        raise ValueError(
            f"All {len(trials)} trials of stage {number} ({mode}) failed; the first: {trials[0].reason}. "
            "Try a lower learning rate, in another directory."
        )


# The trainer of a worker (a process, or a thread of one): built at its first trial of a stage, used for the others.
_worker = threading.local()


def _run_in_worker(run, number, start, index):
    if getattr(_worker, "stage", None) != (run.token, number):
        _worker.trainer = run.trainer(number, start)
        _worker.stage = (run.token, number)
    return run.run_trial(_worker.trainer, number, index, SilentProgress())


def _check_stages(stages):
    stages = tuple(stages)
    if not stages or not all(isinstance(stage, Stage) for stage in stages):
        raise ValueError(f"`stages` must be a list of keras_efficient.Stage, at least one. Received: {stages!r}")
    return stages
