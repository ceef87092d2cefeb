"""`keras-efficient check`."""

from typer import echo

import keras_efficient as ke
from keras_efficient.command_line.model_files import load_model
from keras_efficient.command_line.options import Json, Model

EXAMPLE = "check --model mine.keras"


def check(model: Model, as_json: Json = False) -> None:
    """Show which layers and functions of a model can be quantized, exported and pruned, and why not."""
    report = ke.support_report(load_model(model))
    echo(report.to_json() if as_json else str(report))
