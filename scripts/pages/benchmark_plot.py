"""The plot of benchmarks.py: horizontal bars from 1, on a log axis, grouped by subject."""

import io
from itertools import groupby

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator

from pages.benchmark_rows import BACKENDS, Row

COLOURS = {"tensorflow": "#d4700b", "jax": "#3f78ad", "torch": "#a3324f", "": "#5c6976"}
SETTINGS = {"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 8}
INCHES_A_LINE, WIDTH = 0.19, 10.0
HEADING, GAP = 1.2, 0.5  # lines that the name of a subject takes, and between subjects


def draw(rows: list[Row]) -> str:
    """The SVG, the same text for the same rows."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # nothing of the user's matplotlibrc
        matplotlib.rcParams.update(SETTINGS)
        lines, headings, height = place([row for row in rows if row.plotted and row.ratio])
        figure = Figure(figsize=(WIDTH, INCHES_A_LINE * height + 0.9))
        axes = figure.add_axes((0.5, 0.6 / figure.get_figheight(), 0.44, 1 - 0.9 / figure.get_figheight()))
        set_axis(axes, lines, height)
        for position, thickness, each in lines:
            draw_line(axes, position, 0.8 * thickness, each)
        for position, subject in headings:
            place_at = ("figure fraction", "data")
            axes.annotate(subject, (0.01, position), None, place_at, annotation_clip=False, weight="bold", va="center")
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    # No spaces at the ends of lines.
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def place(rows):
    """Lines (position, height, the rows of a comparison, a backend each), headings (position, text), height of all."""
    lines, headings, y = [], [], 0.0
    for subject, group in groupby(rows, key=lambda row: row.subject):
        headings.append((y + HEADING / 2, subject))
        y += HEADING
        by_case = {}
        for row in group:
            by_case.setdefault(row.case, []).append(row)
        for each in by_case.values():
            height = max(1, 0.45 * len(each))
            lines.append((y + height / 2, height, each))
            y += height
        y += GAP
    return lines, headings, y


def set_axis(axes, lines, height):
    """A log axis with 1 marked, and the names of the lines."""
    axes.set_xscale("log")
    axes.set_ylim(height, 0)
    ratios = [row.ratio for *_, each in lines for row in each]
    axes.set_xlim(min(0.1, min(ratios) / 2), 4 * max(ratios))
    axes.xaxis.set_major_locator(LogLocator(10, numticks=20))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.set_yticks([position for position, *_ in lines], [each[0].case for *_, each in lines])
    axes.tick_params("y", length=0)
    axes.grid(axis="x", color="#e2e7ec", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.axvline(1, color="#18222d", linewidth=1)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("time or bytes of the other side / ours (log; right of 1: ours takes less)")
    used = [backend for backend in COLOURS if any(row.backend == backend for *_, each in lines for row in each)]
    handles = [Patch(color=COLOURS[backend], label=BACKENDS.get(backend, "no backend")) for backend in used]
    axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.02, 1), ncols=len(used), frameon=False)


def draw_line(axes, position, height, rows):
    """A bar for each backend, with its number."""
    thickness = height / len(rows)
    for index, row in enumerate(rows):
        y = position - height / 2 + (index + 0.5) * thickness
        axes.barh(y, row.ratio - 1, 0.9 * thickness, left=1, color=COLOURS[row.backend])
        faster = row.ratio >= 1
        place = {"xytext": (3 if faster else -3, 0), "textcoords": "offset points", "va": "center_baseline"}
        axes.annotate(number(row.ratio), (row.ratio, y), ha="left" if faster else "right", fontsize=6, **place)


def number(ratio):
    """Two digits, or all before the point."""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"
