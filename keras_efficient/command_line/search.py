"""`keras-efficient search`."""

import json
from pathlib import Path
from typing import Annotated, Any

from typer import Option, echo

import keras_efficient as ke
from keras_efficient.checks import positive_integer
from keras_efficient.command_line.options import (
    Chip,
    DataDir,
    Engine,
    Json,
    Seed,
    check_workers,
    list_files,
    open_executor,
)
from keras_efficient.datasets import load_dataset
from keras_efficient.descriptions import read_description
from keras_efficient.export.firmware_estimate import FirmwareLimits
from keras_efficient.files import read_json
from keras_efficient.kinds.fields import check_number
from keras_efficient.report.search import search_summary
from keras_efficient.training.engines import check_engine
from keras_efficient.training.search import search_networks
from keras_efficient.training.search.outcome import NETWORK, PAGE, RESULT
from keras_efficient.training.search.space import SearchSpace, read_space

EXAMPLE = "search --max-bytes 2048 --dataset mnist --data-dir data --samples 60 --epochs 5,5 --out runs/search --seed 0"
# samples and epochs: the digits are so few that a step counts for less.
_DEFAULTS = {"digits": (12, (12, 8))}
_DEFAULT = (60, (5, 5))
_WIDE = Path("wide")  # in the place of a file: `SearchSpace.wide`


def search(
    max_bytes: Annotated[float, Option(help="Largest sum of weight bytes and activation bytes.")],
    dataset: Annotated[str, Option(help=f"One of {', '.join(ke.datasets.DATASETS)}.")] = "digits",
    data_dir: DataDir = None,
    space: Annotated[Path | None, Option(help="JSON file that changes the space, or: wide.")] = None,
    network: Annotated[Path | None, Option(help="JSON file with one more candidate: your own network.")] = None,
    samples: Annotated[int | None, Option(help="Networks to draw and train. [60; digits 12]")] = None,
    mutants: Annotated[int, Option(help="Extra networks, each a small change to one of the best so far.")] = 0,
    epochs: Annotated[str | None, Option(help="Float and quantized epochs of each. [5,5; digits 12,8]")] = None,
    halving: Annotated[
        int | None, Option(help="Epochs of the first round; the best quarter goes on for 4 times as many, and so on.")
    ] = None,
    seeds: Annotated[int, Option(help="Seeds of each finalist: mean and spread rank.")] = 1,
    batch_size: Annotated[int | None, Option(help="Default: min(128, samples // 32).")] = None,
    out: Annotated[Path | None, Option(help="Folder of the search. Default: runs/search-DATASET.")] = None,
    seed: Seed = 0,
    workers: Annotated[int | None, Option(help="Processes that train. Default: only this one.")] = None,
    engine: Engine = "auto",
    chip: Chip = None,
    max_flash: Annotated[int | None, Option(help="Bytes of flash on --chip.")] = None,
    max_ram: Annotated[int | None, Option(help="Bytes of RAM on --chip, with stack.")] = None,
    max_cycles: Annotated[int | None, Option(help="Clock cycles per input on --chip (atmega328p).")] = None,
    as_json: Json = False,
) -> None:
    """Find accurate networks that fit: compute the bytes of a whole space, train a sample, rank.

    Leaves search.json, search.html and network.json, the winner, for `train --network`. An interrupted search
    continues when the same command is given again; a finished one is only shown.
    """
    limits = _firmware_limits(chip, max_flash, max_ram, max_cycles)
    own = None if network is None else read_description(network)
    check_workers(workers)
    arguments = search_arguments(max_bytes, dataset, data_dir, space, samples, epochs, batch_size, out, seed, engine)
    with open_executor(workers) as executor:
        found = search_networks(
            **arguments,
            executor=executor,
            verbose=not as_json,
            limits=limits,
            network=own,
            mutants=mutants,
            halving=halving,
            seeds=seeds,
        )
    result = read_json(Path(found.directory) / RESULT)
    echo(json.dumps(result) if as_json else search_summary(result))
    if not as_json:
        echo(f"\nfiles  {list_files(found.directory, NETWORK, RESULT, PAGE)}")


def search_arguments(
    max_bytes: float,
    dataset: str,
    data_dir: Path | None,
    space: Path | None,
    samples: int | None,
    epochs: str | None,
    batch_size: int | None,
    out: Path | None,
    seed: int,
    engine: str,
) -> dict[str, Any]:
    """The arguments of `search_networks`. A ValueError names a wrong option before data is loaded."""
    if check_number(max_bytes, "`--max-bytes`") <= 0:
        raise ValueError(f"`--max-bytes` must be positive. Received: {max_bytes:g}")
    for name, value in (("--samples", samples), ("--batch-size", batch_size)):
        if value is not None:
            positive_integer(value, name)
    if seed < 0:
        raise ValueError(f"`--seed` must be at least 0. Received: {seed}")
    check_engine(engine)
    default_samples, default_epochs = _DEFAULTS.get(dataset, _DEFAULT)
    lengths = default_epochs if epochs is None else _epoch_numbers(epochs)
    if space is not None and space != _WIDE:
        read_space(space)
    images = load_dataset(dataset, data_dir, seed=seed)
    default = (SearchSpace.wide if space == _WIDE else SearchSpace.for_inputs)(images.x_train.shape[1:])
    return {
        "data": images.arrays(),
        "max_bytes": max_bytes,
        "directory": out or Path("runs") / f"search-{dataset}",
        "space": default if space in (None, _WIDE) else read_space(space, default),
        "samples": samples or default_samples,
        "epochs": lengths,
        "batch_size": batch_size,
        "seed": seed,
        "engine": engine,
    }


def _epoch_numbers(epochs):
    parts = [part.strip() for part in epochs.split(",")]
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(
            f"`--epochs` must be two positive whole numbers with a comma between, such as 5,5. Received: {epochs!r}"
        )
    return int(parts[0]), int(parts[1])


def _firmware_limits(chip, max_flash, max_ram, max_cycles):
    if chip is not None:
        return FirmwareLimits(chip, max_flash, max_ram, max_cycles)
    options = {"--max-flash": max_flash, "--max-ram": max_ram, "--max-cycles": max_cycles}
    for option, limit in options.items():
        if limit is not None:
            raise ValueError(f"`{option}` needs `--chip`. Received: {option} {limit}, and no chip")
    return None
