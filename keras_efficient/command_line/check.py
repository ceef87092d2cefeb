"""`keras-efficient check`."""

from typer import echo

import keras_efficient as ke
from keras_efficient.command_line.model_files import load_model
from keras_efficient.command_line.options import Json, Model

EXAMPLE = "check --model mine.keras"


def check(model: Model, as_json: Json = False) -> None:
    """Show what each layer, function and operator of a model can do here, and why not; change nothing."""
    report = ke.support_report(load_model(model))
    echo(report.to_json() if as_json else str(report))
