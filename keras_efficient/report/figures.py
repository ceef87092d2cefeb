"""Matplotlib axes as inline SVG: the same bytes each time, whatever the user's settings."""

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from keras_efficient.markup import Html, escape

# Stand-ins that no one would draw with. In the page they become custom properties of the style
# sheet, so the plots follow the dark scheme.
INK, MUTED, GRID, CARD, CHOSEN, OTHER, FAILED = STAND_INS = [f"#01020{digit}" for digit in range(3, 10)]
NAMES = ("ink", "muted", "grid", "card", "chosen", "other", "failed")

SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "keras_efficient",  # ids would be random otherwise
    "svg.fonttype": "none",  # text stays text: smaller, and in the font of the page
    "font.size": 9,
    "lines.markersize": 5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
}
NO_METADATA = dict.fromkeys(["Creator", "Date", "Format", "Type"])


def draw_svg(draw: Callable[[Axes], None], name: str, label: str, size: tuple[float, float] = (4.4, 2.75)) -> Html:
    """What `draw` puts on an axes of `size` inches, as an `<svg>`.

    All its ids start with `name`; `label` is what a screen reader says.
    """
    text = io.StringIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # nothing of the user's matplotlibrc
        matplotlib.rcParams.update(SETTINGS)
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(text, format="svg", transparent=True, metadata=NO_METADATA)
    return _inline(text.getvalue(), name, label)


def percent_ticks(axis: Axis) -> None:
    """Write the ticks of shares as percentages, with no more decimals than they need."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.5g} %"))


def _inline(svg: str, name: str, label: str) -> Html:
    """A stand-alone SVG file as part of a page: no prologue, no global style, ids of its own."""
    found = re.search(r'viewBox="0 0 (\S+) (\S+)"', svg)
    assert found is not None  # matplotlib writes one
    width, height = found.groups()
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'(xlink:)?href="#', f'href="#{name}-', body)
    body = body.replace('id="', f'id="{name}-').replace("url(#", f"url(#{name}-")
    for stand_in, name_of_property in zip(STAND_INS, NAMES, strict=True):
        body = body.replace(stand_in, f"var(--{name_of_property})")
    view = f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}"'
    return Html(f'<svg class="plot" {view}>{body}')
