"""The trials of a run as a picture, for notebooks and programs; the report draws its own."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

CHOSEN, OTHER = {"color": "tab:blue", "zorder": 3}, {"color": "tab:gray", "alpha": 0.6}


def draw_trials(stages: Sequence[Any], objective: str = "val_accuracy") -> Figure:
    """For each `StageResult` the validation loss of its trials by epoch, and where each of them ended: in the loss and
    the objective.

    The figure is nobody's: pyplot neither keeps nor shows it, a notebook shows it as the last line of a cell.
    """
    import matplotlib.pyplot as plt  # it chooses how a notebook shows figures

    rows = len(stages)
    figure, axes = plt.subplots(rows, 2, squeeze=False, figsize=(8, 2.6 * rows), layout="constrained")
    plt.close(figure)
    for number, (stage, (left, right)) in enumerate(zip(stages, axes, strict=True), start=1):
        left.set_title(f"stage {number}: {stage.mode}", loc="left")
        _draw_curves(left, stage)
        _draw_ends(right, stage, objective)
    return figure


def _draw_curves(axes: Axes, stage: Any) -> None:
    for trial in stage:
        losses = trial.history.get("val_loss") or []
        axes.plot(range(1, len(losses) + 1), losses, **_look(stage, trial))
    axes.set(xlabel="epoch", ylabel="validation loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_ends(axes: Axes, stage: Any, objective: str) -> None:
    """The objective against the loss; where it is the loss that of each trial."""
    name = objective.removeprefix("val_")
    ended = [
        (trial, trial.val_loss, ({"accuracy": trial.val_accuracy} | trial.val_metrics).get(name))
        for trial in stage
        if trial.val_loss is not None
    ]
    has_both = any(value is not None for _, _, value in ended) and name != "loss"
    for trial, loss, value in ended:
        if has_both and value is None:
            continue
        place = (loss, value) if has_both else (trial.trial, loss)
        axes.plot(*place, "o", **_look(stage, trial))
        axes.annotate(str(trial.trial), place, xytext=(4, 4), textcoords="offset points")
    words = f"validation {name.replace('_', ' ')}"
    names = ("validation loss", words) if has_both else ("trial", "validation loss")
    axes.set(xlabel=names[0], ylabel=names[1])


def _look(stage: Any, trial: Any) -> dict[str, Any]:
    return CHOSEN if trial.trial == stage[stage.chosen].trial else OTHER
