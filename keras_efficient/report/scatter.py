"""Accuracy against loss of the trials of a stage."""

import math
from typing import Any

from matplotlib.axes import Axes

from keras_efficient.report.figures import CARD, CHOSEN, INK, OTHER, draw_svg, percent_ticks
from keras_efficient.report.markup import Html
from keras_efficient.report.numbers import is_number
from keras_efficient.report.result import is_chosen


def accuracy_against_loss(stage: dict, samples: int | None, name: str) -> Html | None:
    """A point for each trial's checkpoint, or None when there is none.

    The chosen one carries a bar: the sampling error of an accuracy measured on `samples`.
    """
    trials = [trial for trial in stage["trials"] if _has_point(trial)]
    if not trials:
        return None

    def draw(axes: Axes) -> None:
        for trial in trials:
            if is_chosen(stage, trial):
                _draw_chosen(axes, trial, samples)
            else:
                axes.plot(*_point(trial), "o", color=OTHER, alpha=0.75, markeredgewidth=0)
        _scale(axes)

    label = f"validation accuracy against validation loss of {len(trials)} trials"
    return draw_svg(draw, name, label, size=(3.5, 2.8))


def _has_point(trial: dict) -> bool:
    return all(map(is_number, _point(trial)))


def _point(trial: dict) -> tuple[Any, Any]:
    return trial.get("val_loss"), trial.get("val_accuracy")


def _draw_chosen(axes: Axes, trial: dict, samples: int | None) -> None:
    loss, accuracy = _point(trial)
    if is_number(samples) and samples > 0 and 0 <= accuracy <= 1:
        error = math.sqrt(accuracy * (1 - accuracy) / samples)
        axes.errorbar(loss, accuracy, yerr=error, color=CHOSEN, alpha=0.5, capsize=4, linewidth=1.2)
    axes.plot(loss, accuracy, "o", color=CHOSEN, markeredgecolor=CARD, markersize=10, zorder=5)
    style: dict[str, Any] = {"textcoords": "offset points", "color": INK, "weight": "bold"}
    axes.annotate(f"trial {trial['trial']}", (loss, accuracy), (9, 6), **style)


def _scale(axes: Axes) -> None:
    axes.set(xlabel="validation loss", ylabel="validation accuracy")
    axes.margins(0.12)
    axes.locator_params(nbins=5)
    percent_ticks(axes.yaxis)
