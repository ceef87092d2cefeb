"""The arrays that a run trains on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_efficient.checks import real_numbers

# Of the sum of a row, which may have been smoothed, mixed or stored in 16 bits.
ROUNDING = 0.01


@dataclass(frozen=True)
class TrainingData:
    """Training, validation and (optional) test samples, checked.

    Attributes:
        x_train, x_val, x_test: Float32 arrays (samples, ...); of several inputs a list or dictionary of them, as the
            network takes it.
        y_train, y_val, y_test: Integer labels (samples,), rows of probabilities (samples, classes), or targets of the
            shape of the outputs; of several outputs as the network gives them.
        w_train, w_val, w_test: Weights (samples,); None: all are 1.
    """

    x_train: Any
    y_train: Any
    x_val: Any
    y_val: Any
    x_test: Any = None
    y_test: Any = None
    w_train: np.ndarray | None = None
    w_val: np.ndarray | None = None
    w_test: np.ndarray | None = None

    @classmethod
    def of_parts(cls, parts: Sequence[tuple[Any, Any, np.ndarray | None]]) -> TrainingData:
        """From (x, y, weights) of training, validation and perhaps test samples; a ValueError where they do not fit."""
        for name, part in zip(("train", "val", "test"), parts, strict=False):
            _check_part(name, part, parts[0])
        xs, ys, weights = zip(*parts, *[(None, None, None)] * (3 - len(parts)), strict=True)
        return cls(*(array for pair in zip(xs, ys, strict=True) for array in pair), *weights)

    @property
    def input_shape(self) -> tuple:
        """Shape of one sample; of several inputs one each."""
        shapes = tuple(x.shape[1:] for x in keras.tree.flatten(self.x_train))
        return shapes if keras.tree.is_nested(self.x_train) else shapes[0]

    @property
    def one_hot(self) -> bool:
        """Whether the labels are rows instead of integers."""
        return isinstance(self.y_train, np.ndarray) and self.y_train.ndim == 2

    def digest(self) -> str:
        """SHA-256 of all arrays with their shapes and types."""
        digest = hashlib.sha256()
        pairs = (self.x_train, self.y_train, self.x_val, self.y_val, self.x_test, self.y_test)
        for part in (*pairs, self.w_train, self.w_val, self.w_test):
            if isinstance(part, dict):
                digest.update(repr(sorted(part)).encode())
            for array in [] if part is None else keras.tree.flatten(part):
                digest.update(f"{array.shape}{array.dtype}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def count(x: Any) -> int:
    """The number of samples in arrays."""
    return len(keras.tree.flatten(x)[0])


def samples(x: Any, index: Any) -> Any:
    """Some of the samples in arrays, or None."""
    return None if x is None else keras.tree.map_structure(lambda array: array[index], x)


def class_indices(labels: np.ndarray) -> np.ndarray:
    """The class of each sample, from integer labels, 0 or 1 in one column, or rows."""
    if labels.ndim == 2:
        return labels.argmax(axis=1) if labels.shape[1] > 1 else (labels[:, 0] > 0.5).astype("int64")
    return labels


def class_rows(labels: np.ndarray, classes: int) -> np.ndarray:
    """Labels as float32 rows of probabilities, from integers or such rows."""
    return labels if labels.ndim == 2 else np.eye(classes, dtype="float32")[labels]


def as_inputs(x: Any) -> np.ndarray:
    """One input as float32."""
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused as not finite
        return real_numbers(x, "`x` must hold real numbers").astype("float32", copy=False)


def with_channel(x: np.ndarray) -> np.ndarray:
    """Gray images may come without their channel."""
    return x[..., np.newaxis] if x.ndim == 3 else x


def as_labels(y: Any) -> np.ndarray:
    """Classes as int64 (samples,), or rows of probabilities as float32."""
    y = real_numbers(y, "Labels must be integers (samples,) or one-hot rows")
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim == 2:
        rows = y.astype("float32")
        # Of other rows the cross-entropy is no measure, and may fall without end.
        wrong = ~((rows >= 0).all(axis=1) & (np.abs(rows.sum(axis=1) - 1) <= ROUNDING))
        if wrong.any():
            first = int(wrong.argmax())
            raise ValueError(
                "One-hot labels must be rows of probabilities, from 0 to 1 and 1 in sum. Received: "
                f"{int(wrong.sum())} rows of {len(rows)} that are not, the first: row {first}, {rows[first].tolist()}"
            )
        return rows
    if y.ndim != 1 or not np.isfinite(y).all() or not np.array_equal(y.astype("int64"), y):
        raise ValueError(f"Labels must be integers (samples,) or one-hot rows. Received: shape {y.shape}, {y.dtype}")
    return y.astype("int64")


def check_classes(labels: np.ndarray, outputs: int, name: str) -> None:
    """Raise a ValueError unless classes or rows fit so many outputs."""
    if labels.ndim == 2 and labels.shape[1] != outputs:
        raise ValueError(f"`{name}` has {labels.shape[1]} columns, but the network has {outputs} outputs")
    if labels.ndim == 1 and not 0 <= labels.min() <= labels.max() < outputs:
        raise ValueError(
            f"`{name}` must hold classes from 0 to {outputs - 1}, as the network has {outputs} outputs. "
            f"Received: classes from {labels.min()} to {labels.max()}"
        )


def _check_part(name, part, first):
    x, y, weights = (keras.tree.flatten(each) if each is not None else [] for each in part)
    counts = [len(array) for array in (*x, *y, *weights)]
    if not min(counts) or len(set(counts)) > 1:
        raise ValueError(
            f"`x_{name}` and `y_{name}` must have the same number of samples, at least 1. "
            f"Received: {' and '.join(map(str, counts))}"
        )
    shapes = [
        [array.shape[1:] for array in (*keras.tree.flatten(each[0]), *keras.tree.flatten(each[1]))]
        for each in (part, first)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"The samples of `x_{name}`, `y_{name}` must have the shapes of the training samples "
            f"{', '.join(map(str, shapes[1]))}. Received: {', '.join(map(str, shapes[0]))}"
        )
    for letter, arrays in (("x", x), ("y", y)):
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError(f"`{letter}_{name}` of `data` holds numbers that are not finite")
