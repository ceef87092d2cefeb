"""The layers inside Keras models of every kind, and across backends."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_efficient as ke

_OTHERS = {"tensorflow", "jax", "torch"} - {keras.backend.backend()}
_OTHERS = sorted(name for name in _OTHERS if importlib.util.find_spec(name))
_PREDICT = """
import sys
import numpy as np
import keras_efficient
import keras
np.save(sys.argv[3], keras.saving.load_model(sys.argv[1]).predict(np.load(sys.argv[2]), verbose=0))
"""


def _all_layers(mode):
    return [
        ke.ActivationQ(8, signed=False, mode=mode),
        ke.ConvQ(4, 3, activation="relu", mode=mode),
        ke.ResidualQ(mode=mode),
        ke.DepthwiseConvQ(3, 2, mode=mode),
        ke.AveragePoolingQ(2, mode=mode),
        keras.layers.Flatten(),
        ke.DenseQ(5, mode=mode),
    ]


@keras.saving.register_keras_serializable(package="tests")
class Subclassed(keras.Model):
    """A subclassed model with quantized layers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.parts = _all_layers("learn_scales")

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return x


def _functional():
    x = inputs = keras.Input((10, 10, 1))
    for layer in _all_layers("learn_scales"):
        x = layer(x)
    return keras.Model(inputs, x)


def _sequential():
    return keras.Sequential([keras.Input((10, 10, 1)), *_all_layers("learn_scales")])


def _data():
    random = np.random.default_rng(0)
    return random.integers(0, 256, (32, 10, 10, 1)).astype("float32") / 256, random.integers(0, 5, 32)


@pytest.mark.parametrize("build", [_functional, _sequential, Subclassed])
def test_trains_and_saves_without_custom_objects(build, tmp_path):
    x, y = _data()
    model = build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    jit = "auto" if build is _functional else keras.backend.backend() == "jax"
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"], jit_compile=jit)
    history = model.fit(x, y, epochs=8, batch_size=8, verbose=0).history["loss"]
    assert np.isfinite(history).all() and history[-1] < history[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("backend", _OTHERS)
def test_a_file_predicts_the_same_on_the_other_backends(backend, tmp_path):
    model = _sequential()
    ke.set_mode(model, "freeze_scales")
    x, _ = _data()
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-c", _PREDICT, "model.keras", "x.npy", "y.npy"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.predict(x, verbose=0), atol=1e-6)


def test_time_distributed_wrapper():
    layer = keras.layers.TimeDistributed(ke.ConvQ(2, 3))
    assert layer(np.ones((2, 4, 6, 6, 1), "float32")).shape == (2, 4, 4, 4, 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ke.ConvQ(2, 3),
        lambda: ke.DepthwiseConvQ(3),
        lambda: ke.PHMConv2D(2, 3),
        lambda: ke.RandomBasisConv2D(2, 3, dimensions=2),
        lambda: ke.ACDCConv2D(2, 3, depth=1),
        lambda: ke.AveragePoolingQ(3),
    ],
)
def test_a_window_larger_than_the_image_is_refused(make):
    for x in (np.ones((1, 2, 2, 2), "float32"), keras.Input((2, 2, 2))):
        with pytest.raises(ValueError, match=r"window of \(3, 3\) and padding 'valid' leaves nothing of its input"):
            make()(x)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("layer", [ke.ConvQ, ke.ResidualQ], ids=lambda layer: layer.__name__)
def test_kernels_of_half_precision_start_as_others(layer, dtype):
    arguments = {"kernel_initializer": keras.initializers.Orthogonal(seed=1)}
    arguments |= {"filters": 3, "kernel_size": 2} if layer is ke.ConvQ else {}
    half, full = layer(**arguments, dtype=dtype), layer(**arguments)
    for each in (half, full):
        each.build((None, 4, 4, 3))
    kernels = [keras.ops.convert_to_numpy(keras.ops.cast(each.weights[0], "float32")) for each in (half, full)]
    np.testing.assert_allclose(*kernels, rtol=0.01, atol=1e-3)
