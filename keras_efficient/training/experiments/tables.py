"""The tables of an experiment: the runs that it consists of, and what they found."""

import io
import json
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from keras_efficient.report import numbers
from keras_efficient.training.experiments.execution import status
from keras_efficient.training.experiments.plan import Plan

_LONGEST = 40


def plan_table(plan: Plan) -> Table:
    """All runs with their hashes and what is there of them."""
    names = plan.differing()
    table = _new_table(["run", "status", "method", *names, "seed"])
    for point in plan.points:
        for run in point.runs:
            cells = [_cell(point.settings.get(name)) for name in names]
            table.add_row(run.folder.name, status(run), point.method, *cells, str(run.settings["seed"]))
    return table


def result_table(metric: str, rows: list[dict]) -> Table:
    """One line a row of experiment.json."""
    names = list(rows[0]["settings"])
    show = numbers.loss if metric.endswith("loss") else numbers.percent
    table = _new_table(["method", *names], [f"{metric} mean", "sd", "min", "max", "seeds", "failed", "bytes"])
    for row in rows:
        cells = [_cell(row["settings"][name]) for name in names]
        measured = [show(row[name]) for name in ("mean", "sd", "min", "max")]
        counts = [str(len(row["runs"])), str(row["failed"]), numbers.size(row["total_bytes"])]
        table.add_row(row["method"], *cells, *measured, *counts)
    return table


def search_table(search: dict) -> Table:
    """The configurations of a search, each once: the best, then by how far they came, then by how good they are."""
    rows, best = search["configurations"], search["configurations"][search["best"]]
    furthest = {row["sha256"]: row for row in sorted(rows, key=lambda row: row["epochs"])}.values()
    sign = -1 if search["measure"] == "val_accuracy" else 1

    def rank(row):
        value = row[search["measure"]]
        return row["sha256"] != best["sha256"], value is None, -row["epochs"], 0 if value is None else sign * value

    names = list(best["values"])
    table = _new_table(["run", "status", *names], ["bytes", "epochs", "val loss", "val accuracy"])
    for row in sorted(furthest, key=rank):
        cells = [_cell(row["values"][name]) for name in names]
        status = "best" if row["sha256"] == best["sha256"] else row["status"]
        measured = [numbers.loss(row["val_loss"]), numbers.percent(row["val_accuracy"])]
        table.add_row(
            Path(row["path"]).name, status, *cells, numbers.size(row["total_bytes"]), str(row["epochs"]), *measured
        )
    return table


def as_text(table: Table) -> str:
    """A table as lines: as wide as the terminal, or as it needs where there is none."""
    width = None if sys.stdout.isatty() else 10_000
    # No markup: a setting may hold brackets.
    file = io.StringIO()
    console = Console(file=file, width=width, markup=False, emoji=False, highlight=False)
    console.print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines() if line.strip())


def _new_table(words, figures=()):
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in words:
        table.add_column(heading, overflow="fold")
    for heading in figures:
        table.add_column(heading, justify="right")
    return table


def _cell(value):
    if value is None:
        return numbers.DASH
    value = float(f"{value:.4g}") if isinstance(value, float) else value
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
