"""The page of a search: accuracy against bytes, the front, every candidate."""

from pathlib import Path

from keras_efficient.files import write_text
from keras_efficient.report import numbers
from keras_efficient.report.markup import Column, Html, details, join, paragraph, section, table, tag
from keras_efficient.report.overview import footer
from keras_efficient.report.page import PAGE
from keras_efficient.report.search import HEADINGS, cells, counts_line, in_words
from keras_efficient.report.search_plot import accuracy_against_bytes
from keras_efficient.report.style import STYLE


def write_search_page(result: dict, path: Path) -> None:
    """Write the page of a search, one self-contained HTML file; the same `result` gives the same bytes.

    Args:
        result: The content of search.json.
        path: The file to write.
    """
    write_text(path, render(result))


def render(result: dict) -> str:
    """The page as a string."""
    title = f"Networks within {numbers.size(result['max_bytes'])} bytes"
    lead = tag("p", counts_line(result), ".", class_="lead")
    parts = [tag("h1", title), lead, _plot(result), _front(result), _limits(result), _all(result), footer(result)]
    return PAGE.format(title=title, style=STYLE, body=tag("main", join(*parts, separator="\n")))


def _plot(result: dict) -> Html:
    plot = tag("figure", accuracy_against_bytes(result), style="max-width: none")
    note = paragraph(
        "Each point is a network after a brief training, float and then quantized; dashed lines are limits in bytes. "
        "The best of many is partly lucky on these very validation samples. No test data was looked at: train the "
        "network of ",
        tag("code", result["network_path"]),
        " in full, and measure it then.",
    )
    references = (paragraph(f"{reference['name']}: {in_words(reference)}") for reference in result["references"])
    return section("Accuracy against bytes", plot, note, *references)


def _front(result: dict) -> Html:
    rows = [result["candidates"][index] for index in result["front"]]
    best = result["candidates"][result["best"]]
    note = paragraph(
        "No other network that was trained has at most the bytes and at least the accuracy of one of these."
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
