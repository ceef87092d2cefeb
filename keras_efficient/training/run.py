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

from keras_efficient.checks import integer, path_of
from keras_efficient.files import json_value
from keras_efficient.folders import is_tidy
from keras_efficient.training.data import count
from keras_efficient.training.distillation import distilled
from keras_efficient.training.engine_choice import choose_engine
from keras_efficient.training.engines import DEFAULT_ENGINE, KERAS_ENGINE, check_engine
from keras_efficient.training.executors.tasks import Executor
from keras_efficient.training.executors.trials import StageWork, remote_trials, shared
from keras_efficient.training.halving import Goal, climb
from keras_efficient.training.manifest import (
    FORMAT,
    check_directory,
    describe_measures,
    keep_choice,
    opened,
    package_versions,
    remove_leftovers,
)
from keras_efficient.training.prefix import PrefixCache
from keras_efficient.training.preparation import Prepared, prepare
from keras_efficient.training.progress import SilentProgress
from keras_efficient.training.results import StageResult
from keras_efficient.training.selection import Rule, candidate_values, candidates, check_rule, select, selection_score
from keras_efficient.training.stage import Stage
from keras_efficient.training.stage_trainer import StageTrainer
from keras_efficient.training.state import SAVE_SECONDS
from keras_efficient.training.trial import LOSS_CHECKPOINT, TrialResult, check_checkpoint, trial_seed


@dataclass(frozen=True)
class Run(Prepared):
    """The settings of a run; its methods do the work. Goes to the workers without its data."""

    directory: Path
    seed: int
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
        if isinstance(save_seconds, bool) or not isinstance(save_seconds, Real) or not float(save_seconds) >= 0:
            raise ValueError(f"`save_seconds` must be zero or a positive number. Received: {save_seconds=}")
        check_engine(engine)
        directory = path_of(directory, "directory")
        seed = integer(seed, "seed")
        if rule is not None:
            check_rule(rule)
        # What is wrong with the network, the labels or the metrics shows here, before a file is written.
        found = prepare(config, data, _check_stages(stages), metrics, objective, rule)
        engine = choose_engine(engine, directory, partial(found.reason_against_compiled, engine), stacklevel=4)
        run = cls(**vars(found), directory=directory, seed=seed, save_seconds=save_seconds, engine=engine)
        check_directory(run.directory, run.manifest())
        return run

    def manifest(self) -> dict:
        """Everything that decides the result."""
        stages = [stage.describe() for stage in self.stages]
        for stage, described in zip(self.stages, stages, strict=True):
            if callable(stage.schedule):  # by its values, as two functions may have one name
                described["learning_rates"] = [stage.learning_rate_at(epoch) for epoch in range(stage.epochs)]
        return {
            "format": FORMAT,
            "network": self.source.identity(),
            "input_shape": json_value(self.source.input_shape),
            "data_sha256": self.data.digest(),
            "stages": stages,
            **describe_measures(self.measures),
            "seed": self.seed,
            "backend": keras.backend.backend(),
            "engine": self.engine,
            "precision": keras.config.dtype_policy().name,
            "versions": package_versions(),
        }

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
        remove_leftovers(self.trial_directory(number, i) for number, stage in numbered for i in range(stage.trials))

    def trial_directory(self, stage: int, trial: int) -> Path:
        mode = self.stages[stage].mode
        return self.directory / "stages" / f"{stage}_{mode}" / f"trial_{trial:03d}"

    def all_stages(self, executor: Executor | None, progress: SilentProgress) -> list[StageResult]:
        """Run what is left of every stage; a `StageResult` for each."""
        outcomes: list[StageResult] = []
        with shared(self.data, executor, self.directory) as plain:
            for number, stage in enumerate(self.stages):
                progress.stage(number + 1, len(self.stages), stage.mode, stage.trials, stage.epochs)
                start = self.checkpoint(number - 1, outcomes[-1].chosen) if number else None
                with self._with_teachers(number, executor, plain) as (run, data):
                    trials = run._stage_trials(number, start, executor, data, progress)
                if all(trial.status == "failed" for trial in trials):
                    raise ValueError(
                        f"All {len(trials)} trials of stage {number} ({stage.mode}) failed; the first: "
                        f"{trials[0].reason}. Mend that (with a lower learning rate where the loss is not finite), in "
                        "another directory."
                    )
                chosen = select(trials, self.measures.rule, count(self.data.x_val), self.measures.objective)
                keep_choice(self.trial_directory(number, chosen).parent, chosen)
                if self.measures.accuracy:
                    scores = selection_score(*candidate_values(trials), count(self.data.x_val))
                    for trial, score in zip(trials, scores, strict=True):
                        trial.score = float(score)
                outcomes.append(StageResult(stage.mode, tuple(trials), chosen))
        return outcomes

    def first_stage_until(self, epochs: int, progress: SilentProgress) -> list[TrialResult]:
        """Train every trial of the first stage until so many epochs are done; the results, most of them paused."""
        stage = self.stages[0]
        if stage.halving is not None or stage.callbacks:
            raise ValueError("A stage with `halving` or `callbacks` cannot be paused from outside")
        found = self._records(0)
        missing = [index for index, result in enumerate(found) if result is None]
        with self._with_teachers(0, None, self.data) as (run, _):
            for index, result in run._trials_here(0, None, progress)(missing, Goal(epochs)):
                found[index] = result
        return [result for result in found if result is not None]  # all of them

    def _records(self, number):
        """What the trials of a stage have left; None for those that are missing."""
        return [TrialResult.read(self.trial_directory(number, index)) for index in range(self.stages[number].trials)]

    def checkpoint(self, stage: int, trial: int) -> Path:
        """The file that stands for a finished trial; a ValueError if it is damaged."""
        name = self.measures.objective_checkpoint if self.measures.keeps_objective else LOSS_CHECKPOINT
        return check_checkpoint(self.trial_directory(stage, trial) / name)

    @contextmanager
    def _with_teachers(self, number, executor, plain):
        """The run with the labels of this stage, and its data as the executor takes it."""
        stage = self.stages[number]
        if not stage.distillation or None not in self._records(number):
            yield self, plain
            return
        teachers = stage.teachers
        if teachers is None:
            last = max(before for before in range(number) if self.stages[before].mode == "float")
            usable = (index for index, used in enumerate(candidates(self._records(last))) if used)
            teachers = [check_checkpoint(self.trial_directory(last, index) / LOSS_CHECKPOINT) for index in usable]
        run = replace(self, data=distilled(self.data, stage.distillation, teachers))
        with shared(run.data, executor, self.directory) as data:
            yield run, data

    def _stage_trials(self, number, start, executor, data, progress):
        stage = self.stages[number]
        found = self._records(number)
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
        start_mode = self.stages[number - 1].mode if number else "float"
        stage = self.stages[number]
        about = (self.measures, start, start_mode, self.engine, self.prefixes)
        return StageTrainer(self.source, stage, self.data, *about)

    def run_trial(
        self, trainer: StageTrainer, number: int, index: int, progress: SilentProgress, goal: Goal | None = None
    ) -> TrialResult:
        """Run one trial with a stage's trainer, up to a goal."""
        seed, directory = trial_seed(self.seed, number, index), self.trial_directory(number, index)
        on_epoch = partial(progress.epoch, index)
        return trainer.run(index, seed, directory, on_epoch, self.save_seconds, goal)


def _check_stages(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    if not isinstance(stages, (list, tuple)) or not stages or not all(isinstance(stage, Stage) for stage in stages):
        raise ValueError(f"`stages` must be a list of keras_efficient.Stage, at least one. Received: {stages=}")
    for number, stage in enumerate(stages):
        if stage.distillation and stage.teachers is None and all(s.mode != "float" for s in stages[:number]):
            raise ValueError(
                f"Stage {number} ({stage.mode}) has distillation={stage.distillation!r} but no float stage before it "
                "whose trials could be the teachers: give `teachers`"
            )
    return tuple(stages)
