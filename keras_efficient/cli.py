"""The command `keras-efficient`: bytes before training, trials, the report.

Bad input ends with one line on standard error and exit code 2; no file is touched then.
"""

import sys
import warnings
from functools import partial
from typing import Annotated

from typer import Abort, Context, Exit, Option, Typer, echo
from typer.exceptions import TyperException
from typer.main import get_command

import keras_efficient as ke
from keras_efficient.command_line import check, experiment, export, quantize, report, search, storage, train
from keras_efficient.command_line.messages import fail, show_warning, with_options

app = Typer(
    help="Train Keras networks that fit in a few kilobytes, and export them to C.",
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for _module in (train, quantize, storage, export, check, search, report, experiment):
    _name = _module.__name__.rpartition(".")[2]
    app.command(epilog=f"Example: keras-efficient {_module.EXAMPLE}")(getattr(_module, _name))


@app.callback(invoke_without_command=True)
def _without_a_command(
    context: Context, version: Annotated[bool, Option("--version", help="Show the version and exit.")] = False
) -> None:
    if version:
        echo(ke.__version__)
        raise Exit
    if context.invoked_subcommand is None:
        echo(context.get_help())


def _options(name: str) -> dict[str, str]:
    """The options of a command by the names of arguments in the package; its samples are `x` there."""
    command = getattr(get_command(app), "commands", {}).get(name)
    options = {each.name: each.opts[0] for each in command.params if each.opts[0].startswith("--")} if command else {}
    return options | ({"x": options["samples"]} if "samples" in options else {})


def main() -> None:
    """Run the command; bad input gives one line on standard error and exit code 2."""
    word = partial(with_options, options=_options(sys.argv[1] if len(sys.argv) > 1 else ""))
    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(show_warning, warnings.showwarning, word)
            sys.exit(app(standalone_mode=False) or 0)
    except (Abort, KeyboardInterrupt):
        fail("Stopped. The same command continues the run.", 130)
    except TyperException as error:
        fail(getattr(error, "format_message", error.__str__)(), 2)
    except (ValueError, TypeError, OSError, ImportError) as error:
        fail(word(str(error)), 2)
