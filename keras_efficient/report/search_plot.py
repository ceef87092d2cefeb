"""Accuracy against bytes of the candidates of a search."""

import math
from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from keras_efficient.report import numbers
from keras_efficient.report.figures import CARD, CHOSEN, INK, MUTED, OTHER, draw_svg
from keras_efficient.report.markup import Html

# Accuracies that get a tick where they fall into the plot.
_TICKS = (0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.993, 0.995, 0.997, 0.998, 0.999, 1.0)
_BYTE_TICKS = [2**power for power in range(4, 24)]


def accuracy_against_bytes(result: dict, name: str = "search") -> Html:
    """A point for each candidate that finished, a line along the front, a diamond for each reference.

    The height is -log(error), so that 99.0 and 99.5 % are as far apart as 90 and 95 %. An error below half a
    validation sample is drawn as half a sample.
    """
    least_error = 0.5 / result["dataset"]["validation"]

    def height(accuracy: float) -> float:
        return -math.log10(max(1 - accuracy, least_error))

    def draw(axes: Axes) -> None:
        _limits(axes, result)
        _points(axes, [c for c in result["candidates"] if c["status"] == "finished"], height)
        _front(axes, [result["candidates"][index] for index in result["front"]], height)
        for reference in result["references"]:
            if reference["status"] == "finished":
                _reference(axes, reference, height)
        _scale(axes, height)

    label = f"validation accuracy against bytes of {result['counts']['finished']} networks, with the Pareto front"
    return draw_svg(draw, name, label, size=(8.4, 4.4))


def _limits(axes: Axes, result: dict) -> None:
    for entry in result["best_within"]:
        axes.axvline(entry["bytes"], color=MUTED, linewidth=0.9, linestyle="--", zorder=1)


def _points(axes: Axes, candidates: list[dict], height: Callable[[float], float]) -> None:
    sizes, heights = _places(candidates, height)
    axes.plot(sizes, heights, "o", color=OTHER, alpha=0.7, markeredgewidth=0, label="candidates")


def _front(axes: Axes, front: list[dict], height: Callable[[float], float]) -> None:
    sizes, heights = _places(front, height)
    axes.step(sizes, heights, where="post", color=CHOSEN, linewidth=1.4, label="Pareto front")
    axes.plot(sizes, heights, "o", color=CHOSEN, markeredgecolor=CARD, markersize=7.5, zorder=5)


def _reference(axes: Axes, reference: dict, height: Callable[[float], float]) -> None:
    (size,), (place,) = _places([reference], height)
    axes.plot(size, place, "D", color=INK, markeredgecolor=CARD, markersize=7.5, zorder=6)
    style: dict[str, Any] = {"textcoords": "offset points", "color": INK, "weight": "bold", "ha": "right"}
    axes.annotate(reference["name"], (size, place), (-8, 7), **style)


def _places(candidates: list[dict], height: Callable[[float], float]) -> tuple[list, list]:
    return [c["total_bytes"] for c in candidates], [height(c["val_accuracy"]) for c in candidates]


def _scale(axes: Axes, height: Callable[[float], float]) -> None:
    axes.set(xscale="log", xlabel="weights + activations in bytes", ylabel="validation accuracy, quantized")
    axes.margins(0.06)
    low, high = axes.get_ylim()
    shown = {height(accuracy): accuracy for accuracy in _TICKS if low <= height(accuracy) <= high}
    axes.set_yticks(list(shown), [f"{100 * accuracy:g} %" for accuracy in shown.values()])
    left, right = axes.get_xlim()
    axes.set_xticks([tick for tick in _BYTE_TICKS if left <= tick <= right])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: numbers.size(float(value))))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend(loc="lower right", frameon=False, labelcolor=INK)
