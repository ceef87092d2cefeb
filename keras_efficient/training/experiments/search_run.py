"""One search: Optuna draws configurations, each is priced, then trained from rung to rung; the best is found."""

from typing import Any

from keras_efficient.files import write_json
from keras_efficient.storage import estimate_storage
from keras_efficient.training.executors.tasks import Executor, Task, Tasks
from keras_efficient.training.experiments.data import DataSettings
from keras_efficient.training.experiments.execution import SEARCH, advance, open_folder, recorded, say
from keras_efficient.training.experiments.network import make_source
from keras_efficient.training.experiments.resolve import PlannedRun
from keras_efficient.training.experiments.search_plan import PlannedSearch, distribution, import_optuna
from keras_efficient.training.progress import ProgressFile

_FORMAT = "keras_efficient experiment search 2"


def execute_search(run: PlannedRun, executor: Executor | None = None, verbose: bool | str = False) -> None:
    """Run a search, or continue it; errors as of `execute`. Leaves search.json.

    The seed decides what is drawn, and every configuration knows what it reached: a search that goes on is the same
    one again, and reads what is there. The workers of an executor each take one configuration. `verbose`: whether to
    say what became of each.
    """
    open_folder(run)
    with recorded(run):
        settings, study = run.search.settings, _make_study(run.search)
        rows: list[dict] = []
        while (left := settings.configurations - len(rows)) > 0:
            for row in _side_by_side(run.search, study, min(settings.parallel, left), executor):
                rows.append(row)
                say(f"{len(rows)}/{settings.configurations}  {row['status']}, {row['epochs']} epochs", verbose)
        finished = [index for index, row in enumerate(rows) if row["status"] == "finished"]
        if not finished:
            reason = next(row["reason"] for row in rows if row["reason"])
            raise ValueError(f"No configuration of {len(rows)} came to its end; the first that could not: {reason}")
        best = min(finished, key=lambda index: _worth(rows[index], settings.measure))
        seconds = {row["sha256"]: row["train_seconds"] for row in sorted(rows, key=lambda row: row["epochs"])}
        found = {"format": _FORMAT, "measure": settings.measure, "best": best, "configurations": rows}
        write_json(run.folder / SEARCH, {**found, "train_seconds": sum(seconds.values())})


def _make_study(search: PlannedSearch) -> Any:
    optuna, settings = import_optuna(), search.settings
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it says of every study that there is one
    sampler = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}[settings.sampler]
    pruner = optuna.pruners.HyperbandPruner(settings.first_epochs, settings.max_epochs, settings.factor)
    # The name decides the bracket of each trial.
    return optuna.create_study(sampler=sampler(seed=search.seed), pruner=pruner, study_name="search")


def _side_by_side(search, study, count, executor):
    """The rows of so many configurations, each of which was drawn before any of them was trained."""
    distributions = {name: distribution(name, domain) for name, domain in search.space.items()}
    drawn = [_priced(search, study.ask(distributions)) for _ in range(count)]
    for epochs in search.settings.halving.rungs(search.settings.max_epochs):
        climbing = [each for each in drawn if each[2]["status"] == "climbing"]
        reached = _advance({run.sha256: run for _, run, _ in climbing}, epochs, executor)
        for trial, run, row in climbing:
            row.update(reached[run.sha256])
            if row["status"] == "stopped":
                trial.report(_worth(row, search.settings.measure), epochs)
                row["status"] = "stopped" if trial.should_prune() else "climbing"
    for trial, _, row in drawn:
        if row["status"] == "finished":
            study.tell(trial, _worth(row, search.settings.measure))
        else:  # without a value on any rung it is the worst of all, and the sampler keeps away from it
            study.tell(trial, state=import_optuna().trial.TrialState.PRUNED)
    return [row for _, _, row in drawn]


def _priced(search, trial):
    """(trial, run, row): the configuration "refused", or "climbing" where training may begin."""
    drawn, space = trial.params, search.space
    values = {name: space[name][drawn[name]] if isinstance(space[name], list) else drawn[name] for name in space}
    run, limit, total, reason = search.run(values), search.settings.max_bytes, None, None
    shape = DataSettings(**run.settings["data"]).input_shape(search.seed)
    try:
        source = make_source(run.settings["network"], run.modules)
        total = estimate_storage(source() if callable(source) else source, shape).total_bytes
        if limit is not None and total > limit:
            reason = f"{total:g} bytes are above the limit of {limit:g}"
    except Exception as error:  # a builder may raise anything; without a limit, its training says what
        reason = None if limit is None else f"the bytes are not known: {error}"
    state = {"status": "climbing" if reason is None else "refused", "reason": reason, "epochs": 0}
    row = {"values": values, "sha256": run.sha256, "path": f"runs/{run.folder.name}", "total_bytes": total}
    return trial, run, {**row, **state, "val_loss": None, "val_accuracy": None, "train_seconds": 0.0}


def _advance(runs, epochs, executor):
    if executor is None:
        return {sha256: advance(run, epochs) for sha256, run in runs.items()}
    tasks = {
        sha256: Task(f"configuration {run.folder.name}", advance, (run, epochs), ProgressFile(run.folder))
        for sha256, run in runs.items()
    }
    return dict(Tasks(executor, tasks).results())


def _worth(row, measure):
    return -row[measure] if measure == "val_accuracy" else row[measure]
