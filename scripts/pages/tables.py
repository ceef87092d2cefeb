"""Tables of figures in Markdown, and the marked blocks of pages that scripts write."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Table:
    """A table of a page: what it shows, who made it, its rows."""

    title: str
    script: str
    headings: list[str]
    rows: list[list[str]]
    picture: str = ""  # of docs/pictures/figures, drawn by draw_figures.py

    def markdown(self) -> str:
        """The title as a sentence, then the table, then the picture."""
        picture = ["", f"![The same as a picture](pictures/figures/{self.picture}.svg)"] if self.picture else []
        table = markdown_table(self.headings, self.rows)
        return "\n".join([f"{self.title} (`{self.script}`)", "", table, *picture])


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]], columns: str = "---") -> str:
    """A table in Markdown; `columns` says how all but the first are aligned, `--:` to the right."""
    lines = [headings, ["---", *[columns] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def filled(page: str, block: Callable[[str], str]) -> str:
    """A page, between each `<!-- figures: NAME -->` and its end what `block` makes of the name."""
    marks = re.compile(r"<!-- figures: (.*?) -->\n.*?<!-- end of figures -->", flags=re.DOTALL)
    written = "<!-- figures: {} -->\n\n{}\n\n<!-- end of figures -->"
    return marks.sub(lambda match: written.format(match[1], block(match[1])), page)


def write_or_check(path: Path, text: str, check: bool, command: str) -> None:
    """Write a page that is made of figures, or exit with 1 where it is not what it would be."""
    if not check:
        path.write_text(text, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != text:
        sys.exit(f"{path.name} is not up to date: run {command}")


def accuracy(row: dict) -> str:
    """A share with its standard deviation: 98.02% ± 0.09."""
    return f"{row['mean']:.2%} ± {100 * row['sd']:.2f}"


def mean_and_sd(row: dict, percent: bool = True) -> str:
    """A mean with its standard deviation, of one seed without: 98.02 ± 0.09."""
    scale = 100 if percent else 1
    spread = f" ± {scale * row['sd']:.2f}" if len(row["each"]) > 1 else ""
    return f"{scale * row['mean']:.2f}{spread}"
