"""What `keras-efficient train --data` makes of a table: targets, loss, preparation and network."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_efficient.command_line.training_options import network_option
from keras_efficient.datasets import Dataset, load_table
from keras_efficient.datasets.columns import MOST_NUMBERED
from keras_efficient.networks import DIGITS
from keras_efficient.training.losses import CLASSES, TARGETS, loss_kind

REGRESSION_LOSS = "mse"
_LARGE_TARGETS = 100
_TARGETS = ("y_train", "y_val", "y_test")


class TableTask(NamedTuple):
    """Data as it is trained on, the description of the network, and the loss; None: that of classes."""

    data: Dataset
    network: list
    loss: str | None


def check_sources(dataset: str | None, data: Path | None, data_dir: Path | None, target: str | None) -> None:
    """A ValueError for options that do not go together."""
    for option, value in (("--dataset", dataset), ("--data-dir", data_dir)):
        if data is not None and value is not None:
            raise ValueError(f"Only one of `--data` and `{option}` may be given. Received: {data} and {value}")
    if target is not None and data is None:
        raise ValueError(f"`--target` is a column of `--data FILE.csv`. Received: --target {target}, and no --data")


def read_task(path: Path, target: str | None, seed: int, network: Path | None, loss: str | None) -> TableTask:
    """A table, split, and a network that takes its rows.

    Whole numbers and texts are classes, unless the loss compares numbers; whole numbers that are not 0, 1, 2 ... become
    texts then. Byte images are trained on as byte / 256. Everything else goes through a `Normalization`, made of the
    training rows, and an `InputQ` of 8 bits.
    """
    table = load_table(path, target, seed)
    if loss is None and table.classes is None:
        loss = REGRESSION_LOSS
    kind = loss_kind(loss)
    table, preparation = _prepared((_with_numbers if kind == TARGETS else _with_classes)(path, table))
    shape = table.x_train.shape[1:]
    outputs = _columns(table) or (table.classes if kind == CLASSES else None) or 1
    description, _ = network_option(network, _default_network(shape, outputs), shape)
    return TableTask(table, [*preparation, *description], loss)


def _with_numbers(path: Path, table: Dataset) -> Dataset:
    """The targets as float32; a warning where training would take long to reach them."""
    y = table.y_train
    if y.dtype.kind == "U":
        raise ValueError(
            f"the loss compares numbers, and the targets of {path} are texts. Received: {str(y.flat[0])!r}"
        )
    size = max(abs(float(y.mean())), float(y.std()))
    if size > _LARGE_TARGETS:
        warnings.warn(
            f"the targets of {path} are about {size:,.0f}: training takes long to get there; other units help",
            stacklevel=2,
        )
    return replace(table, classes=None, **{name: getattr(table, name).astype("float32") for name in _TARGETS})


def _with_classes(path: Path, table: Dataset) -> Dataset:
    """The targets as classes from 0, one-hot rows or texts."""
    if (_columns(table) or 1) > 1:
        return table
    targets = {name: getattr(table, name).reshape(-1) for name in _TARGETS}
    found = np.unique(np.concatenate(list(targets.values())))
    are_texts, rows = found.dtype.kind == "U", sum(map(len, targets.values()))
    whole = are_texts or np.array_equal(found, found.astype("int64"))
    if not whole or not 2 <= len(found) <= rows // 2:
        raise ValueError(
            f"the targets of {path} must be two or more classes of several rows each, or numbers with `--loss mse`. "
            f"Received: {len(found)} different values in {rows} rows"
        )
    if not are_texts:
        if len(found) > MOST_NUMBERED:
            warnings.warn(
                f"the targets of {path} are {len(found)} different whole numbers: each counts as a class. For a "
                "regression give `--loss mse`",
                stacklevel=2,
            )
        kind = "int64" if np.array_equal(found, np.arange(len(found))) else str
        targets = {name: y.astype("int64").astype(kind) for name, y in targets.items()}
    return replace(table, classes=len(found), **targets)


def _prepared(table: Dataset) -> tuple[Dataset, list[dict[str, Any]]]:
    """The inputs as float32, and the items that stand before the network."""
    parts: dict[str, Any] = {"x_train": table.x_train, "x_val": table.x_val, "x_test": table.x_test}
    if table.x_train.dtype == np.uint8 and table.x_train.ndim > 2:
        images = {name: x if x.ndim == 4 else x[..., np.newaxis] for name, x in parts.items()}
        return replace(table, **{name: x * np.float32(1 / 256) for name, x in images.items()}), []
    rows = table.x_train.astype("float64").reshape(-1, table.x_train.shape[-1])
    # A column that is always the same says nothing: what else it may hold later must not be blown up.
    variance = np.where(np.ptp(rows, axis=0) == 0, 1.0, rows.var(axis=0))
    statistics = {"axis": -1, "mean": rows.mean(axis=0).tolist(), "variance": variance.tolist()}
    preparation = [_layer("Normalization", **statistics), _layer("InputQ", bits=8, signed=True)]
    return replace(table, **{name: x.astype("float32") for name, x in parts.items()}), preparation


def _columns(table: Dataset) -> int | None:
    """Of targets that are rows."""
    return table.y_train.shape[1] if table.y_train.ndim > 1 else None


def _default_network(shape: tuple[int, ...], outputs: int) -> list:
    last = ["S", outputs, 8, 8, 16]
    if len(shape) == 3:
        return [*DIGITS[:-1], last]
    dense = ["F", 16, 8, 8, 8]
    if len(shape) == 1:
        return [dense, dense, last]
    windows: dict[str, Any] = {"kernel_size": 5, "strides": 2, "padding": "same", "activation": "relu"}
    windows |= {"kernel_bits": 8, "activation_bits": 8}
    convolutions = [_layer("Conv1DQ", filters=filters, **windows) for filters in (8, 16)]
    return [*convolutions, _layer("GlobalMeanPoolingQ", activation_bits=8), dense, last]


def _layer(class_name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": config}
