"""The plots of the trials: learning curves, and the objective (mostly the accuracy) against the loss."""

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from keras_efficient.markup import Html, join, paragraph, section, tag
from keras_efficient.report import numbers
from keras_efficient.report.figures import CARD, CHOSEN, FAILED, INK, OTHER, draw_svg, percent_ticks
from keras_efficient.report.numbers import is_number
from keras_efficient.report.objective import Objective
from keras_efficient.report.result import has_failed, is_chosen, named_stages


def curves(result: dict) -> Html:
    """Validation loss and objective over the epochs, a row of two plots for each stage."""
    objective = Objective.of(result)
    stages = [
        join(tag("h3", name), _curve_pair(index, stage, objective))
        for index, (name, stage) in enumerate(named_stages(result))
    ]
    explanation = paragraph(
        "Thick: the chosen trial; its dot is the epoch that was kept. Thin and dotted: its loss on the training data. "
        "Dashed with a cross: a trial that failed."
    )
    return section("Learning curves", explanation, *stages)


def _curve_pair(index: int, stage: dict, objective: Objective) -> Html:
    keys = dict.fromkeys(("val_loss", objective.key))
    plots = [_learning_curves(stage, key, f"curve-{index}-{key}") for key in keys]
    figures = [tag("figure", plot) for plot in plots if plot]
    if not figures:
        return paragraph("No trial of this stage kept its history.")
    return tag("div", *figures, class_="plots")


def selection(result: dict) -> Html:
    """Objective against loss of all trials, a plot for each stage. Nothing where the loss is the objective."""
    objective = Objective.of(result)
    if objective.is_loss:
        return Html()
    samples, stages = (result.get("dataset") or {}).get("validation"), named_stages(result)
    scatters = [_against_loss(stage, samples, f"selection-{i}", objective) for i, (_, stage) in enumerate(stages)]
    figures = [
        tag("figure", tag("figcaption", name), plot or paragraph("No trial to show."), class_="small")
        for (name, _), plot in zip(stages, scatters, strict=True)
    ]
    plots = tag("div", *figures, class_="plots")
    title = f"{objective.words[:1].upper()}{objective.words[1:]} against loss"
    failed = [
        f"{name}, trial {trial.get('trial')} ({trial.get('reason') or 'no reason given'})"
        for name, stage in named_stages(result)
        for trial in stage["trials"]
        if has_failed(trial)
    ]
    listed = paragraph("Without a point, as they failed: ", "; ".join(failed), ".")
    return section(title, _explanation(samples, objective), plots, listed if failed else Html())


def _explanation(samples: int | None, objective: Objective) -> Html:
    error = f" Its bar is the sampling error of one accuracy on {numbers.count(samples)} samples."
    return paragraph(
        f"One point a trial, at its kept epoch; {'upper' if objective.larger else 'lower'} left is better. "
        "The chosen trial is labelled.",
        error if numbers.is_number(samples) and objective.is_accuracy else "",
    )


def _learning_curves(stage: dict, key: str, name: str) -> Html | None:
    """`history[key]` of every trial, the chosen one thick. None when no trial kept that history."""
    curves = [(trial, _curve(trial, key)) for trial in stage["trials"]]
    values = _values_in_view(curves)
    if not values:
        return None

    def draw(axes: Axes) -> None:
        for trial, curve in curves:
            _draw_curve(axes, stage, trial, curve)
            if key == "val_loss" and is_chosen(stage, trial):
                training = _curve(trial, "loss")
                axes.plot(range(1, len(training) + 1), training, ":", color=CHOSEN, linewidth=1)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        (_scale_accuracy if "accuracy" in key else _scale_loss)(axes, values)
        axes.set_ylabel(f"validation {key.removeprefix('val_').replace('_', ' ')}")

    return draw_svg(draw, name, f"{key} of {len(curves)} trials over the epochs")


def _curve(trial: dict, key: str) -> list[float]:
    history = trial.get("history") or {}
    return [value if is_number(value) else math.nan for value in history.get(key) or []]


def _values_in_view(curves: list[tuple[dict, list[float]]]) -> list[float]:
    """A diverging trial must not squeeze the others into a corner: alone it sets the limits."""
    finished = [curve for trial, curve in curves if not has_failed(trial)]
    counted = finished if any(finished) else [curve for _, curve in curves]
    return [value for curve in counted for value in curve if math.isfinite(value)]


def _draw_curve(axes: Axes, stage: dict, trial: dict, curve: list[float]) -> None:
    epochs = range(1, len(curve) + 1)
    marker = "o" if len(curve) == 1 else None
    if is_chosen(stage, trial):
        axes.plot(epochs, curve, color=CHOSEN, linewidth=2, marker=marker, zorder=4)
        epoch = trial.get("epoch")
        if is_number(epoch) and 1 <= epoch <= len(curve):
            axes.plot([epoch], [curve[int(epoch) - 1]], "o", color=CHOSEN, markeredgecolor=CARD, markersize=7, zorder=5)
    elif has_failed(trial):
        axes.plot(epochs, curve, color=FAILED, linewidth=0.9, linestyle=(0, (3, 2)))
        finite = [(epoch, value) for epoch, value in enumerate(curve, 1) if math.isfinite(value)]
        if finite:
            axes.plot(*finite[-1], "x", color=FAILED, markersize=6, zorder=3)
    else:
        axes.plot(epochs, curve, color=OTHER, linewidth=0.9, alpha=0.6, marker=marker)


def _scale_loss(axes: Axes, values: list[float]) -> None:
    """Logarithmic where the losses span more than a factor of four: the small end matters."""
    low, high = min(values), max(values)
    if low <= 0 or high < 4 * low:
        margin = 0.05 * (high - low) or 0.05
        axes.set_ylim(low - margin, high + margin)
        return
    axes.set_yscale("log")
    axes.set_ylim(low / 1.1, high * 1.1)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _scale_accuracy(axes: Axes, values: list[float]) -> None:
    """The lowest tenth runs out of view at the bottom: first epochs would flatten all others."""
    low, high = sorted(values)[len(values) // 10], max(values)
    if high > low:
        axes.set_ylim(low - 0.05 * (high - low), high + 0.08 * (high - low))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    percent_ticks(axes.yaxis)


def _against_loss(stage: dict, samples: int | None, name: str, objective: Objective) -> Html | None:
    """A point for each trial's checkpoint, or None when there is none.

    The chosen one carries a bar where it is the accuracy: the sampling error of one measured on `samples`.
    """

    def point(trial):
        return trial.get("val_loss"), objective.value(trial)

    trials = [trial for trial in stage["trials"] if all(map(is_number, point(trial)))]
    if not trials:
        return None

    def draw(axes: Axes) -> None:
        for trial in trials:
            if is_chosen(stage, trial):
                _draw_chosen(axes, trial, point(trial), samples if objective.is_accuracy else None)
            else:
                axes.plot(*point(trial), "o", color=OTHER, alpha=0.75, markeredgewidth=0)
        _scale(axes, objective)

    label = f"validation {objective.words} against validation loss of {len(trials)} trials"
    return draw_svg(draw, name, label, size=(3.5, 2.8))


def _draw_chosen(axes: Axes, trial: dict, point: tuple[float, float], samples: int | None) -> None:
    loss, accuracy = point
    if is_number(samples) and samples > 0 and 0 <= accuracy <= 1:
        error = math.sqrt(accuracy * (1 - accuracy) / samples)
        axes.errorbar(loss, accuracy, yerr=error, color=CHOSEN, alpha=0.5, capsize=4, linewidth=1.2)
    axes.plot(loss, accuracy, "o", color=CHOSEN, markeredgecolor=CARD, markersize=10, zorder=5)
    style: dict[str, Any] = {"textcoords": "offset points", "color": INK, "weight": "bold"}
    axes.annotate(f"trial {trial['trial']}", (loss, accuracy), (9, 6), **style)


def _scale(axes: Axes, objective: Objective) -> None:
    axes.set(xlabel="validation loss", ylabel=f"validation {objective.words}")
    axes.margins(0.12)
    axes.locator_params(nbins=5)
    if "accuracy" in objective.name:
        percent_ticks(axes.yaxis)
