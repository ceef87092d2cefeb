"""The command `keras-efficient`: bytes before training, trials, the report.

Bad input ends with one line on standard error and exit code 2; no file is touched then.
"""

import json
import sys
import warnings
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any

from typer import Abort, Argument, Context, Exit, Option, Typer, echo
from typer.exceptions import TyperException

import keras_efficient as ke
from keras_efficient.export.firmware_limits import FirmwareLimits
from keras_efficient.export_command import ExportArguments, load_model, run_export
from keras_efficient.files import read_json
from keras_efficient.folders import tidy_up
from keras_efficient.networks import MNIST_2KB
from keras_efficient.report import load_result, summary_table, write_report
from keras_efficient.report.search import search_summary
from keras_efficient.training.command import (
    augmented,
    default_network,
    halving_option,
    integers_option,
    make_stages,
    network_option,
    stage_settings,
)
from keras_efficient.training.engines import check_engine
from keras_efficient.training.experiments import list_experiment
from keras_efficient.training.search import search_networks
from keras_efficient.training.search.command import search_arguments
from keras_efficient.training.search.outcome import NETWORK, PAGE, RESULT
from keras_efficient.training.selection import check_rule

app = Typer(
    help="Neural networks that fit: bytes before training, the best of many trials, quantized.",
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_Network = Annotated[Path | None, Option(help="JSON file with the network description.")]
_Chip = Annotated[str | None, Option(help="atmega328p, cortex-m0, cortex-m3 or cortex-m4: estimate the firmware.")]
_Json = Annotated[bool, Option("--json", help="Print JSON instead of tables.")]
_Seed = Annotated[int, Option(help="Decides everything that is random, and the validation split.")]


@app.callback(invoke_without_command=True)
def _without_a_command(
    context: Context, version: Annotated[bool, Option("--version", help="Show the version and exit.")] = False
) -> None:
    if version:
        echo(ke.__version__)
        raise Exit
    if context.invoked_subcommand is None:
        echo(context.get_help())


@app.command(
    epilog="Example: keras-efficient train --dataset mnist --data-dir data --network network.json "
    "--trials 5,2,2 --epochs 20,20,20 --out runs/mnist --seed 0"
)
def train(
    dataset: Annotated[str, Option(help=f"One of {', '.join(ke.datasets.DATASETS)}.")] = "digits",
    data_dir: Annotated[Path | None, Option(help="Folder of the data files; without it they are downloaded.")] = None,
    network: _Network = None,
    trials: Annotated[str, Option(help="Trials of float,learn_scales,freeze_scales; 0 leaves one out.")] = "3,2,2",
    epochs: Annotated[str | None, Option(help="Epochs of a trial in each stage. [20,20,20; digits 60,40,60]")] = None,
    batch_size: Annotated[int | None, Option(help="Default: min(1024, samples // 16).")] = None,
    halving: Annotated[
        str | None,
        Option(help="Stop the worse float trials early: epochs before the first choice[,one of so many goes on]."),
    ] = None,
    augment: Annotated[int, Option(help="Elastic copies of each training image.")] = 0,
    schedule: Annotated[str | None, Option(help="cosine; default: a factor from epoch to epoch.")] = None,
    distillation: Annotated[float | None, Option(help="Weight of the float trials' answers in the labels.")] = None,
    rule: Annotated[str, Option(help="How trials are chosen: score, val_loss or val_accuracy.")] = "score",
    out: Annotated[Path | None, Option(help="Folder of the run. Default: runs/DATASET.")] = None,
    seed: _Seed = 0,
    workers: Annotated[int | None, Option(help="Processes that run trials. Default: only this one.")] = None,
    ray: Annotated[
        str | None,
        Option(help="Ray that runs trials: auto (this machine's cluster), local (started here) or an address."),
    ] = None,
    engine: Annotated[
        str, Option(help="auto: compiled (C code) where the network allows it, else keras; or one of the two.")
    ] = "auto",
    as_json: _Json = False,
) -> None:
    """Train a network in stages of several trials, keep the best, quantize it, write a report.

    Leaves best.keras, result.json and report.html in the folder of the run. An interrupted run
    continues when the same command is given again; a finished one is only shown.
    """
    settings = stage_settings(trials, epochs or ("60,40,60" if dataset == "digits" else "20,20,20"))
    options: dict[str, Any] = {
        "schedule": schedule,
        "distillation": distillation,
        "halving": halving_option(halving, settings),
    }
    make_stages(settings, batch_size, samples=16, **options)  # wrong numbers end here, before data is loaded
    check_rule(rule)
    check_engine(engine)
    _check_workers(workers, ray)
    images = ke.datasets.load_dataset(dataset, data_dir, seed=seed)
    description, _ = network_option(network, default_network(dataset), images.x_train.shape[1:])
    if not as_json:
        _show_storage(description, images.x_train.shape[1:])
    with _executor(workers, ray) as executor:
        selection = ke.train_network(
            description,
            augmented(images, augment, seed),
            make_stages(settings, batch_size, len(images.x_train), **options),
            out or Path("runs") / dataset,
            executor=executor,
            rule=rule,
            seed=seed,
            verbose=not as_json,
            engine=engine,
        )
    result = load_result(Path(selection.directory))
    files = _files(selection.directory, "best.keras", "result.json", "report.html")
    echo(json.dumps(result) if as_json else f"{summary_table(result)}\nfiles       {files}")


@app.command(epilog="Example: keras-efficient storage --network network.json --input-shape 28,28,1")
def storage(
    network: _Network = None,
    input_shape: Annotated[str | None, Option(help="Rows,columns,channels. Default: the file's, or 28,28,1.")] = None,
    input_bits: Annotated[int, Option(help="Bits of a number of the input.")] = 8,
    streaming: Annotated[bool, Option(help="Whether the pixels arrive one by one.")] = True,
    order: Annotated[str, Option(help="best, row, column, transpose or herringbone.")] = "best",
    chip: _Chip = None,
    as_json: _Json = False,
) -> None:
    """Show the bytes and multiply-adds of a network, layer by layer, without training it.

    With --chip also what its C takes there, compiled and simulated: flash, RAM with stack, cycles or instructions.
    """
    shape = None if input_shape is None else integers_option(input_shape, "--input-shape")
    description, shape = network_option(network, MNIST_2KB, shape)
    report = ke.estimate_storage(description, shape, input_bits, streaming, order)
    firmware = None if chip is None else ke.estimate_firmware(description, chip, shape)
    if as_json:
        echo(json.dumps({**report.to_dict(), **({} if firmware is None else {"firmware": firmware.to_dict()})}))
    else:
        echo(str(report) if firmware is None else f"{report}\n\n{firmware}")


@app.command(
    epilog="Example: keras-efficient export --model runs/mnist/best.keras --out firmware --target avr --verify"
)
def export(
    model: Annotated[Path, Option(help="A .keras file, such as best.keras of a run.")],
    out: Annotated[Path, Option(help="Folder of the files.")],
    weights: Annotated[str, Option(help="Where an AVR keeps the weights: flash or ram.")] = "flash",
    target: Annotated[
        str,
        Option(help="host, avr (ATmega328P), arm and dsp (Cortex-M), arduino, arduino_library, cmake: C; or litert."),
    ] = "host",
    ram: Annotated[int | None, Option(help="Bytes of RAM there are; what does not fit is refused.")] = None,
    verify: Annotated[bool, Option(help="Run it, and compare every logit with Keras.")] = False,
    dataset: Annotated[
        str | None, Option(help="Images for --verify, and for litert. Default: digits, or noise to verify with.")
    ] = None,
    data_dir: Annotated[Path | None, Option(help="Folder of the data files; without it they are downloaded.")] = None,
    samples: Annotated[Path | None, Option(help="Inputs that show litert the ranges: a .npy file.")] = None,
    images: Annotated[int, Option(help="Inputs for --verify, at most.")] = 10_000,
    prefix: Annotated[
        str, Option(help="What stands for network in the names of files, functions, macros.")
    ] = "network",
    as_json: _Json = False,
) -> None:
    """Write a trained network as C99, with the bytes it takes; check it bit for bit.

    Leaves network.c, network.h, a small main, report.json and README.md. --verify needs a C
    compiler (apt-get install gcc); with --target avr, arduino or arduino_library also gcc-avr avr-libc
    simavr libsimavr-dev, with --target arm or dsp gcc-arm-none-eabi qemu-system-arm.

    --target arduino makes the folder a sketch that reads inputs from the serial port, arduino_library
    a library with that example, cmake a project for add_subdirectory. --target litert
    leaves model.tflite, int8, and says its bytes beside those of the C; it takes plain Keras models, too.
    """
    report, verification = run_export(
        ExportArguments(model, out, weights, target, ram, verify, dataset, data_dir, samples, images, prefix)
    )
    echo(report.to_json() if as_json else f"{report}\n{verification or ''}".rstrip(), nl=not as_json)
    if isinstance(verification, ke.export.Verification) and not verification.passed:
        _fail(f"the programs differ: {'; '.join(map(str, verification.comparisons))}", 1)


@app.command(epilog="Example: keras-efficient check --model mine.keras")
def check(model: Annotated[Path, Option(help="A .keras file, plain or quantized.")], as_json: _Json = False) -> None:
    """Show what each layer, function and operator of a model can do here, and why not; change nothing."""
    report = ke.support_report(load_model(model))
    echo(report.to_json() if as_json else str(report))


@app.command(
    epilog="Example: keras-efficient search --max-bytes 2048 --dataset mnist --data-dir data --samples 60 "
    "--epochs 5,5 --out runs/search --seed 0"
)
def search(
    max_bytes: Annotated[float, Option(help="Limit of weights and activations together.")],
    dataset: Annotated[str, Option(help=f"One of {', '.join(ke.datasets.DATASETS)}.")] = "digits",
    data_dir: Annotated[Path | None, Option(help="Folder of the data files; without it they are downloaded.")] = None,
    space: Annotated[Path | None, Option(help="JSON file that changes the space. Default: the study's.")] = None,
    samples: Annotated[int | None, Option(help="Networks to train. [60; digits 12]")] = None,
    epochs: Annotated[str | None, Option(help="Float and quantized epochs of each. [5,5; digits 12,8]")] = None,
    batch_size: Annotated[int | None, Option(help="Default: min(128, samples // 32).")] = None,
    out: Annotated[Path | None, Option(help="Folder of the search. Default: runs/search-DATASET.")] = None,
    seed: _Seed = 0,
    workers: Annotated[int | None, Option(help="Processes that train. Default: only this one.")] = None,
    engine: Annotated[
        str, Option(help="auto: compiled (C code) where the network allows it, else keras; or one of the two.")
    ] = "auto",
    chip: _Chip = None,
    max_flash: Annotated[int | None, Option(help="Bytes of flash on --chip.")] = None,
    max_ram: Annotated[int | None, Option(help="Bytes of RAM on --chip, with stack.")] = None,
    max_cycles: Annotated[int | None, Option(help="Clock cycles per input on --chip (atmega328p).")] = None,
    as_json: _Json = False,
) -> None:
    """Find accurate networks that fit: price a whole space of them, train a sample briefly, rank.

    Leaves search.json, search.html and network.json, the winner, for `train --network`. An interrupted search
    continues when the same command is given again; a finished one is only shown.
    """
    limits = _firmware_limits(chip, max_flash, max_ram, max_cycles)
    _check_workers(workers)
    arguments = search_arguments(max_bytes, dataset, data_dir, space, samples, epochs, batch_size, out, seed, engine)
    with _executor(workers) as executor:
        found = search_networks(**arguments, executor=executor, verbose=not as_json, limits=limits)
    result = read_json(Path(found.directory) / RESULT)
    echo(json.dumps(result) if as_json else search_summary(result))
    if not as_json:
        echo(f"\nfiles  {_files(found.directory, NETWORK, RESULT, PAGE)}")


@app.command(epilog="Example: keras-efficient report runs/mnist")
def report(directory: Annotated[Path, Argument(help="Folder of a finished run.")]) -> None:
    """Write report.html of a run again, from its result.json."""
    write_report(load_result(directory), directory / "report.html")
    tidy_up(directory)
    echo(f"Wrote {directory / 'report.html'}")


@app.command(epilog="Example: keras-efficient experiment scripts/experiments/digits.yaml --out runs/digits_study")
def experiment(
    file: Annotated[Path, Argument(help="YAML file of the study.")],
    workers: Annotated[int | None, Option(help="Processes that take the runs. Default: only this one.")] = None,
    out: Annotated[Path | None, Option(help="Folder of the runs. Default: the file's `storage`, or runs/NAME.")] = None,
    list_runs: Annotated[
        bool,
        Option("--list", help="Show the runs and what is there of them; run nothing; a `builder` is not looked at."),
    ] = False,
    as_json: _Json = False,
) -> None:
    """Run what is missing of a study that a YAML file describes, and compare its settings.

    Leaves experiment.json in the folder of the runs. A run is found again by the hash of its
    settings: the same file continues what was interrupted, a longer one adds to it.
    """
    _check_workers(workers)
    if list_runs:
        echo(list_experiment(ke.training.plan_experiment(file, out), as_json))
        return
    with _executor(workers) as executor:
        found = ke.training.run_experiment(file, out, executor, verbose=False if as_json else "auto")
    echo(json.dumps(found.to_json()) if as_json else f"{found}\n\nfiles  {Path(found.directory) / 'experiment.json'}")
    if not found.finished:
        _fail(f"all runs failed; the first: {found.rows[0]['runs'][0]['reason']}", 1)


def _files(directory, *names):
    return ", ".join(str(Path(directory) / name) for name in names)


def _show_storage(description, input_shape):
    try:
        echo(f"{ke.estimate_storage(description, input_shape)}\n")
    except ke.storage.UnknownLayerError as error:
        echo(f"The bytes are not known: {error}\n")


def _check_workers(workers, ray=None):
    if workers is not None and workers < 1:
        raise ValueError(f"`--workers` must be at least 1. Received: {workers}")
    if workers is not None and ray is not None:
        raise ValueError(f"Only one of `--workers` and `--ray` may be given. Received: {workers} and {ray!r}")


def _firmware_limits(chip, max_flash, max_ram, max_cycles):
    if chip is not None:
        return FirmwareLimits(chip, max_flash, max_ram, max_cycles)
    options = {"--max-flash": max_flash, "--max-ram": max_ram, "--max-cycles": max_cycles}
    for option, limit in options.items():
        if limit is not None:
            raise ValueError(f"`{option}` needs `--chip`. Received: {option} {limit}, and no chip")
    return None


def _executor(workers, ray=None):
    if ray is not None:
        return ke.training.RayExecutor(None if ray == "local" else ray)
    return nullcontext() if workers is None else ke.training.process_pool(workers)


def main() -> None:
    """Run the command; bad input gives one line on standard error and exit code 2."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(_show_warning, warnings.showwarning)
            sys.exit(app(standalone_mode=False) or 0)
    except (Abort, KeyboardInterrupt):
        _fail("Stopped. The same command continues the run.", 130)
    except TyperException as error:
        _fail(getattr(error, "format_message", error.__str__)(), 2)
    except (ValueError, TypeError, OSError, ImportError) as error:
        _fail(str(error), 2)


def _show_warning(show, message, category, *place):
    """What the package warns of is for the user: one line, without the line of code."""
    if issubclass(category, UserWarning):
        _say(f"warning: {message}")
    else:
        show(message, category, *place)


def _fail(message, code):
    _say(message)
    sys.exit(code)


def _say(message):
    # It quotes what was received, whatever a file holds.
    print(f"keras-efficient: {shorten(message, 5_000, placeholder=' ...')}", file=sys.stderr)  # noqa: T201
