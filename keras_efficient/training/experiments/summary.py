"""What an experiment found: the rows of experiment.json, and its tables."""

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, stdev

from rich import box
from rich.console import Console
from rich.table import Table

from keras_efficient.checks import shown
from keras_efficient.files import damaged, json_value, read_json, write_json
from keras_efficient.report import numbers
from keras_efficient.report.numbers import is_number
from keras_efficient.training.experiments.execution import failure, result, search_result, status
from keras_efficient.training.experiments.plan import Plan, PlannedRun, Point

FORMAT = "keras_efficient experiment 1"
SUMMARY = "experiment.json"


@dataclass(frozen=True)
class ExperimentResult:
    """The comparison of an experiment; `str()` is its table.

    Attributes:
        directory: Folder of the runs, where experiment.json is.
        metric: The name of what was compared.
        rows: One per method and point: `method`, `settings` (those that differ between rows),
            `mean`, `sd`, `min`, `max` of the metric over the seeds, `failed`, the bytes, `runs`.
            The run of a search has a `search` with all configurations and the index of the best.
    """

    directory: str
    metric: str
    rows: list[dict]

    @property
    def finished(self) -> int:
        """How many runs have a result."""
        return sum(run["status"] == "done" for row in self.rows for run in row["runs"])

    def to_json(self) -> dict:
        """As it stands in experiment.json, without the date."""
        return {"format": FORMAT, "metric": self.metric, "rows": self.rows}

    def __str__(self):
        runs = [(row["method"], run) for row in self.rows for run in row["runs"] if "search" in run]
        searches = [f"{method}, seed {run['seed']}:\n{as_text(_search_table(run['search']))}" for method, run in runs]
        return "\n\n".join([as_text(_result_table(self.metric, self.rows)), *searches])


def write_summary(plan: Plan) -> ExperimentResult:
    """Collect the runs of a plan; storage/experiment.json is written where it says something new."""
    names = plan.differing()
    rows = [_row(plan, point, names) for point in plan.points]
    found = ExperimentResult(str(plan.storage), plan.metric, json_value(rows))
    path = plan.storage / SUMMARY
    if not path.exists() or {**read_json(path), "finished_date": None} != {**found.to_json(), "finished_date": None}:
        write_json(path, {**found.to_json(), "finished_date": datetime.now(UTC).isoformat(timespec="seconds")})
    return found


def list_experiment(plan: Plan, as_json: bool = False) -> str:
    """All runs of a plan as a table, or as JSON with all their settings."""
    if not as_json:
        return as_text(_plan_table(plan))
    runs = [
        {"method": point.method, **_identity(plan, run), "status": status(run), "settings": run.settings}
        for point in plan.points
        for run in point.runs
    ]
    return json.dumps(runs)


def _row(plan: Plan, point: Point, names: list[str]) -> dict:
    runs = [_run_json(plan, run) for run in point.runs]
    values = [run[plan.metric] for run in runs if run["status"] == "done"]
    done = next((run for run in point.runs if status(run) == "done"), None)
    best = {} if done is None else result(done)["best"]
    return {
        "method": point.method,
        "settings": {name: point.settings.get(name) for name in names},
        "mean": mean(values) if values else None,
        "sd": stdev(values) if len(values) > 1 else None,
        "min": min(values, default=None),
        "max": max(values, default=None),
        "failed": len(runs) - len(values),
        **{name: best.get(name) for name in ("weight_bytes", "activation_bytes", "total_bytes")},  # seeds change none
        "runs": runs,
    }


def _run_json(plan, run):
    row = {**_identity(plan, run), "status": status(run)}
    with _made_by_a_run(run):
        if row["status"] == "failed":
            return {**row, "reason": failure(run)}
        found = result(run)
        row[plan.metric] = _number(found["best"][plan.metric])
        if run.search is not None:
            search = search_result(run)
            _check_search(search)
            return {**row, "train_seconds": search["train_seconds"], "search": search}
        return {**row, "train_seconds": sum(_number(stage["train_seconds"]) for stage in found["stages"])}


@contextmanager
def _made_by_a_run(run: PlannedRun) -> Iterator[None]:
    """Files of another content than a run writes are damaged, whatever they make the reader say."""
    try:
        yield
    except (LookupError, TypeError, AttributeError) as error:
        reason = f"it holds what no run writes ({type(error).__name__}: {error})"
        raise damaged(run.folder, reason, "Delete it, and it is trained again.") from error


def _number(value):
    if not is_number(value):
        raise TypeError(f"{shown(value)} is no number")
    return value


def _check_search(search):
    """Raise an error unless there is all that the table shows."""
    _number(search["train_seconds"])
    search["configurations"][search["best"]]["values"].keys()
    for row in search["configurations"]:
        [row[name] for name in ("sha256", "status", "total_bytes", "val_loss", "val_accuracy", search["measure"])]
        Path(row["path"]), row["values"].keys(), _number(row["epochs"])


def _identity(plan: Plan, run: PlannedRun) -> dict:
    path = run.folder.relative_to(plan.storage).as_posix()
    return {"seed": run.settings["seed"], "sha256": run.sha256, "path": path}


_LONGEST = 40


def _plan_table(plan: Plan) -> Table:
    """All runs with their hashes and what is there of them."""
    names = plan.differing()
    table = _new_table(["run", "status", "method", *names, "seed"])
    for point in plan.points:
        for run in point.runs:
            cells = [_cell(point.settings.get(name)) for name in names]
            table.add_row(run.folder.name, status(run), point.method, *cells, str(run.settings["seed"]))
    return table


def _result_table(metric: str, rows: list[dict]) -> Table:
    """One line per row of experiment.json."""
    names = list(rows[0]["settings"])
    show = numbers.loss if metric.endswith("loss") else numbers.percent
    table = _new_table(["method", *names], [f"{metric} mean", "sd", "min", "max", "seeds", "failed", "bytes"])
    for row in rows:
        cells = [_cell(row["settings"][name]) for name in names]
        measured = [show(row[name]) for name in ("mean", "sd", "min", "max")]
        counts = [str(len(row["runs"])), str(row["failed"]), numbers.size(row["total_bytes"])]
        table.add_row(row["method"], *cells, *measured, *counts)
    return table


def _search_table(search: dict) -> Table:
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
    console = Console(
        file=file, width=width, markup=False, emoji=False, highlight=False, force_jupyter=False, force_terminal=False
    )
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
