"""The tasks of mlperf_tiny.py: a network each, its data, and how its training samples are varied."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import keras
import numpy as np

import keras_efficient as ke
from measuring.own_networks import convolution

L = keras.layers
STEPS = 4096  # of half a second at 8 kHz
SHIFT, ROOM = 4, 400  # pixels; samples of a recording
SPEAKERS = 6


@dataclass(frozen=True)
class Task:
    """A network and its data.

    load: (folder, seed) -> (x, y, x_val, y_val, x_test, y_test). vary: (x, generator) -> x of the same shape. epochs:
    of the training in float, with 8 bits, with 4 bits. rate, weight_decay: of SGD with momentum in float. file: of the
    data. title, source: for the card of the network.
    """

    make: Callable
    load: Callable
    vary: Callable
    epochs: tuple[int, int, int]
    rate: float
    weight_decay: float
    file: str
    title: str
    source: str
    input_bits: int = 8


@cache
def cifar10(data_dir, seed):
    """All 50,000 training images, 5,000 of them for validation."""
    return ke.datasets.load_dataset("cifar10", data_dir, validation=5_000, seed=seed).arrays()


def vary_images(x, random):
    """Each image turned from left to right by chance, and moved by up to four pixels; what comes in is black."""
    padded = np.pad(x, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))
    rows, columns = random.integers(0, 2 * SHIFT + 1, (2, len(x), 1, 1))
    size = np.arange(x.shape[1])
    moved = padded[np.arange(len(x))[:, None, None], rows + size[:, None], columns + size]
    return ke.datasets.augmentation.flipped(moved, random)


def speech():
    """Depthwise separable convolutions of raw samples, for half a second."""
    inputs = keras.Input((STEPS, 1))
    x = convolution(inputs, 16, 32, strides=8)
    for filters, strides in ((32, 4), (48, 2), (64, 2), (64, 2)):
        x = L.SeparableConv1D(filters, 9, strides, padding="same", use_bias=False)(x)
        x = L.ReLU()(L.BatchNormalization(momentum=0.9)(x))
    x = L.Dropout(0.2)(L.GlobalAveragePooling1D()(x))
    return keras.Model(inputs, L.Dense(10, activation="softmax", name="classes")(x))


@cache
def recordings(data_dir):
    """(x (3000, 4096, 1), digit, speaker, index): half a second of each recording, integers of 16 bits / 2^15."""
    with np.load(Path(data_dir) / "spoken_digits.npz") as found:
        parts = np.split(found["samples"], np.cumsum(found["lengths"])[:-1])
        digits, speakers, index = found["digit"].astype("int64"), found["speaker"], found["index"]
    x = np.stack([np.pad(part[:STEPS], (0, max(STEPS - len(part), 0))) for part in parts])[..., None] / 2.0**15
    return x.astype("float32"), digits, speakers, index


def by_number(data_dir, seed):
    """As the authors split them: the recordings 0 to 4 of each speaker and digit for the test; 5 to 9 validate."""
    x, y, _, index = recordings(data_dir)
    return tuple(array[chosen] for chosen in (index >= 10, (index >= 5) & (index < 10), index < 5) for array in (x, y))


def by_speaker(data_dir, seed):
    """A speaker for the test, another for validation; the seed says which."""
    x, y, speaker, _ = recordings(data_dir)
    test, checks = seed % SPEAKERS, (seed + 1) % SPEAKERS
    chosen = ((speaker != test) & (speaker != checks), speaker == checks, speaker == test)
    return tuple(array[each] for each in chosen for array in (x, y))


def vary_recordings(x, random):
    """Each recording louder or softer (1/2 to 2 times), moved by up to 400 samples, with a little noise."""
    padded = np.pad(x, ((0, 0), (ROOM, ROOM), (0, 0)))
    starts = random.integers(0, 2 * ROOM + 1, (len(x), 1))
    moved = padded[np.arange(len(x))[:, None], starts + np.arange(x.shape[1])]
    gain = 2 ** random.uniform(-1, 1, (len(x), 1, 1))
    noise = 10 ** random.uniform(-4, -2, (len(x), 1, 1)) * random.standard_normal(x.shape)
    return np.clip(gain * moved + noise, -1, 1).astype("float32")


_CIFAR_10 = "CIFAR-10, read from JPEG files where the data is those: close to the original, not equal."
_RECORDINGS = "Free Spoken Digit Dataset: 3,000 recordings of six speakers at 8 kHz (CC BY-SA 4.0)."
_SPEECH = {"make": speech, "vary": vary_recordings, "file": "spoken_digits.npz", "input_bits": 16}
_SPEECH |= {"epochs": (100, 20, 30), "rate": 0.05, "weight_decay": 5e-4}
TASKS = {
    "resnet8": Task(
        make=ke.networks.resnet8,
        load=cifar10,
        vary=vary_images,
        epochs=(60, 8, 16),
        rate=0.1,
        weight_decay=2e-4,
        file="cifar10_jpeg.npz",
        title="MLPerf Tiny's ResNet-8 on CIFAR-10 (JPEG)",
        source=_CIFAR_10,
    ),
    "speech_number": Task(
        load=by_number,
        title="Spoken digits",
        source=f"{_RECORDINGS} The first five of each speaker and digit are the test, as its authors split it.",
        **_SPEECH,
    ),
    "speech_speaker": Task(
        load=by_speaker,
        title="Spoken digits of a stranger",
        source=f"{_RECORDINGS} The speaker of the test was not heard before.",
        **_SPEECH,
    ),
}
