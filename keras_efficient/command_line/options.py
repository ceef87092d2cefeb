"""Options that several commands take."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

from typer import Option

import keras_efficient as ke

Network = Annotated[Path | None, Option(help="JSON file with the network description.")]
Chip = Annotated[str | None, Option(help="atmega328p, cortex-m0, cortex-m3 or cortex-m4: estimate the firmware.")]
Json = Annotated[bool, Option("--json", help="Print JSON instead of tables.")]
DataDir = Annotated[Path | None, Option(help="Folder of the data files; without it they are downloaded.")]
Engine = Annotated[
    str, Option(help="auto: compiled (C code) where the network allows it, else keras; or one of the two.")
]
Seed = Annotated[int, Option(help="Seed of everything random, and of the validation split.")]
Model = Annotated[Path, Option(help="A .keras file, plain or quantized.")]


def check_workers(workers: int | None, ray: str | None = None) -> None:
    if workers is not None and workers < 1:
        raise ValueError(f"`--workers` must be at least 1. Received: {workers}")
    if workers is not None and ray is not None:
        raise ValueError(f"Only one of `--workers` and `--ray` may be given. Received: {workers} and {ray!r}")


def open_executor(workers: int | None, ray: str | None = None) -> AbstractContextManager[Any]:
    """What runs the trials: Ray, processes, or None for this process."""
    if ray is not None:
        return ke.training.RayExecutor(None if ray == "local" else ray)
    return nullcontext() if workers is None else ke.training.process_pool(workers)


def list_files(directory: str | Path, *names: str) -> str:
    return ", ".join(str(Path(directory) / name) for name in names)
