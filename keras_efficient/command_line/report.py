"""`keras-efficient report`."""

import json
from pathlib import Path
from typing import Annotated

from typer import Argument, Option, echo

from keras_efficient.export.firmware_report import firmware_report
from keras_efficient.folders import tidy_up
from keras_efficient.report import load_result, write_report
from keras_efficient.report.firmware import with_firmware

EXAMPLE = "report runs/mnist"


def report(
    directory: Annotated[Path, Argument(help="Folder of a finished run.")],
    firmware: Annotated[
        Path | None, Option(help="Folder of `export --verify` of the run's network: its figures come on the page.")
    ] = None,
) -> None:
    """Rewrite report.html of a run from its result.json."""
    result = load_result(directory)
    if firmware is not None:
        result = with_firmware(result, json.loads(firmware_report(firmware).to_json()))
    write_report(result, directory / "report.html")
    tidy_up(directory)
    echo(f"Wrote {directory / 'report.html'}")
