"""Learning curves: a measure of all trials of a stage over the epochs."""

import math

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from keras_efficient.report.figures import CARD, CHOSEN, FAILED, OTHER, draw_svg, percent_ticks
from keras_efficient.report.markup import Html
from keras_efficient.report.numbers import is_number
from keras_efficient.report.result import has_failed, is_chosen


def learning_curves(stage: dict, key: str, name: str) -> Html | None:
    """`history[key]` of every trial, the chosen one thick. None when no trial kept that history."""
    curves = [(trial, _curve(trial, key)) for trial in stage["trials"]]
    values = _values_in_view(curves)
    if not values:
        return None

    def draw(axes: Axes) -> None:
        for trial, curve in curves:
            _draw_curve(axes, stage, trial, curve)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        (_scale_accuracy if "accuracy" in key else _scale_loss)(axes, values)

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
        _draw_checkpoint(axes, trial, curve)
    elif has_failed(trial):
        axes.plot(epochs, curve, color=FAILED, linewidth=0.9, linestyle=(0, (3, 2)))
        _draw_failure(axes, curve)
    else:
        axes.plot(epochs, curve, color=OTHER, linewidth=0.9, alpha=0.6, marker=marker)


def _draw_checkpoint(axes: Axes, trial: dict, curve: list[float]) -> None:
    epoch = trial.get("epoch")
    if is_number(epoch) and 1 <= epoch <= len(curve):
        axes.plot([epoch], [curve[int(epoch) - 1]], "o", color=CHOSEN, markeredgecolor=CARD, markersize=7, zorder=5)


def _draw_failure(axes: Axes, curve: list[float]) -> None:
    finite = [(epoch, value) for epoch, value in enumerate(curve, 1) if math.isfinite(value)]
    if finite:
        axes.plot(*finite[-1], "x", color=FAILED, markersize=6, zorder=3)


def _scale_loss(axes: Axes, values: list[float]) -> None:
    """Logarithmic where the losses span more than a factor of four: the small end matters."""
    low, high = min(values), max(values)
    axes.set_ylabel("validation loss")
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
    axes.set_ylabel("validation accuracy")
    if high > low:
        axes.set_ylim(low - 0.05 * (high - low), high + 0.08 * (high - low))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    percent_ticks(axes.yaxis)
