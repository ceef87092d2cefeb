"""The cosine transforms and permutations, against their definitions."""

import keras
import numpy as np
import numpy_acdc
import pytest
from gradients import gradients

from keras_efficient import ops

_SIZES = [1, 2, 3, 5, 8, 13, 36, 64, 97, 100]


def _numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("size", _SIZES)
def test_transforms_are_their_matrices(size):
    x = np.random.default_rng(0).normal(size=(2, 3, size)).astype("float32")
    cosine, separable = (numpy_acdc.transform_matrix(name, size) for name in ("dct", "dct2d"))
    np.testing.assert_allclose(ops.dct_matrix(size), cosine, atol=1e-6)
    for function, matrix in (
        (ops.dct, cosine),
        (ops.idct, cosine.T),
        (lambda x: ops.dct2d(keras.ops.convert_to_tensor(x)), separable),
        (lambda x: ops.idct2d(keras.ops.convert_to_tensor(x)), separable.T),
    ):
        np.testing.assert_allclose(_numpy(function(x)), x @ matrix, atol=1e-5)


@pytest.mark.parametrize("size", [1, 7, 8])
def test_gradients_of_the_transforms(size):
    random = np.random.default_rng(0)
    x, upstream = (random.normal(size=(2, size)).astype("float32") for _ in range(2))
    for function, matrix in ((ops.dct, numpy_acdc.dct_matrix(size)), (ops.idct, numpy_acdc.dct_matrix(size).T)):
        _, (dx,) = gradients(function, [x], upstream)
        np.testing.assert_allclose(dx, upstream @ matrix.T, atol=1e-5)


@pytest.mark.parametrize("dtype, result", [("float32", "float32"), ("float16", "float16"), ("int32", "float32")])
def test_dtypes(dtype, result):
    y = ops.dct(np.ones((2, 6), dtype))
    assert keras.backend.standardize_dtype(y.dtype) == result
    np.testing.assert_allclose(_numpy(keras.ops.cast(y, "float32"))[0], [np.sqrt(6), 0, 0, 0, 0, 0], atol=2e-3)


def test_transform_as_part_of_a_functional_model():
    inputs = keras.Input((7,))
    model = keras.Model(inputs, ops.idct(2.0 * ops.dct(inputs)))
    x = np.random.default_rng(0).normal(size=(2, 7)).astype("float32")
    np.testing.assert_allclose(model.predict(x, verbose=0), 2 * x, atol=1e-5)


@pytest.mark.parametrize("x", [np.float32(1), np.ones((2, 0), "float32")])
def test_nothing_to_transform_is_refused(x):
    with pytest.raises(ValueError, match="`x` must have a last axis of a known size. Received: shape"):
        ops.dct(x)


@pytest.mark.parametrize("seed, salt", [(0, 0), (7, 3), (-1, 0), (2**40 + 1, 1)])
def test_random_order_is_the_hash_that_is_documented(seed, salt):
    order = ops.random_order(50, seed, salt)
    assert sorted(order) == list(range(50))
    np.testing.assert_array_equal(order, numpy_acdc.hashed_order(50, seed, salt))


def test_random_orders_differ():
    orders = {tuple(ops.random_order(50, seed, salt)) for seed in range(5) for salt in range(5)}
    assert len(orders) == 25


def test_permute_and_its_gradient():
    order = ops.random_order(9, 1)
    random = np.random.default_rng(0)
    x, upstream = (random.normal(size=(2, 9)).astype("float32") for _ in range(2))
    y, (dx,) = gradients(lambda x: ops.permute(x, order), [x], upstream)
    np.testing.assert_array_equal(y, x[:, order])
    np.testing.assert_array_equal(dx[:, order], upstream)
    assert list(ops.riffle_order(5)) == [0, 2, 4, 1, 3]
