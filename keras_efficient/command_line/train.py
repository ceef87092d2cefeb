"""`keras-efficient train`."""

import json
from pathlib import Path
from typing import Annotated, Any

from typer import Option, echo

import keras_efficient as ke
from keras_efficient.command_line.options import (
    DataDir,
    Engine,
    Json,
    Network,
    Seed,
    check_workers,
    list_files,
    open_executor,
)
from keras_efficient.command_line.storage import show_storage
from keras_efficient.command_line.table_options import check_sources, read_task
from keras_efficient.command_line.training_options import (
    augmented,
    halving_option,
    make_stages,
    network_option,
    stage_settings,
)
from keras_efficient.networks import DIGITS, MNIST_2KB
from keras_efficient.report import load_result, summary_table
from keras_efficient.training.engines import check_engine
from keras_efficient.training.selection import check_rule

EXAMPLE = (
    "train --dataset mnist --data-dir data --network network.json "
    "--trials 5,2,2 --epochs 20,20,20 --out runs/mnist --seed 0"
)


def train(
    dataset: Annotated[str | None, Option(help=f"One of {', '.join(ke.datasets.DATASETS)}. [digits]")] = None,
    data: Annotated[
        Path | None, Option(help="A table of your own: .csv with names in the first line, or .npz with x and y.")
    ] = None,
    target: Annotated[str | None, Option(help="Column of the .csv to predict. Default: the last.")] = None,
    loss: Annotated[
        str | None, Option(help="A Keras loss. Default: cross-entropy of classes; mse of other numbers.")
    ] = None,
    objective: Annotated[
        str | None, Option(help="How the best trial is chosen: val_loss, or val_ and a metric's name.")
    ] = None,
    data_dir: DataDir = None,
    network: Network = None,
    trials: Annotated[str, Option(help="Trials of float,learn_scales,freeze_scales; 0 leaves one out.")] = "3,2,2",
    epochs: Annotated[
        str | None, Option(help="Epochs per trial in each stage. [60,40,60 for digits and tables, else 20,20,20]")
    ] = None,
    batch_size: Annotated[int | None, Option(help="Default: min(1024, samples // 16).")] = None,
    halving: Annotated[
        str | None,
        Option(help="Stop worse float trials early: EPOCHS before the first choice; with EPOCHS,N one in N goes on."),
    ] = None,
    augment: Annotated[int, Option(help="Elastic copies of each training image.")] = 0,
    schedule: Annotated[str | None, Option(help="Learning rates: cosine. Default: a factor per epoch.")] = None,
    distillation: Annotated[float | None, Option(help="Weight of the float trials' outputs in the labels.")] = None,
    rule: Annotated[
        str | None,
        Option(help="How trials are chosen: score, objective, val_loss, val_accuracy. [score, for classes]"),
    ] = None,
    out: Annotated[Path | None, Option(help="Folder of the run. Default: runs/DATASET, or the table's name.")] = None,
    seed: Seed = 0,
    workers: Annotated[int | None, Option(help="Processes that run trials. Default: only this one.")] = None,
    ray: Annotated[
        str | None,
        Option(help="Ray that runs trials: auto (this machine's cluster), local (started here) or an address."),
    ] = None,
    engine: Engine = "auto",
    as_json: Json = False,
) -> None:
    """Train several networks, keep the best, quantize it, and write a report.

    Leaves best.keras, result.json and report.html in the folder of the run. An interrupted run
    continues when the same command is given again; a finished one is only shown.
    """
    check_sources(dataset, data, data_dir, target)
    dataset = dataset or "digits"
    small = data is not None or dataset == "digits"
    settings = stage_settings(trials, epochs or ("60,40,60" if small else "20,20,20"))
    options: dict[str, Any] = {
        "schedule": schedule,
        "distillation": distillation,
        "halving": halving_option(halving, settings),
        "loss": loss,
    }
    make_stages(settings, batch_size, samples=16, **options)  # wrong numbers end here, before data is loaded
    check_rule(rule or "score")
    check_engine(engine)
    check_workers(workers, ray)
    if data is not None:
        samples, description, options["loss"] = read_task(data, target, seed, network, loss)
    else:
        samples = ke.datasets.load_dataset(dataset, data_dir, seed=seed)
        default = DIGITS if dataset == "digits" else MNIST_2KB
        description, _ = network_option(network, default, samples.x_train.shape[1:])
    arrays = augmented(samples, augment, seed)
    if not as_json:
        show_storage(description, samples.x_train.shape[1:])
    with open_executor(workers, ray) as executor:
        stages = make_stages(settings, batch_size, len(samples.x_train), **options)
        choices: dict[str, Any] = {"verbose": not as_json, "engine": engine, "objective": objective}
        place = out or Path("runs") / samples.name
        selection = ke.train_network(description, arrays, stages, place, executor, rule, seed, **choices)
    result = load_result(Path(selection.directory))
    files = list_files(selection.directory, "best.keras", "result.json", "report.html")
    echo(json.dumps(result) if as_json else f"{summary_table(result)}\nfiles       {files}")
