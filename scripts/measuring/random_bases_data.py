"""Data and networks of Gressmann et al. 2020, Table 1, for `random_bases_table.py`."""

import keras
import numpy as np

import keras_efficient as ke

DATASETS = ("mnist", "fashion_mnist", "cifar10")
NETWORKS = ("fc", "cnn")
SMALLEST_DEVIATION = 1e-3  # an even image is not divided by nothing


def load(name, data_dir, quick=False):
    """(x, y, x_val, y_val, x_test, y_test); images of 0 to 1, labels int32; 3,000 of each if quick."""
    parts = ke.datasets.load_dataset(name, data_dir).arrays()
    parts = [part[: 3_000 if quick else None] for part in parts]
    return [part * np.float32(256 / 255) if part.ndim == 4 else part.astype("int32") for part in parts]


def as_input(x, name):
    """What a network sees: colour images are standardised one by one, as in the source."""
    if name != "cifar10":
        return x
    axes = (1, 2, 3)
    deviation = np.maximum(x.std(axis=axes, keepdims=True), SMALLEST_DEVIATION)
    return (x - x.mean(axis=axes, keepdims=True)) / deviation


def augmented(x, name, random):
    """Shifted images; gray ones brighter or darker by up to 0.5 (not cut off), colour ones mirrored.

    A shift is a crop of the original size from the image with zeros around it: 3 pixels on a side, 4 if colour.
    """
    gap = 4 if name == "cifar10" else 3
    size, shifts = x.shape[1], random.integers(0, 2 * gap + 1, (len(x), 2))
    wide = np.pad(x, ((0, 0), (gap, gap), (gap, gap), (0, 0)))
    result = np.empty_like(x)
    for row in range(2 * gap + 1):
        for column in range(2 * gap + 1):
            chosen = np.flatnonzero((shifts == (row, column)).all(axis=1))
            result[chosen] = wide[chosen, row : row + size, column : column + size]
    if name == "cifar10":
        mirrored = random.random(len(x)) < 0.5
        result[mirrored] = result[mirrored, :, ::-1]
        return result
    return result + random.uniform(-0.5, 0.5, (len(x), 1, 1, 1)).astype("float32")


def network(kind, input_shape):
    """FC: 128 hidden units (D = 101,770 on MNIST). CNN: three convolutions and 64 units (D = 93,322)."""
    layers = keras.layers
    if kind == "fc":
        stack = [layers.Flatten(), layers.Dense(128, activation="relu")]
    else:
        stack = [
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
        ]
    return keras.Sequential([keras.Input(input_shape), *stack, layers.Dense(10)])
