"""The data set a network is trained on, and how its validation and test samples are drawn."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Arrays for training, validation and test.

    Attributes:
        x_train, x_val, x_test: float32. Images are (n, rows, columns, channels) and hold
            byte / 256, so they lie in [0, 1) and a pixel byte keeps its meaning on a device. Of a
            table (`load_table`) they are what the file holds.
        y_train, y_val, y_test: int64 labels (n,), from 0 to `classes` - 1; of a table its targets.
        name: the name it was loaded by.
        classes: number of classes; None where the targets are none.
        columns: names of the inputs of a CSV table.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    name: str
    classes: int | None
    columns: tuple[str, ...] = ()

    def arrays(self) -> tuple[np.ndarray, ...]:
        """(x_train, y_train, x_val, y_val, x_test, y_test), what `train_network` takes as data."""
        return self.x_train, self.y_train, self.x_val, self.y_val, self.x_test, self.y_test

    def __repr__(self) -> str:
        shape = "x".join(str(size) for size in self.x_train.shape[1:])
        return (
            f"Dataset({self.name}: {len(self.x_train)} train, {len(self.x_val)} validation, "
            f"{len(self.x_test)} test samples of {shape}, {self.classes or 'no'} classes)"
        )


def drawn_mask(total: int, size: int, seed: int) -> np.ndarray:
    """A boolean mask (total,) with `size` entries drawn without replacement.

    The rule of Gural & Murmann 2019: `np.random.seed(seed); np.random.choice(total, size,
    replace=False)`, from a generator of its own. A mask keeps the samples in their order.
    """
    mask = np.zeros(total, dtype=bool)
    mask[np.random.RandomState(seed).choice(total, size, replace=False)] = True
    return mask


def drawn_tenths(total: int, classes: np.ndarray | None, seed: int) -> np.ndarray:
    """A number from 0 to 9 for each row: the tenth that it belongs to, drawn by `seed`.

    With the class of each row every tenth has its share of every class: its rows go to one tenth after the other.
    """
    order = np.random.RandomState(seed).permutation(total)
    if classes is not None:
        order = order[np.argsort(classes[order], kind="stable")]
    tenths = np.empty(total, dtype=np.int64)
    tenths[order] = np.arange(total) % 10
    return tenths
