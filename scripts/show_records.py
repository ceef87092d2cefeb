"""The records of measurements, results/NAME.json of the scripts, as tables in Markdown.

A record holds "figures": numbers in dicts and lists of any depth. Alike dicts side by side become the rows of a table;
what stands alone becomes a line of a table of names and values.

    python scripts/show_records.py [FOLDER]
"""

import argparse
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from keras_efficient.report import numbers
from measuring.results import RESULTS
from pages.tables import markdown_table

_SHORT = 4  # numbers that are shown one by one; of more, mean and standard deviation


@dataclass(frozen=True)
class Table:
    """A table of a record: where in the figures it stands, its headings, its rows."""

    title: str
    headings: list[str]
    rows: list[list[str]]


def load_records(directory: Path) -> list[dict]:
    """The records in a folder, by name; other JSON files are passed over."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(directory.glob("*.json"))]
    return [record for record in read if isinstance(record, dict) and {"name", "command", "figures"} <= record.keys()]


def records_text(records: list[dict]) -> str:
    """All records as Markdown: a heading, where the figures come from, their tables."""
    return "\n".join(line for record in records for line in _record_lines(record))


def record_tables(figures: object, title: str = "") -> Iterator[Table]:
    """The tables of `figures`. Beside a "summary", single runs are left to the file."""
    if isinstance(figures, dict) and figures.get("summary"):
        figures = figures["summary"]
    named = _named(figures)
    if _are_alike(named.values()):
        yield _side_by_side(title, named, numbered=isinstance(figures, list))
        return
    alone = {name: value for name, value in named.items() if _is_cell(value)}
    if alone:
        yield Table(title, ["figure", "value"], [[name, _cell(value)] for name, value in alone.items()])
    for name, value in named.items():
        if name not in alone:
            yield from record_tables(value, f"{title}, {name}" if title else name)


def _record_lines(record: dict) -> Iterator[str]:
    seeds = record.get("seeds") or []
    made = [
        f"`{record['command']}`",
        str(record.get("date", ""))[:10],
        numbers.plural(len(seeds), "seed") if seeds else "",
    ]
    yield from (f"## {record['name']}", "", ", ".join(filter(None, made)), "")
    for table in record_tables(record["figures"]):
        yield from (f"**{table.title}**", "") if table.title else ()
        yield from (markdown_table(table.headings, table.rows), "")


def _named(figures: object) -> dict[str, object]:
    pairs = figures.items() if isinstance(figures, dict) else enumerate(figures, start=1)
    return {str(name): value for name, value in pairs}


def _are_alike(values) -> bool:
    """Whether all are dicts that share at least half of their names: rows of one table."""
    values = list(values)
    if not values or not all(isinstance(value, dict) and value for value in values):
        return False
    names = [set(value) for value in values]
    return 2 * len(set.intersection(*names)) >= len(set.union(*names))


def _side_by_side(title: str, named: dict[str, dict], numbered: bool) -> Table:
    flat = {name: dict(_leaves(value)) for name, value in named.items()}
    columns = list(dict.fromkeys(column for leaves in flat.values() for column in leaves))
    rows = [[name, *(leaves.get(column, numbers.DASH) for column in columns)] for name, leaves in flat.items()]
    if len(columns) > max(len(rows), 8):  # a long narrow table reads better than a wide one
        rows = [list(row) for row in zip(*rows, strict=True)]
        return Table(title, ["", *rows[0]], [[column, *row] for column, row in zip(columns, rows[1:], strict=True)])
    return Table(title, ["", *columns], rows) if not numbered else Table(title, columns, [row[1:] for row in rows])


def _leaves(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    if _is_cell(value):
        yield name or "value", _cell(value)
        return
    for part, inner in _named(value).items():
        yield from _leaves(inner, f"{name} {part}".strip())


def _is_cell(value: object) -> bool:
    return not isinstance(value, dict) and not (
        isinstance(value, list) and any(isinstance(v, dict | list) for v in value)
    )


def _cell(value: object) -> str:
    if isinstance(value, list):
        if len(value) <= _SHORT or not all(map(numbers.is_number, value)):
            return ", ".join(map(_cell, value)) or numbers.DASH
        mean, deviation = statistics.mean(value), statistics.pstdev(value)
        return f"{_cell(mean)} ± {deviation:.2g} ({len(value)})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return numbers.count(value)
    if isinstance(value, float):
        return numbers.count(value) if value.is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    return numbers.DASH if value is None else str(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="?", default=RESULTS, help="folder of the records")
    print(records_text(load_records(parser.parse_args().directory)))


if __name__ == "__main__":
    main()
