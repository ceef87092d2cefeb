"""A run: its settings, its directories, its trials."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from numbers import Real
from pathlib import Path
from typing import Any, Self

import keras

from keras_efficient.folders import is_tidy
from keras_efficient.kinds.arguments import path_of
from keras_efficient.layers.arguments import whole_number
from keras_efficient.training.data import TrainingData, count
from keras_efficient.training.distillation import distilled
from keras_efficient.training.engine_choice import choose_engine
from keras_efficient.training.engines import DEFAULT_ENGINE, KERAS_ENGINE, check_engine
from keras_efficient.training.executors.tasks import Executor
from keras_efficient.training.executors.trials import StageWork, remote_trials, shared
from keras_efficient.training.halving import Goal, climb
from keras_efficient.training.labels import Labels
from keras_efficient.training.manifest import check_directory, keep_choice, make_manifest, opened, remove_leftovers
from keras_efficient.training.measures import Measures
from keras_efficient.training.network_source import NetworkSource
from keras_efficient.training.prefix import PrefixCache
from keras_efficient.training.preparation import prepare
from keras_efficient.training.progress import SilentProgress
from keras_efficient.training.results import StageResult
from keras_efficient.training.selection import Rule, candidate_values, candidates, check_rule, select, selection_score
from keras_efficient.training.stage import Stage
from keras_efficient.training.stage_trainer import StageTrainer, trial_seed
from keras_efficient.training.state import SAVE_SECONDS
from keras_efficient.training.trial import LOSS_CHECKPOINT, TrialResult, check_checkpoint


@dataclass(frozen=True)
class Run:
    """The settings of a run; its methods do the work. Goes to the workers without its data."""

    source: NetworkSource
    data: TrainingData
    stages: tuple[Stage, ...]
    directory: Path
    measures: Measures
    seed: int
    labels: Labels = None
    save_seconds: float = SAVE_SECONDS
    engine: str = KERAS_ENGINE
    prefixes: PrefixCache | None = field(default=None, compare=False)
    # Tells the runs apart that a worker has seen.
    token: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)

    @classmethod
    def prepare(
        cls,
        config: list | Callable[[], keras.Model],
        data: Sequence,
        stages: Sequence[Stage],
        directory: str | Path,
        rule: Rule | None,
        seed: int,
        save_seconds: float = SAVE_SECONDS,
        engine: str = DEFAULT_ENGINE,
        metrics: Any = None,
        objective: Any = None,
    ) -> Self:
        _check_seconds(save_seconds)
        check_engine(engine)
        directory = path_of(directory, "directory")
        seed = whole_number(seed, "seed")
        if rule is not None:
            check_rule(rule)
        # What is wrong with the network, the labels or the metrics shows here, before a file is written.
        found = prepare(config, data, _check_stages(stages), metrics, objective, rule)
        _check_halving(found.stages, found.measures)
        engine = choose_engine(engine, directory, partial(found.reason_against_compiled, engine), stacklevel=4)
        run = cls(
            found.source, found.data, found.stages, directory, found.measures, seed, found.labels, save_seconds, engine
        )
        check_directory(run.directory, run.manifest())
        return run

    def manifest(self) -> dict:
        """Everything that decides the result."""
        return make_manifest(self.source, self.data, self.stages, self.measures, self.seed, self.engine)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the directory of the run for the block, without what a killed process left there."""
        with opened(self.directory, self.manifest()):
            self.remove_leftovers()
            yield
            self.remove_leftovers()

    def tidy(self) -> None:
        """Remove what a process left that was killed at the end of the run."""
        if not is_tidy(self.directory):
            with suppress(OSError), self.opened():  # of a folder that is held the holder takes care
                pass

    def remove_leftovers(self) -> None:
        """Remove what a killed process left half-written in the folders of the trials."""
        numbered = enumerate(self.stages)
        remove_leftovers(
            self.trial_directory(number, index) for number, stage in numbered for index in range(stage.trials)
        )

    def trial_directory(self, stage: int, trial: int) -> Path:
        """Where the files of a trial are."""
        mode = self.stages[stage].mode
        return self.directory / "stages" / f"{stage}_{mode}" / f"trial_{trial:03d}"

    def all_stages(self, executor: Executor | None, progress: SilentProgress) -> list[StageResult]:
        """Run what is left of every stage; a `StageResult` for each."""
        outcomes: list[StageResult] = []
        with shared(self.data, executor, self.directory) as plain:
            for number, stage in enumerate(self.stages):
                progress.stage(number + 1, len(self.stages), stage.mode, stage.trials, stage.epochs)
                start = self._start_of(number, outcomes)
                with self._with_teachers(number, executor, plain) as (run, data):
                    trials = run._stage_trials(number, start, executor, data, progress)
                _check_some_finished(trials, number, stage.mode)
                chosen = select(trials, self.measures.rule, count(self.data.x_val), self.measures.objective)
                keep_choice(self.trial_directory(number, chosen).parent, chosen)
                outcomes.append(StageResult(stage.mode, tuple(self._scored(trials)), chosen))
        return outcomes

    def first_stage_until(self, epochs: int, progress: SilentProgress) -> list[TrialResult]:
        """Train every trial of the first stage until so many epochs are done; the results, most of them paused."""
        stage = self.stages[0]
        if stage.halving is not None or stage.callbacks:
            raise ValueError("A stage with `halving` or `callbacks` cannot be paused from outside")
        found = [TrialResult.read(self.trial_directory(0, index)) for index in range(stage.trials)]
        missing = [index for index, result in enumerate(found) if result is None]
        with self._with_teachers(0, None, self.data) as (run, _):
            for index, result in run._trials_here(0, None, progress)(missing, Goal(epochs)):
                found[index] = result
        return [result for result in found if result is not None]  # all of them

    def _start_of(self, number, outcomes):
        if number == 0:
            return None
        return self.checkpoint(number - 1, outcomes[-1].chosen)

    def checkpoint(self, stage: int, trial: int) -> Path:
        """The file that stands for a finished trial; a ValueError if it is damaged."""
        name = self.measures.objective_checkpoint if self.measures.keeps_objective else LOSS_CHECKPOINT
        path = self.trial_directory(stage, trial) / name
        check_checkpoint(path)
        return path

    @contextmanager
    def _with_teachers(self, number, executor, plain):
        """The run with the labels of this stage, and its data as the executor takes it."""
        share = self.stages[number].distillation
        if not share or self._is_trained(number):
            yield self, plain
            return
        run = replace(self, data=distilled(self.data, share, self._teachers(number)))
        with shared(run.data, executor, self.directory) as data:
            yield run, data

    def _is_trained(self, number):
        """Whether all trials of a stage have their records."""
        trials = range(self.stages[number].trials)
        return all(TrialResult.read(self.trial_directory(number, index)) is not None for index in trials)

    def _teachers(self, number):
        """The files that soften the labels of a stage."""
        if self.stages[number].teachers is not None:
            return self.stages[number].teachers
        last = max(before for before in range(number) if self.stages[before].mode == "float")
        directories = [self.trial_directory(last, index) for index in range(self.stages[last].trials)]
        usable = candidates([TrialResult.read(path) for path in directories])
        teachers = [path / LOSS_CHECKPOINT for path, used in zip(directories, usable, strict=True) if used]
        for path in teachers:
            check_checkpoint(path)
        return teachers

    def _stage_trials(self, number, start, executor, data, progress):
        stage = self.stages[number]
        found = [TrialResult.read(self.trial_directory(number, i)) for i in range(stage.trials)]
        for result in filter(None, found):
            progress.trial(result.trial, result.val_loss, self.measures.text(result.val_metrics))
        if executor is None:
            run = self._trials_here(number, start, progress)
        else:
            run = remote_trials(executor, StageWork.of(self, number, start), data, progress)
        for result in climb(stage, found, run, self.measures.objective):
            progress.trial(result.trial, result.val_loss, self.measures.text(result.val_metrics))
        return found

    def _trials_here(self, number, start, progress):
        trainer = cache(lambda: self.trainer(number, start))  # only where a trial is missing

        def run(indices, goal):
            for index in indices:
                yield index, self.run_trial(trainer(), number, index, progress, goal)

        return run

    def trainer(self, number: int, start: Path | None) -> StageTrainer:
        """The model, data and engine of a stage."""
        start_mode = self.stages[number - 1].mode if number else "float"
        stage = self.stages[number]
        about = (self.measures, start, start_mode, self.engine, self.prefixes)
        return StageTrainer(self.source, stage, self.data, *about)

    def run_trial(
        self, trainer: StageTrainer, number: int, index: int, progress: SilentProgress, goal: Goal | None = None
    ) -> TrialResult:
        """Run one trial with a stage's trainer, up to a goal."""
        return trainer.run(
            index,
            trial_seed(self.seed, number, index),
            self.trial_directory(number, index),
            on_epoch=lambda epoch, logs: progress.epoch(index, epoch, logs),
            save_seconds=self.save_seconds,
            goal=goal,
        )

    def fail_trial(self, number: int, index: int, reason: str) -> TrialResult:
        """Write the record of a trial that cannot be computed."""
        result = TrialResult(index, trial_seed(self.seed, number, index), status="failed", reason=reason)
        result.write(self.trial_directory(number, index))
        return result

    def _scored(self, trials):
        if not self.measures.accuracy:
            return trials
        scores = selection_score(*candidate_values(trials), count(self.data.x_val))
        for trial, score in zip(trials, scores, strict=True):
            trial.score = float(score)
        return trials


def _check_some_finished(trials, number, mode):
    if all(trial.status == "failed" for trial in trials):
        raise ValueError(
            f"All {len(trials)} trials of stage {number} ({mode}) failed; the first: {trials[0].reason}. "
            "Mend that (with a lower learning rate where the loss is not finite), in another directory."
        )


def _check_seconds(seconds):
    if isinstance(seconds, bool) or not isinstance(seconds, Real) or not float(seconds) >= 0:
        raise ValueError(f"`save_seconds` must be zero or a positive number. Received: save_seconds={seconds!r}")


def _check_halving(stages, measures):
    found = {stage.halving.measure for stage in stages if stage.halving}
    if "val_accuracy" in found and not measures.accuracy:
        known = "'val_loss' or 'objective'"
        raise ValueError(f"`halving` must compare by {known}, as no accuracy is measured. Received: 'val_accuracy'")


def _check_stages(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    if not isinstance(stages, (list, tuple)):
        raise ValueError(f"`stages` must be a list of keras_efficient.Stage, at least one. Received: {stages=}")
    stages = tuple(stages)
    if not stages or not all(isinstance(stage, Stage) for stage in stages):
        raise ValueError(f"`stages` must be a list of keras_efficient.Stage, at least one. Received: {stages!r}")
    for number, stage in enumerate(stages):
        if stage.distillation and stage.teachers is None and all(s.mode != "float" for s in stages[:number]):
            raise ValueError(
                f"Stage {number} ({stage.mode}) has distillation={stage.distillation!r} but no float stage before it "
                "whose trials could be the teachers: give `teachers`"
            )
    return stages
