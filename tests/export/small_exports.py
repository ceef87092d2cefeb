"""A small network for the tests of what stands around the C, and reading whole folders."""

import keras
import numpy as np

import keras_efficient as ke


def small_network(inputs=5):
    """A network of values that may be negative, and what its grid makes of twelve samples."""
    keras.utils.set_random_seed(inputs)
    layers = [keras.Input((inputs,)), ke.InputQ(8, True), ke.DenseQ(4, activation="relu", activation_bits=8)]
    model = keras.Sequential([*layers, ke.DenseQ(3, activation_bits=8)])
    x = np.random.default_rng(0).normal(size=(12, inputs)).astype("float32")
    ke.calibrate(model, model, x)
    ke.set_mode(model, "freeze_scales")
    return model, ke.export.IntegerModel(model).encode(x)


def export(folder, target, inputs=5, prefix="digits"):
    """The report of an export, what is to go into the network, and what is to come out."""
    model, codes = small_network(inputs)
    return ke.export_c(model, folder, target=target, prefix=prefix), codes, ke.export.IntegerModel(model).predict(codes)


def contents(folder):
    """All files of a folder, by their names in it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
