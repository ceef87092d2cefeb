"""`keras-efficient report`."""

from pathlib import Path
from typing import Annotated

from typer import Argument, echo

from keras_efficient.folders import tidy_up
from keras_efficient.report import load_result, write_report

EXAMPLE = "report runs/mnist"


def report(directory: Annotated[Path, Argument(help="Folder of a finished run.")]) -> None:
    """Rewrite report.html of a run from its result.json."""
    write_report(load_result(directory), directory / "report.html")
    tidy_up(directory)
    echo(f"Wrote {directory / 'report.html'}")
