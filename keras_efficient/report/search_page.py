"""The page of a search: accuracy against bytes, the front, every candidate."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from keras_efficient.files import write_text
from keras_efficient.markup import Column, Html, details, join, paragraph, section, table, tag
from keras_efficient.report import numbers
from keras_efficient.report.figures import CARD, CHOSEN, INK, MUTED, OTHER, draw_svg
from keras_efficient.report.overview import footer
from keras_efficient.report.page import PAGE
from keras_efficient.report.search import HEADINGS, cells, counts_line, in_words
from keras_efficient.report.style import STYLE


def write_search_page(result: dict, path: Path) -> None:
    """Write the page of search.json, one self-contained HTML file; the same `result` gives the same bytes."""
    write_text(path, _render(result))


def _render(result: dict) -> str:
    """The page as a string."""
    title = f"Networks within {numbers.size(result['max_bytes'])} bytes"
    lead = tag("p", counts_line(result), ".", class_="lead")
    parts = [tag("h1", title), lead, _plot(result), _front(result), _limits(result), _all(result), footer(result)]
    return PAGE.format(title=title, style=STYLE, body=tag("main", join(*parts, separator="\n")))


def _plot(result: dict) -> Html:
    plot = tag("figure", _accuracy_against_bytes(result), style="max-width: none")
    note = paragraph(
        "Each point is a network after a brief training, float and then quantized; dashed lines are limits in bytes. "
        "The best of many is partly lucky on these very validation samples. No test data was looked at: train the "
        "network of ",
        tag("code", result["network_path"]),
        " in full, and measure it then.",
        *_rounds(result),
    )
    references = (paragraph(f"{reference['name']}: {in_words(reference)}") for reference in result["references"])
    return section("Accuracy against bytes", plot, note, *references)


def _rounds(result: dict) -> list[str]:
    """What a search of several rounds shows."""
    rungs = " Candidates stand where their last rung left them; only those of the last one rank."
    bars = f" Bars: the standard deviation over {result.get('seeds')} seeds, which chose nothing before."
    return [rungs] * ("halving" in result) + [bars] * ("seeds" in result)


def _front(result: dict) -> Html:
    rows = [result["candidates"][index] for index in result["front"]]
    best = result["candidates"][result["best"]]
    note = paragraph(
        "No other network that was trained as long has at most the bytes and at least the accuracy of one of these."
    )
    return section("Pareto front", note, table(_columns(), rows, lambda row: "chosen" if row is best else ""))


def _limits(result: dict) -> Html:
    rows = [
        {"limit": entry["bytes"], **result["candidates"][entry["candidate"]]}
        for entry in result["best_within"]
        if entry["candidate"] is not None
    ]
    limit = Column("at most", lambda row: numbers.size(row["limit"]))
    return section("Best within a limit", table([limit, *_columns()], rows))


def _all(result: dict) -> Html:
    state = Column("", lambda row: row["reason"] or "", "text")
    name = Column("name", lambda row: row["name"], "text")
    rows = sorted(result["candidates"], key=lambda row: row["total_bytes"])
    shown = table([name, *_columns(), state], rows, lambda row: "failed" if row["status"] == "failed" else "")
    return section("All networks that were trained", details(f"Show all {len(rows)}", shown))


def _columns() -> list[Column]:
    def column(index: int, heading: str) -> Column:
        return Column(heading, lambda row: cells(row)[index], "text" if heading == "network" else "")

    return [column(index, heading) for index, heading in enumerate(HEADINGS)]


# Accuracies that get a tick where they fall into the plot.
_TICKS = (0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.993, 0.995, 0.997, 0.998, 0.999, 1.0)
_BYTE_TICKS = [2**power for power in range(4, 24)]


def _accuracy_against_bytes(result: dict) -> Html:
    """A point for each candidate that finished, a line along the front, a diamond for each reference.

    The height is -log(error), so that 99.0 and 99.5 % are as far apart as 90 and 95 %. An error below half a
    validation sample is drawn as half a sample.
    """
    least_error = 0.5 / result["dataset"]["validation"]

    def height(accuracy: float) -> float:
        return -math.log10(max(1 - accuracy, least_error))

    def draw(axes: Axes) -> None:
        for entry in result["best_within"]:
            axes.axvline(entry["bytes"], color=MUTED, linewidth=0.9, linestyle="--", zorder=1)
        finished = [c for c in result["candidates"] if c["status"] == "finished"]
        axes.plot(*_places(finished, height), "o", color=OTHER, alpha=0.7, markeredgewidth=0, label="candidates")
        _front_line(axes, [result["candidates"][index] for index in result["front"]], height)
        for reference in result["references"]:
            if reference["status"] == "finished":
                _reference(axes, reference, height)
        for candidate in (*finished, *result["references"]):
            if candidate.get("spread") is not None:
                _error_bar(axes, candidate, height)
        _scale(axes, height)

    label = f"validation accuracy against bytes of {result['counts']['finished']} networks, with the Pareto front"
    return draw_svg(draw, "search", label, size=(8.4, 4.4))


def _front_line(axes: Axes, front: list[dict], height: Callable[[float], float]) -> None:
    sizes, heights = _places(front, height)
    axes.step(sizes, heights, where="post", color=CHOSEN, linewidth=1.4, label="Pareto front")
    axes.plot(sizes, heights, "o", color=CHOSEN, markeredgecolor=CARD, markersize=7.5, zorder=5)


def _error_bar(axes: Axes, candidate: dict, height: Callable[[float], float]) -> None:
    mean, spread = candidate["val_accuracy"], candidate["spread"]
    ends = [height(mean - spread), height(mean + spread)]
    axes.plot([candidate["total_bytes"]] * 2, ends, color=INK, linewidth=1, solid_capstyle="butt", zorder=4)


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
