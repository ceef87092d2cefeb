"""The networks of compare_calibration.py: how each is made, its data, its loss and its score. All end at logits."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import keras
import numpy as np

from measuring.own_networks import convolution, load
from measuring.tiny_tasks import STEPS, recordings

L = keras.layers
NOISE = 0.3  # standard deviation


@dataclass(frozen=True)
class Calibrated:
    """A network and its data.

    load: (folder, samples, checks) -> (x, y, x_val, y_val, x_test, y_test). loss: makes the loss. score: (outputs,
    targets) -> a number in `unit`s, the higher the better. samples, epochs: of the training in float.
    """

    make: Callable
    load: Callable
    loss: Callable
    score: Callable
    samples: int
    epochs: int
    unit: str = "percent"


def cross_entropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def accuracy(logits, labels):
    return 100 * float(np.mean(logits.argmax(axis=1) == labels))


def decibels(outputs, images):
    """Peak signal-to-noise ratio; the peak is 1."""
    return float(-10 * np.log10(np.mean((np.clip(outputs, 0, 1) - images) ** 2)))


def mnist_cnn():
    inputs = keras.Input((28, 28, 1))
    x = L.MaxPooling2D(2)(convolution(inputs, 8, 3))
    x = L.MaxPooling2D(2)(convolution(x, 16, 3))
    return keras.Model(inputs, L.Dense(10)(L.Flatten()(x)))


def hard_swish(x):
    return L.Activation("hard_silu")(L.BatchNormalization(momentum=0.9)(x))


def inverted_bottleneck(x, filters, expanded, strides):
    """A 1x1 convolution, a depthwise one, squeeze-and-excite, and a 1x1 convolution without activation."""
    y = hard_swish(L.Conv2D(expanded, 1, use_bias=False)(x))
    y = hard_swish(L.DepthwiseConv2D(3, strides, padding="same", use_bias=False)(y))
    s = L.GlobalAveragePooling2D(keepdims=True)(y)
    s = L.Conv2D(expanded, 1, activation="hard_sigmoid")(L.Conv2D(expanded // 4, 1, activation="relu")(s))
    y = L.Conv2D(filters, 1, use_bias=False)(L.Multiply()([y, s]))
    y = L.BatchNormalization(momentum=0.9)(y)
    return L.Add()([x, y]) if x.shape == y.shape else y


def mobile_v3():
    inputs = keras.Input((32, 32, 3))
    x = hard_swish(L.Conv2D(16, 3, 2, padding="same", use_bias=False)(inputs))
    for filters, expanded, strides in ((24, 48, 1), (24, 72, 1), (40, 96, 2), (40, 120, 1)):
        x = inverted_bottleneck(x, filters, expanded, strides)
    x = L.GlobalAveragePooling2D()(hard_swish(L.Conv2D(96, 1, use_bias=False)(x)))
    return keras.Model(inputs, L.Dense(10)(x))


def speech():
    inputs = keras.Input((STEPS, 1))
    x = convolution(inputs, 16, 32, strides=8)
    for filters, strides in ((24, 4), (32, 4), (48, 2)):
        x = L.SeparableConv1D(filters, 9, strides, padding="same", use_bias=False)(x)
        x = L.ReLU()(L.BatchNormalization(momentum=0.9)(x))
    return keras.Model(inputs, L.Dense(10)(L.GlobalAveragePooling1D()(x)))


def autoencoder():
    inputs = keras.Input((28, 28, 1))
    fine = L.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    half = L.Conv2D(16, 3, 2, padding="same", activation="relu")(fine)
    x = L.Conv2D(24, 3, 2, padding="same", activation="relu")(half)
    x = L.Conv2D(24, 3, padding="same", activation="relu")(x)
    x = L.Concatenate()([L.Conv2DTranspose(16, 3, 2, padding="same", activation="relu")(x), half])
    x = L.Concatenate()([L.Conv2DTranspose(8, 3, 2, padding="same", activation="relu")(x), fine])
    return keras.Model(inputs, L.Conv2D(1, 3, padding="same")(x))


def noisy(data_dir, samples, checks):
    """Fashion-MNIST with noise, and without it as the target."""
    x, _, x_val, _, x_test, _ = load("fashion_mnist", data_dir, samples, checks or 2_000)
    random, arrays = np.random.default_rng(0), []
    for images in (x, x_val, x_test[:2_000]):
        arrays += [(images + random.normal(0, NOISE, images.shape)).astype("float32"), images]
    return tuple(arrays)


@cache
def spoken_digits(data_dir, samples, checks):
    """Half a second of each recording; of each speaker and digit five are for testing, five for validation."""
    x, digits, _, index = recordings(data_dir)
    order, arrays = np.random.default_rng(0).permutation(len(x)), []
    for chosen, count in ((index >= 10, samples), ((index >= 5) & (index < 10), checks), (index < 5, checks)):
        places = order[chosen[order]][:count]
        arrays += [x[places], digits[places]]
    return tuple(arrays)


def images_of(name):
    return lambda data_dir, samples, checks: load(name, data_dir, samples, checks)


NETWORKS = {
    "mnist_cnn": Calibrated(mnist_cnn, images_of("mnist"), cross_entropy, accuracy, 20_000, 4),
    "speech": Calibrated(speech, spoken_digits, cross_entropy, accuracy, 2_400, 30),
    "autoencoder": Calibrated(autoencoder, noisy, keras.losses.MeanSquaredError, decibels, 10_000, 4, "decibels"),
    "mobile_v3": Calibrated(mobile_v3, images_of("cifar10"), cross_entropy, accuracy, 40_000, 12),
}
