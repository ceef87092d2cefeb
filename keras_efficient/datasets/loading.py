"""`load_dataset`: a data set by name, split and scaled."""

import os
from functools import partial
from pathlib import Path

import numpy as np

from keras_efficient.checks import integer, random_seed
from keras_efficient.datasets.penguins import read_penguins
from keras_efficient.datasets.sources import (
    FLOWER_SIZE,
    RawData,
    Source,
    read_cifar10,
    read_digits,
    read_flowers,
    read_mnist,
)
from keras_efficient.datasets.splits import Dataset, drawn_mask

SOURCES = {
    "digits": Source(read_digits, classes=10, validation=287),
    "mnist": Source(read_mnist, classes=10, validation=10_000),
    "fashion_mnist": Source(partial(read_mnist, name="fashion_mnist"), classes=10, validation=10_000),
    "cifar10": Source(read_cifar10, classes=10, validation=10_000),
    "penguins": Source(read_penguins, classes=3, validation=100, in_order=True),
    "flowers": Source(read_flowers, classes=5, validation=80),
}
DATASETS = tuple(SOURCES)


def load_dataset(
    name: str,
    data_dir: str | os.PathLike | None = None,
    validation: int | None = None,
    seed: int = 0,
    image_size: int | None = None,
) -> Dataset:
    """Load a data set by name.

    The test samples are always the same. The validation samples are drawn from the others by
    `seed`; on MNIST, seed 0 gives the split of Gural & Murmann 2019, on the penguins that of the seed
    study "Dynamic Pruning".

    | name | train | validation | test | shape | source |
    |---|---|---|---|---|---|
    | digits | 1,150 | 287 | 360 | 8, 8, 1 | embedded in scikit-learn |
    | mnist | 50,000 | 10,000 | 10,000 | 28, 28, 1 | `mnist.npz` or download |
    | fashion_mnist | 50,000 | 10,000 | 10,000 | 28, 28, 1 | `fashion_mnist.npz` or download |
    | cifar10 | 40,000 | 10,000 | 10,000 | 32, 32, 3 | `cifar10_jpeg.npz` or download |
    | penguins | 200 | 100 | 33 | 12 | `penguins.csv` or download |
    | flowers | 3,540 | 80 | 50 | 180, 180, 3 | `flowers_180.tar` or download |

    Args:
        name: one of `DATASETS`.
        data_dir: folder that holds the file; None downloads through `keras.datasets`.
        validation: number of validation samples, instead of the table's.
        seed: of the validation split, 0 to 2^32 - 1.
        image_size: rows and columns that the flowers are resized to; None: 180.

    Returns:
        A `Dataset`; images are float32 byte / 256 (flowers: from -1 to 1), labels int64.

    Raises:
        ValueError, TypeError: an unknown name, a wrong `validation` or `seed`, a broken file.
        FileNotFoundError: `data_dir` does not hold the file.
        ConnectionError: the download failed.
    """
    source = _source(name)
    seed = random_seed(seed)
    if data_dir is not None and not isinstance(data_dir, str | os.PathLike):
        raise TypeError(f"`data_dir` must be a path or None. Received: data_dir={data_dir!r}")
    folder = None if data_dir is None else Path(data_dir).expanduser()
    if validation is not None:
        validation = integer(validation, "validation", 1)
    if image_size is not None:
        size = integer(image_size, "image_size", 1, FLOWER_SIZE)
        if name != "flowers":
            raise ValueError(f"`image_size` is for the flowers only. Received: name={name!r}, image_size={size}")
        source = source._replace(read=partial(read_flowers, size=size))
    raw = _matching(source.read(folder), name, source.classes)
    size = integer(validation or source.validation, "validation", 1, len(raw.x) - 1)
    val = drawn_mask(len(raw.x), size, seed)
    if source.in_order and seed == 0:
        val = np.arange(len(raw.x)) >= len(raw.x) - size
    y, y_test = raw.y.astype(np.int64), raw.y_test.astype(np.int64)
    x_train, x_val, x_test = map(_scaled, (raw.x[~val], raw.x[val], raw.x_test))
    return Dataset(x_train, y[~val], x_val, y[val], x_test, y_test, name, source.classes)


def _source(name: str) -> Source:
    if not isinstance(name, str):
        raise TypeError(f"`name` must be a string. Received: name={name!r}")
    if name not in SOURCES:
        raise ValueError(f"`name` must be one of {', '.join(DATASETS)}. Received: name={name!r}")
    return SOURCES[name]


def _matching(raw: RawData, name: str, classes: int) -> RawData:
    """`raw`, when both parts have one label per sample, samples of one shape and known classes."""
    pairs = ((raw.x, raw.y), (raw.x_test, raw.y_test))
    one_each = all(len(x) > 0 and y.shape == (len(x),) for x, y in pairs)
    if not one_each or raw.x.shape[1:] != raw.x_test.shape[1:]:
        shapes = ", ".join(str(array.shape) for array in raw)
        raise ValueError(f"The arrays of {name} do not fit together. Received shapes: {shapes}")
    for _, y in pairs:
        if not np.issubdtype(y.dtype, np.number) or not np.all(y == np.floor(y)):
            raise ValueError(f"The labels of {name} must be whole numbers. Received: dtype {y.dtype}")
    low, high = min(y.min() for _, y in pairs), max(y.max() for _, y in pairs)
    if low < 0 or high >= classes:
        raise ValueError(f"The labels of {name} must be from 0 to {classes - 1}. Received: {low} to {high}")
    return raw


def _scaled(x: np.ndarray) -> np.ndarray:
    """Bytes as byte / 256 with a channel axis; anything else is finished and becomes float32."""
    if x.dtype != np.uint8:
        return x.astype(np.float32)
    return (x if x.ndim == 4 else x[..., np.newaxis]) * np.float32(1 / 256)
