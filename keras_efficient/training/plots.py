"""The trials of a run as a picture, for notebooks and programs; the report draws its own."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

CHOSEN, OTHER = {"color": "tab:blue", "zorder": 3}, {"color": "tab:gray", "alpha": 0.6}


def draw_trials(stages: Sequence[Any]) -> Figure:
    """For each `StageResult` the validation loss of its trials by epoch, and where each of them ended.

    The figure is nobody's: pyplot neither keeps nor shows it, a notebook shows it as the last line of a cell.
    """
    import matplotlib.pyplot as plt  # it chooses how a notebook shows figures

    rows = len(stages)
    figure, axes = plt.subplots(rows, 2, squeeze=False, figsize=(8, 2.6 * rows), layout="constrained")
    plt.close(figure)
    for number, (stage, (left, right)) in enumerate(zip(stages, axes, strict=True), start=1):
        left.set_title(f"stage {number}: {stage.mode}", loc="left")
        _draw_curves(left, stage)
        _draw_ends(right, stage)
    return figure


def _draw_curves(axes: Axes, stage: Any) -> None:
    for trial in stage:
        losses = trial.history.get("val_loss") or []
        axes.plot(range(1, len(losses) + 1), losses, **_look(stage, trial))
    axes.set(xlabel="epoch", ylabel="validation loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_ends(axes: Axes, stage: Any) -> None:
    """Accuracy against loss; where there is no accuracy the loss of each trial."""
    usable = [trial for trial in stage if trial.val_loss is not None]
    has_accuracy = any(trial.val_accuracy is not None for trial in usable)
    for trial in usable:
        place = (trial.val_loss, trial.val_accuracy) if has_accuracy else (trial.trial, trial.val_loss)
        axes.plot(*place, "o", **_look(stage, trial))
        axes.annotate(str(trial.trial), place, xytext=(4, 4), textcoords="offset points")
    names = ("validation loss", "validation accuracy") if has_accuracy else ("trial", "validation loss")
    axes.set(xlabel=names[0], ylabel=names[1])


def _look(stage: Any, trial: Any) -> dict[str, Any]:
    return CHOSEN if trial.trial == stage[stage.chosen].trial else OTHER
