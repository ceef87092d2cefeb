"""The price that `estimate_storage` gives is the arena of the C, for chains, signals and networks with branches."""

import math
import random

import keras
import numpy as np
import pytest
from export.odd_networks import NETWORKS, sequential
from keras import layers

import keras_efficient as ke
from keras_efficient.export.c.writer import write_network
from keras_efficient.export.verify import run_on_host
from random_networks import RandomNetwork

WIDTHS = (1, 2, 3, 4, 5, 7, 8)


def planned_and_priced(model):
    """Bytes of the arena that the planner of the C finds by itself, and the price."""
    ke.set_mode(model, "freeze_scales")
    return write_network(ke.export.IntegerModel(model)).arena_bytes, ke.estimate_storage(model)


def check(model):
    planned, report = planned_and_priced(model)
    assert planned == math.ceil(report.activation_bytes)
    assert report.activation_bytes == max(row.working_bytes for row in report.layers)
    if report.order_is_exact is None:
        for order in ("row", "column", "transpose", "herringbone"):
            assert ke.estimate_storage(model, order=order).activation_bytes >= report.activation_bytes


class Drawn:
    """Layers with random sizes and widths."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def bits(self):
        return {"kernel_bits": 4, "activation_bits": self.random.choice(WIDTHS)}

    def size(self, limit):
        return self.random.randint(1, max(limit, 1))

    def inputs(self, shape):
        inputs = keras.Input(shape)
        x = ke.InputQ(bits=self.random.choice((8, 16)), signed=self.random.random() < 0.5)(inputs)
        return inputs, ke.ActivationQ(self.random.choice(WIDTHS))(x) if self.random.random() < 0.5 else x

    def pooled(self, x, overlapping):
        """Pooling as the input arrives, or with overlap."""
        size = tuple(self.random.randint(2, 4) for _ in range(2))
        strides = tuple(max(n - 1, 1) if overlapping else n + self.random.randint(0, 1) for n in size)
        padding = self.random.choice(("valid", "same"))
        if self.random.random() < 0.3:
            return layers.MaxPooling2D(size, strides, padding)(x)
        return ke.AveragePoolingQ(size, self.random.choice((*WIDTHS, 12)), strides, padding)(x)

    def window(self, x):
        padding = self.random.choice(("valid", "same"))
        kernel = tuple(self.size(min(3, n)) for n in x.shape[1:3])
        strides = tuple(self.size(3) for _ in kernel)
        if self.random.random() < 0.3:
            return ke.DepthwiseConvQ(kernel, self.size(2), strides=strides, padding=padding, **self.bits())(x)
        return ke.ConvQ(self.size(6), kernel, strides=strides, padding=padding, **self.bits())(x)

    def after(self, x):
        """Up to three layers, and the outputs."""
        for _ in range(self.random.randint(0, 3)):
            kind = self.random.choice(("window", "window", "residual", "dense", "scale", "cells"))
            if kind == "window":
                x = self.window(x)
            elif kind == "residual":
                x = ke.ResidualQ(**self.bits())(x)
            elif kind == "dense":
                x = ke.DenseQ(self.size(6), **self.bits())(x)
            elif kind == "scale":
                x = ke.ScaleQ(**self.bits())(x)
            else:
                x = ke.ActivationQ(self.random.choice(WIDTHS))(layers.ReLU()(x))
        return ke.DenseQ(self.size(8))(layers.Flatten()(x)) if self.random.random() < 0.5 else x

    def chain(self, overlapping):
        inputs, x = self.inputs((self.random.randint(8, 14), self.random.randint(8, 14), self.size(3)))
        return keras.Model(inputs, self.after(self.pooled(x, overlapping)))

    def signal(self):
        inputs, x = self.inputs((self.random.randint(12, 40), self.size(4)))
        for _ in range(self.random.randint(1, 3)):
            size, stride = self.size(min(4, x.shape[1])), self.size(3)
            pooling = self.random.choice((layers.MaxPooling1D, ke.MeanPoolingQ))
            if self.random.random() < 0.4:
                x = pooling(size, strides=stride)(x)
            else:
                x = ke.Conv1DQ(self.size(6), size, strides=stride, padding="same", **self.bits())(x)
        return keras.Model(inputs, self.random.choice((layers.GlobalMaxPooling1D(), ke.GlobalMeanPoolingQ()))(x))

    def branches(self):
        inputs, x = self.inputs((self.random.randint(3, 8), self.random.randint(3, 8), self.size(4)))
        first = ke.ConvQ(self.size(5), 3, padding="same", **self.bits())(x)
        second = ke.ConvQ(first.shape[-1], 3, padding="same", **self.bits())(first)
        joined = ke.AddQ(activation_bits=self.random.choice(WIDTHS))([first, second])
        if self.random.random() < 0.5:
            pooled = layers.MaxPooling2D(3, 1, "same")(joined)
            joined = ke.ConcatenateQ(activation_bits=5, axis=self.size(3))([joined, pooled])
        return keras.Model(inputs, ke.DenseQ(self.size(6))(layers.Flatten()(joined)))


@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_chains_with_a_pooled_input(seed, overlapping):
    check(Drawn(seed).chain(overlapping))


@pytest.mark.parametrize("seed", range(10))
def test_signals(seed):
    check(Drawn(seed).signal())


@pytest.mark.parametrize("seed", range(8))
def test_branches(seed):
    check(Drawn(seed).branches())


@pytest.mark.parametrize("seed", range(24))
def test_random_networks(seed):
    check(RandomNetwork(seed).model())


@pytest.mark.parametrize("name", NETWORKS)
def test_odd_networks(name):
    check(NETWORKS[name]())


@pytest.mark.parametrize(
    ("config", "shape", "expected"),
    [
        ([("A", 8, 8), ("S", 1, 4, 8, 8)], (8, 8, 1), 1 + 2),
        ([("A", 2, 4), ("S", 2, 4, 8, 8)], (8, 8, 1), 8 + 4 * 2),
        # The dense layer's inputs and outputs need more than the averages and their sums.
        ([("A", 2, 4), ("S", 9, 4, 8, 8)], (8, 8, 1), 8 + 9 * 2),
        ([("A", 17, 3), ("S", 1, 4, 8, 8)], (34, 34, 2), 3 + 2 * 2 * 4),
    ],
)
def test_the_running_sums_of_a_pooled_input_count(config, shape, expected):
    model = ke.build_network(config, shape)
    planned, report = planned_and_priced(model)
    assert report == ke.estimate_storage(config, shape)
    assert planned == math.ceil(report.activation_bytes) == expected


def test_negative_running_sums_keep_their_sign_in_a_wider_type(tmp_path, c_compiler):
    """The sums of 144 codes of 4 bits wait in 16 bits; the mean is computed in 32."""
    pooling = ke.AveragePoolingQ(12, 8)
    model = sequential(
        (24, 24, 1), ke.InputQ(8, signed=True), ke.ActivationQ(4), pooling, layers.Flatten(), ke.DenseQ(3)
    )
    for layer in model.layers[:2]:
        layer.set_weights([np.float32(0)])
    ke.set_mode(model, "freeze_scales")
    x = np.random.default_rng(0).integers(-128, 128, (8, 24, 24, 1)).astype(np.int8)
    ke.export_c(model, tmp_path)
    np.testing.assert_array_equal(run_on_host(tmp_path, x).logits, ke.export.IntegerModel(model).predict(x))
