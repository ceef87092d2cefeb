"""What `train_network` returns and leaves in result.json."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from keras_efficient.markup import notebook_table
from keras_efficient.training.trial import TrialResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class BestTrial:
    """The chosen network of a run.

    Attributes:
        path: Its .keras file.
        stage, trial: Where it comes from, from 0.
        val_loss, val_accuracy: At its checkpoint. Chosen by them, so better than the truth.
        expected_accuracy: `val_accuracy` freed of the winner's curse; see `expected_accuracy`.
        test_loss, test_accuracy: Measured once, for this network only; None without test data.
        val_metrics, test_metrics: All that was measured by its name, the loss among it; None without test data.
        weight_bytes, activation_bytes, total_bytes: See `estimate_storage`; None where a layer's
            price is not known.
        storage_reason: Why the bytes are not known.

    Accuracies are None where the run measures none.
    """

    path: str
    stage: int
    trial: int
    val_loss: float
    val_accuracy: float | None
    expected_accuracy: float | None
    test_loss: float | None = None
    test_accuracy: float | None = None
    weight_bytes: float | None = None
    activation_bytes: float | None = None
    total_bytes: float | None = None
    val_metrics: dict[str, float] = field(default_factory=dict)
    test_metrics: dict[str, float] | None = None
    storage_reason: str | None = None


@dataclass(frozen=True)
class StageResult:
    """The trials of one stage; iterating gives `TrialResult` objects."""

    mode: str
    trials: tuple[TrialResult, ...]
    chosen: int

    def __len__(self):
        return len(self.trials)

    def __iter__(self):
        return iter(self.trials)

    def __getitem__(self, index):
        return self.trials[index]


@dataclass(frozen=True)
class Selection:
    """The outcome of `train_network`.

    Attributes:
        best: The chosen network.
        stages: The stages with all their trials.
        directory: Where the files of the run are.
        objective: ("val_NAME", "min" or "max"): what the run chose by.
    """

    best: BestTrial
    stages: tuple[StageResult, ...]
    directory: str
    objective: tuple[str, str] = ("val_accuracy", "max")

    def _repr_html_(self) -> str:
        best, rows, names = self.best, [], list(_measured(self.best, "val"))
        for number, stage in enumerate(self.stages, 1):
            trial = stage[stage.chosen]
            measured = _measured(trial, "val")
            numbers = (f"{measured[name]:.4f}" if name in measured else "" for name in names)
            rows.append((number, stage.mode, len(stage), trial.trial, trial.epoch, *numbers))
        headings = ("stage", "mode", "trials", "chosen", "epoch", *(f"validation {n.replace('_', ' ')}" for n in names))
        measured = _measured(best, "test").items()
        test = ", ".join(f"test {name.replace('_', ' ')} {value:.4f}" for name, value in measured)
        size = "" if best.total_bytes is None else f"{best.total_bytes:g} bytes with activations"
        return notebook_table(headings, rows, [test, size, best.path])

    def plot(self) -> Figure:
        """Learning curves and results of all trials, a row of two plots for each stage; the chosen ones stand out."""
        from keras_efficient.training.plots import draw_trials  # with it comes matplotlib

        return draw_trials(self.stages, self.objective[0])

    @classmethod
    def from_json(cls, result: dict, directory: Path) -> Selection:
        best = {**result["best"], "path": str(directory / result["best"]["path"])}
        stages, known = [], TrialResult.__dataclass_fields__
        for stage in result["stages"]:
            trials = (TrialResult(**{k: v for k, v in each.items() if k in known}) for each in stage["trials"])
            stages.append(StageResult(stage["mode"], tuple(trials), stage["chosen"]))
        objective = tuple(result.get("objective") or cls.objective)
        return cls(BestTrial(**best), tuple(stages), str(directory), objective)


def _measured(found, part):
    """All that was measured, by its name; of files of earlier versions loss and accuracy."""
    plain = {name: getattr(found, f"{part}_{name}") for name in ("loss", "accuracy")}
    all_of_it = getattr(found, f"{part}_metrics") or plain
    return {name: value for name, value in all_of_it.items() if value is not None}
