"""Plain Keras networks as people bring them, each with the data that it is trained on. None knows of quantization."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import keras

import keras_efficient as ke
from measuring.signals import make_signals

L = keras.layers


@dataclass(frozen=True)
class Plain:
    """A network and its data: "mnist", "cifar10" or "signals", so many training samples, epochs in float.

    input_bits: of the quantized network's input.
    """

    make: Callable[[], keras.Model]
    data: str
    images: int
    epochs: int
    input_bits: int = 8


def convolution(x, filters, size, **place):
    """A convolution with batch normalization and relu, on images or signals."""
    kind = L.Conv1D if len(x.shape) == 3 else L.Conv2D
    return normalized(kind(filters, size, use_bias=False, **place)(x))


def normalized(x):
    return L.ReLU()(L.BatchNormalization(momentum=0.9)(x))


def classified(inputs, x):
    return keras.Model(inputs, L.Dense(10, activation="softmax", name="classes")(x))


def batch_norm_cnn():
    """Two convolutions with batch normalization and max pooling."""
    inputs = keras.Input((28, 28, 1))
    x = L.MaxPooling2D(2)(convolution(inputs, 8, 3))
    x = L.MaxPooling2D(2)(convolution(x, 16, 3))
    return classified(inputs, L.Dropout(0.1)(L.Flatten()(x)))


def small_residual():
    """A stem with strides and two residual blocks, the second with strides and a 1x1 convolution beside it."""
    inputs = keras.Input((28, 28, 1))
    x = residual_block(convolution(inputs, 8, 3, strides=2, padding="same"), 8, 1)
    x = residual_block(x, 16, 2)
    return classified(inputs, L.GlobalAveragePooling2D()(x))


def residual_block(x, filters, strides):
    y = convolution(x, filters, 3, strides=strides, padding="same")
    y = L.BatchNormalization(momentum=0.9)(L.Conv2D(filters, 3, padding="same", use_bias=False)(y))
    if strides > 1:
        x = L.Conv2D(filters, 1, strides=strides)(x)
    return L.ReLU()(L.Add()([x, y]))


def depthwise_separable():
    """As MobileNet: a stem, then three times a depthwise and a 1x1 convolution, each normalized."""
    inputs = keras.Input((28, 28, 1))
    x = convolution(inputs, 8, 3, strides=2, padding="same")
    for filters, strides in ((16, 1), (32, 2), (32, 1)):
        x = normalized(L.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(x))
        x = convolution(x, filters, 1)
    return classified(inputs, L.GlobalAveragePooling2D()(x))


def signal_cnn():
    """Four convolutions of signals with strides."""
    x = inputs = keras.Input((1024, 1))
    for filters, size, strides in ((8, 16, 4), (16, 8, 2), (16, 8, 2), (24, 8, 2)):
        x = convolution(x, filters, size, strides=strides, padding="same")
    return classified(inputs, L.Flatten()(L.MaxPooling1D(2)(x)))


NETWORKS = {
    "batch_norm_cnn": Plain(batch_norm_cnn, "mnist", 10_000, 5),
    "small_residual": Plain(small_residual, "mnist", 10_000, 5),
    "depthwise_separable": Plain(depthwise_separable, "mnist", 10_000, 5),
    "signal_cnn": Plain(signal_cnn, "signals", 16_000, 8, input_bits=16),
    "resnet8": Plain(ke.networks.resnet8, "cifar10", 8_000, 5),
}


@cache
def load(name, data_dir=None, images=None, checks=None):
    """(x, y, x_val, y_val, x_test, y_test) with `images` training samples and at most `checks` of the others."""
    if name == "signals":
        parts = ((images, 1), (min(2_000, checks or 2_000), 2), (min(5_000, checks or 5_000), 3))
        return tuple(array for count, seed in parts for array in make_signals(count, seed))
    x, y, x_val, y_val, x_test, y_test = ke.datasets.load_dataset(name, data_dir).arrays()
    held = min(3_000, checks or 3_000)
    return x[:images], y[:images], x_val[:held], y_val[:held], x_test[:checks], y_test[:checks]
