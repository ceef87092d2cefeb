"""Functions and models that the backend compiles."""

import contextlib
import shutil
import warnings

import keras
import numpy as np
import pytest


def compiled(function):
    """`function` of tensors, compiled by the backend that runs."""
    _forget()
    with _quiet():
        function = _BACKENDS[keras.backend.backend()](function)

    def call(*tensors):
        with _quiet():
            return function(*tensors)

    return call


def check_predictions(model, x, rtol=1e-5, atol=1e-6):
    """`model.predict` gives what `model(x)` gives, with `jit_compile` and without; the model is compiled anew."""
    expected = keras.ops.convert_to_numpy(model(x))
    for jit_compile in (False, True):
        model.compile(jit_compile=jit_compile)
        _forget()
        with _quiet():
            predicted = model.predict_on_batch(x)
        np.testing.assert_allclose(predicted, expected, rtol, atol, err_msg=f"jit_compile={jit_compile}")


def _forget():
    """After eight versions of one function (Keras has one for all models) torch runs the next ones uncompiled."""
    if keras.backend.backend() == "torch":
        import torch

        torch._dynamo.reset()


@contextlib.contextmanager
def _quiet():
    """The compiler of torch warns of itself; skips the test where it has no C++ compiler."""
    if keras.backend.backend() != "torch":
        yield
        return
    if not (shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("torch compiles with a C++ compiler only")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _tensorflow(function):
    import tensorflow as tf

    return tf.function(function, jit_compile=True)


def _jax(function):
    import jax

    return jax.jit(function)


def _torch(function):
    import torch

    return torch.compile(function)


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
