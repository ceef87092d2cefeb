"""The arrays that a run trains on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_efficient.kinds.arguments import real_numbers

# Of the sum of a row, which may have been smoothed, mixed or stored in 16 bits.
ROUNDING = 0.01


@dataclass(frozen=True)
class TrainingData:
    """Training, validation and (optional) test samples, checked.

    Attributes:
        x_train, x_val, x_test: float32 arrays (samples, ...).
        y_train, y_val, y_test: Integer labels (samples,) or one-hot rows (samples, classes).
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray | None = None
    y_test: np.ndarray | None = None

    @classmethod
    def from_arrays(cls, data: Sequence[np.ndarray]) -> "TrainingData":
        """From the tuple (x_train, y_train, x_val, y_val[, x_test, y_test])."""
        arrays = tuple(data) if isinstance(data, (list, tuple)) else ()
        if len(arrays) not in (4, 6):
            raise ValueError(
                "`data` must be (x_train, y_train, x_val, y_val) or these and (x_test, y_test). "
                f"Received: {f'{len(arrays)} items' if arrays else f'{data=}'}"
            )
        images = [_as_inputs(x) for x in arrays[0::2]]
        labels = [_as_labels(y) for y in arrays[1::2]]
        for part, x, y in zip(("train", "val", "test"), images, labels, strict=False):
            _check_pair(part, x, y, images[0], labels[0])
        return cls(*(array for pair in zip(images, labels, strict=True) for array in pair))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.x_train.shape[1:]

    @property
    def one_hot(self) -> bool:
        """Whether the labels are rows instead of integers."""
        return self.y_train.ndim == 2

    def check_labels(self, outputs: int) -> None:
        """Raise a ValueError unless the labels fit a network with so many outputs."""
        for part, labels in (("train", self.y_train), ("val", self.y_val), ("test", self.y_test)):
            if labels is None:
                continue
            if labels.ndim == 2 and labels.shape[1] != outputs:
                raise ValueError(f"`y_{part}` has {labels.shape[1]} columns, but the network has {outputs} outputs")
            if labels.ndim == 1 and not 0 <= labels.min() <= labels.max() < outputs:
                raise ValueError(
                    f"`y_{part}` must hold classes from 0 to {outputs - 1}, as the network has {outputs} outputs. "
                    f"Received: classes from {labels.min()} to {labels.max()}"
                )

    def digest(self) -> str:
        """SHA-256 of all arrays with their shapes and types."""
        digest = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_val, self.y_val, self.x_test, self.y_test):
            if array is not None:
                digest.update(f"{array.shape}{array.dtype}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def class_indices(labels: np.ndarray) -> np.ndarray:
    """The class of each sample, from integer labels or one-hot rows."""
    return labels.argmax(axis=1) if labels.ndim == 2 else labels


def class_rows(labels: np.ndarray, classes: int) -> np.ndarray:
    """Labels as float32 rows of probabilities, from integers or such rows."""
    return labels if labels.ndim == 2 else np.eye(classes, dtype="float32")[labels]


def _as_inputs(x):
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused as not finite
        x = real_numbers(x, "`x` must hold real numbers").astype("float32", copy=False)
    # Gray images may come without their channel.
    return x[..., np.newaxis] if x.ndim == 3 else x


def _as_labels(y):
    y = real_numbers(y, "Labels must be integers (samples,) or one-hot rows")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2:
        return _distributions(y.astype("float32"))
    if y.ndim != 1 or not np.isfinite(y).all() or not np.array_equal(y.astype("int64"), y):
        raise ValueError(f"Labels must be integers (samples,) or one-hot rows. Received: shape {y.shape}, {y.dtype}")
    return y.astype("int64")


def _distributions(rows):
    """Rows of probabilities: of others the cross-entropy is no measure, and may fall without end."""
    wrong = ~((rows >= 0).all(axis=1) & (np.abs(rows.sum(axis=1) - 1) <= ROUNDING))
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(
            "One-hot labels must be rows of probabilities, from 0 to 1 and 1 in sum. Received: "
            f"{int(wrong.sum())} rows of {len(rows)} that are not, the first: row {first}, {rows[first].tolist()}"
        )
    return rows


def _check_pair(part, x, y, first_x, first_y):
    if not len(x) or len(x) != len(y):
        raise ValueError(
            f"`x_{part}` and `y_{part}` must have the same number of samples, at least 1. "
            f"Received: {len(x)} and {len(y)}"
        )
    if x.shape[1:] != first_x.shape[1:] or y.shape[1:] != first_y.shape[1:]:
        raise ValueError(
            f"The samples of `x_{part}`, `y_{part}` must have the shapes of the training samples "
            f"{first_x.shape[1:]}, {first_y.shape[1:]}. Received: {x.shape[1:]}, {y.shape[1:]}"
        )
    if not np.isfinite(x).all():
        raise ValueError(f"`x_{part}` of `data` holds numbers that are not finite")
