"""HTML in small pieces, of reports and notebooks; tables of text. Whatever is not `Html` already gets escaped."""

import html
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass


class Html(str):
    """A string that is markup already."""


def escape(value: object) -> Html:
    """Text to markup; markup stays as it is."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def join(*parts: object, separator: str = "") -> Html:
    """The parts behind one another, each escaped where it is text."""
    return Html(separator.join(escape(part) for part in parts))


def tag(name: str, *children: object, **attributes: str) -> Html:
    """An element: `tag("p", "a < b", class_="note")` -> `<p class="note">a &lt; b</p>`.

    Empty attributes are left out.
    """
    written = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items() if value)
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def paragraph(*children: object) -> Html:
    """A line of explanation in the small, quiet style."""
    return tag("p", *children, class_="note")


def section(title: str, *children: object) -> Html:
    """A part of the page under its own heading."""
    return tag("section", tag("h2", title), *children)


def details(summary: str, *children: object) -> Html:
    """Content that a reader unfolds."""
    return tag("details", tag("summary", summary), *children)


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: the head of the column.
        cell: what a row has in this column.
        class_: "text" for words, which are aligned to the left; numbers are on the right.
        warns: whether the cell of a row deserves attention.
    """

    title: str
    cell: Callable[[dict], object]
    class_: str = ""
    warns: Callable[[dict], bool] = lambda row: False

    def head(self) -> Html:
        """The title's cell."""
        return tag("th", self.title, class_=self.class_, scope="col")

    def write(self, row: dict) -> Html:
        """The cell of `row`."""
        classes = [self.class_, "warn" if self.warns(row) else ""]
        return tag("td", self.cell(row), class_=" ".join(filter(None, classes)))


def table(columns: list[Column], rows: Iterable[dict], row_class: Callable[[dict], str] = lambda row: "") -> Html:
    """A table that scrolls sideways where the window is narrow."""
    head = tag("thead", tag("tr", *(column.head() for column in columns)))
    body = (tag("tr", *(column.write(row) for column in columns), class_=row_class(row)) for row in rows)
    return tag("div", tag("table", head, tag("tbody", *body)), class_="scroll")


def align(rows: Sequence[Sequence[str]], words: Collection[str]) -> list[str]:
    """Lines of equally wide columns, the headings first: those in `words` to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    signs = ["<" if heading in words else ">" for heading in rows[0]]
    lines = (
        "  ".join(f"{cell:{sign}{width}}" for cell, sign, width in zip(row, signs, widths, strict=True)) for row in rows
    )
    return [line.rstrip() for line in lines]


def notebook_table(headings: Sequence[str], rows: Iterable[Sequence[object]], lines: Iterable[str] = ()) -> Html:
    """What a notebook shows of a result: a compact table without a style sheet, and lines of text below.

    Columns of numbers are on the right.
    """
    texts = [[str(cell) for cell in row] for row in rows]
    sides = [_side([row[column] for row in texts]) for column in range(len(headings))]
    head = tag("tr", *(tag("th", text, style=side) for text, side in zip(headings, sides, strict=True)))
    body = [tag("tr", *(tag("td", text, style=side) for text, side in zip(row, sides, strict=True))) for row in texts]
    below = [tag("div", line) for line in lines if line]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body)), *below, style="overflow-x: auto")


def _side(cells: list[str]) -> str:
    return "text-align: " + ("right" if all(re.fullmatch(r"[-\d.,]*", cell) for cell in cells) else "left")
