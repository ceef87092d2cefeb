"""`keras-efficient experiment`."""

import json
from pathlib import Path
from typing import Annotated

from typer import Argument, Option, echo

import keras_efficient as ke
from keras_efficient.command_line.messages import fail
from keras_efficient.command_line.options import Json, check_workers, open_executor
from keras_efficient.training.experiments import list_experiment

EXAMPLE = "experiment scripts/experiments/digits.yaml --out runs/digits_study"


def experiment(
    file: Annotated[Path, Argument(help="YAML file of the study.")],
    workers: Annotated[int | None, Option(help="Processes that run trials. Default: only this one.")] = None,
    out: Annotated[Path | None, Option(help="Folder of the runs. Default: the file's `storage`, or runs/NAME.")] = None,
    list_runs: Annotated[
        bool,
        Option("--list", help="Show all runs and which are finished; run nothing."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the missing runs of a study in a YAML file, and compare its settings.

    Leaves experiment.json in the folder of the runs. A run is found again by the hash of its
    settings: the same file continues what was interrupted, a longer one adds to it.
    """
    check_workers(workers)
    if list_runs:
        echo(list_experiment(ke.training.plan_experiment(file, out), as_json))
        return
    with open_executor(workers) as executor:
        found = ke.training.run_experiment(file, out, executor, verbose=False if as_json else "auto")
    echo(json.dumps(found.to_json()) if as_json else f"{found}\n\nfiles  {Path(found.directory) / 'experiment.json'}")
    if not found.finished:
        fail(f"all runs failed; the first: {found.rows[0]['runs'][0]['reason']}", 1)
