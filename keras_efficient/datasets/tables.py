"""`load_table`: a table of your own, from a .csv or .npz file."""

import os
from pathlib import Path
from typing import TypeAlias

import numpy as np

from keras_efficient.checks import path_of, random_seed
from keras_efficient.datasets.columns import are_few_whole, input_columns, read_columns, target_column
from keras_efficient.datasets.splits import Dataset, drawn_tenths
from keras_efficient.outside_files import open_arrays

_PARTS = ("train", "val", "test")
_TENTHS = {"val": 4, "test": 9}  # never side by side: a class of two rows is among the training rows
# Inputs and targets of a part.
_Pair: TypeAlias = tuple[np.ndarray, np.ndarray]


def load_table(path: str | os.PathLike, target: str | None = None, seed: int = 0) -> Dataset:
    """Load a table of your own and split it; values stay as they are in the file.

    A .csv file has a first line with the names of the columns. Numbers become an input each; a column with text
    becomes one input for each different text, 1 where a row has it and else 0, texts in sorted order. `columns` of
    the result names the inputs in their order (`bill_mm`, `island=Biscoe`, `island=Dream`).

    A .npz file has arrays x and y, or x_train, y_train and perhaps x_val, y_val, x_test, y_test; x is (n, features),
    (n, steps, channels) or (n, rows, columns, channels).

    Of a file without test or validation rows a tenth of the training rows is drawn for each that is missing; where
    the targets are classes (whole numbers, text, one-hot rows) every class has its share of each.

    Args:
        path: A .csv or .npz file.
        target: Name of the column that is to be predicted; None: the last one. For .csv files only.
        seed: Of the splits, 0 to 2^32 - 1.

    Returns:
        A `Dataset`: x float32 (bytes of a .npz file stay bytes); y int64 where all targets are whole numbers (of those
        written 1.0 at most 20 different ones), float32 of other numbers, or text. `classes` is the number of different
        whole numbers or texts, else None.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError, TypeError: A missing value (the text names its row) or one that is not finite, no names of
            columns, an unknown target (the text lists the columns), rows of other lengths, fewer than 10 to split.
    """
    path, seed = path_of(path, "path"), random_seed(seed)
    names: tuple[str, ...] = ()
    if path.suffix.lower() == ".npz":
        if target is not None:
            raise ValueError(f"`target` is for .csv files: of {path} it is the array y. Received: {target=}")
        parts = _read_arrays(path)
    elif path.suffix.lower() == ".csv":
        pair, names = _read_csv(path, target)
        parts = {"train": pair}
    else:
        raise ValueError(f"`path` must be a .csv or .npz file. Received: {path}")
    _draw_missing(path, parts, seed)
    found = [_class_of_rows(y) for _, y in parts.values()]
    known = [each for each in found if each is not None]
    classes = len(np.unique(np.concatenate(known))) if len(known) == len(found) else None
    return Dataset(*parts["train"], *parts["val"], *parts["test"], path.stem, classes, names)


def _read_csv(path: Path, target: str | None) -> tuple[_Pair, tuple[str, ...]]:
    columns = read_columns(path)
    name = list(columns)[-1] if target is None else target
    if name not in columns:
        raise ValueError(f"`target` must be a column of {path}: {', '.join(columns)}. Received: {target=}")
    cells = columns.pop(name)
    _check_count(path, len(cells))
    x, names = input_columns(path, columns)
    return (x, target_column(path, name, cells)), names


def _read_arrays(path: Path) -> dict[str, _Pair]:
    """The pairs of x and y that a .npz file holds, by part."""
    with open_arrays(path, "table", "arrays of numbers") as archive:
        held = archive.files
        plain = {"x_train": "x", "y_train": "y"} if "x" in held else {}
        found = {part: [plain.get(f"{name}_{part}", f"{name}_{part}") for name in "xy"] for part in _PARTS}
        arrays = {name: archive[name] for names in found.values() for name in names if name in held}
    pairs = {part: names for part, names in found.items() if part == "train" or set(names) & set(arrays)}
    if any(name not in arrays for names in pairs.values() for name in names):
        raise ValueError(
            f"{path} must hold the arrays x and y, or x_train, y_train and perhaps x_val, y_val, x_test, y_test. "
            f"Received: {', '.join(held) or 'none'}"
        )
    parts = {part: (_inputs(path, x, arrays[x]), _targets(path, y, arrays[y])) for part, (x, y) in pairs.items()}
    first = parts["train"]
    for part, (x, y) in parts.items():
        if not len(x) or len(x) != len(y) or x.shape[1:] != first[0].shape[1:] or y.shape[1:] != first[1].shape[1:]:
            shapes = ", ".join(f"{name} {arrays[name].shape}" for name in (*pairs["train"], *pairs[part]))
            raise ValueError(f"the arrays of {path} do not fit together. Received: {shapes}")
    return parts


def _inputs(path: Path, name: str, x: np.ndarray) -> np.ndarray:
    if x.dtype.kind not in "biuf" or x.ndim not in (2, 3, 4):
        raise ValueError(
            f"{name} of {path} must hold numbers (samples, features), (samples, steps, channels) or (samples, rows, "
            f"columns, channels). Received: {x.dtype} {x.shape}"
        )
    return x if x.dtype == np.uint8 else _finite(path, name, x)


def _targets(path: Path, name: str, y: np.ndarray) -> np.ndarray:
    if y.dtype.kind not in "biufU" or not y.ndim:
        raise ValueError(f"{name} of {path} must hold numbers or text. Received: {y.dtype} {y.shape}")
    if y.dtype.kind == "U":
        return y
    if y.dtype.kind != "f":
        return y.astype("int64")
    y = _finite(path, name, y)
    return y.astype("int64") if y.size == len(y) and are_few_whole(y) else y


def _finite(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        numbers = array.astype("float32")
    wrong = ~np.isfinite(numbers.reshape(len(numbers), -1)).all(axis=1)
    if wrong.any():
        raise ValueError(f"row {wrong.argmax() + 1} of {name} in {path} holds a number that is missing or not finite")
    return numbers


def _draw_missing(path: Path, parts: dict[str, _Pair], seed: int) -> None:
    """Move a tenth of the training rows to each part that is not there."""
    missing = [part for part in _TENTHS if part not in parts]
    if not missing:
        return
    x, y = parts["train"]
    _check_count(path, len(x))
    tenths = drawn_tenths(len(x), _class_of_rows(y), seed)
    for part in missing:
        parts[part] = x[tenths == _TENTHS[part]], y[tenths == _TENTHS[part]]
    kept = ~np.isin(tenths, [_TENTHS[part] for part in missing])
    parts["train"] = x[kept], y[kept]


def _check_count(path: Path, rows: int) -> None:
    if rows < 10:
        raise ValueError(f"{path} must have at least 10 rows, to be split. Received: {rows}")


def _class_of_rows(y: np.ndarray) -> np.ndarray | None:
    """What the classes of the rows are told apart by; None where the targets are none."""
    rows = y.reshape(len(y), -1)
    if rows.shape[1] > 1:
        one_hot = np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all() if rows.dtype.kind != "U" else False
        return rows.argmax(axis=1) if one_hot else None
    return None if rows.dtype.kind == "f" else rows[:, 0]
