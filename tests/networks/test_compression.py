"""A dense layer becomes a structured one: exactly where its kernel has the structure, nearest elsewhere."""

import keras
import numpy as np
import pytest

import keras_efficient as ke


def dense_model(kernel, activation="relu"):
    model = keras.Sequential(
        [keras.Input((kernel.shape[0],)), keras.layers.Dense(kernel.shape[1], activation, name="wide")]
        + [keras.layers.Dense(3, name="last")]
    )
    model.get_layer("wide").set_weights([kernel, np.arange(kernel.shape[1]) / 10])
    return model


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def monarch_kernel(inputs, units, blocks):
    layer = ke.MonarchDense(units, blocks)
    layer.build((None, inputs))
    layer.set_weights([normal(*weight.shape, seed=i) for i, weight in enumerate(layer.weights)])
    return keras.ops.convert_to_numpy(layer.dense_kernel())


STRUCTURED = {
    "low rank": (normal(12, 2) @ normal(2, 8, seed=1), lambda: ke.LowRankDense(8, rank=2)),
    "two products": (
        (np.kron(normal(2, 3), normal(4, 4, seed=1)) + np.kron(normal(2, 3, seed=2), normal(4, 4, seed=3))).T,
        lambda: ke.PHMDense(8, terms=2, p=2, q=3),
    ),
    "low rank product": (
        np.kron(normal(2, 3), normal(4, 1, seed=1) @ normal(1, 4, seed=2)).T,
        lambda: ke.LPHMDense(8, rank=1, p=2, q=3),
    ),
    "two low ranks": (
        np.kron(normal(2, 1) @ normal(1, 3, seed=1), normal(4, 1, seed=2) @ normal(1, 4, seed=3)).T,
        lambda: ke.DualLPHMDense(8, rank=1, p=2, q=3),
    ),
    "two block products": (monarch_kernel(12, 8, 2), lambda: ke.MonarchDense(8, blocks=2)),
    "more blocks than inner numbers": (monarch_kernel(12, 8, 4), lambda: ke.MonarchDense(8, blocks=4)),
}


@pytest.mark.parametrize("name", STRUCTURED)
def test_what_has_the_structure_is_kept(name):
    kernel, into = STRUCTURED[name]
    model = dense_model(kernel)
    small, error = ke.compress(model, "wide", into())
    assert error < 1e-5
    x = normal(5, 12, seed=9).astype("float32")
    y, expected = (keras.ops.convert_to_numpy(each(x)) for each in (small, model))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
    assert isinstance(small, keras.Sequential) and [layer.name for layer in small.layers] == ["wide", "last"]
    assert small.count_params() < model.count_params()


@pytest.mark.parametrize("name", ["low rank", "two products"])
def test_the_nearest_kernel(name):
    """The error is that of the singular values left out."""
    _, into = STRUCTURED[name]
    kernel = normal(12, 8, seed=4)
    layer = into()
    _, error = ke.compress(dense_model(kernel), "wide", layer)
    matrix = kernel.T
    if name == "two products":
        matrix = matrix.reshape(2, 4, 3, 4).transpose(0, 2, 1, 3).reshape(6, 16)
    values = np.linalg.svd(matrix, compute_uv=False)
    np.testing.assert_allclose(error, np.sqrt((values[2:] ** 2).sum() / (values**2).sum()), rtol=1e-4)


def test_the_nearest_kernel_of_two_block_products():
    """Blocks of 12 x 8 and rank 3 or 2: the error is that of the singular values left out of each."""
    kernel = normal(36, 24, seed=4)
    _, error = ke.compress(dense_model(kernel), "wide", ke.MonarchDense(24, blocks=3))
    values = np.linalg.svd(kernel.reshape(3, 12, 3, 8).swapaxes(1, 2), compute_uv=False)
    ranks = np.array([[sum((3 * j + g) // 8 == k for j in range(8)) for k in range(3)] for g in range(3)])
    left_out = np.where(np.arange(8) < ranks[..., None], 0, values)
    np.testing.assert_allclose(error, np.linalg.norm(left_out) / np.linalg.norm(values), rtol=1e-4)


@pytest.mark.skipif(keras.backend.backend() == "numpy", reason="numpy does not train")
def test_gradients_where_there_is_no_formula():
    kernel = 0.3 * normal(6, 6)
    before = ke.ACDCDense(6, depth=6, activation=None, seed=3)
    model = dense_model(kernel)
    small, error = ke.compress(model, model.get_layer("wide"), before)
    assert error < 0.7
    assert [layer.name for layer in small.layers] == ["wide", "wide_activation", "last"]
    assert keras.ops.convert_to_numpy(small(normal(2, 6).astype("float32"))).shape == (2, 3)


def test_graphs_keep_their_branches():
    inputs = keras.Input((6,))
    wide = keras.layers.Dense(6, name="wide")(inputs)
    model = keras.Model(inputs, keras.layers.Add(name="sum")([wide, inputs]))
    small, error = ke.compress(model, "wide", ke.LowRankDense(6, rank=6))
    x = normal(4, 6).astype("float32")
    assert error < 1e-5
    y, expected = (keras.ops.convert_to_numpy(each(x)) for each in (small, model))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


def test_a_folded_normalization_is_a_part_of_the_kernel():
    layer = ke.DenseQ(8, batch_norm=keras.layers.BatchNormalization(), name="wide")
    model = keras.Sequential([keras.Input((12,)), layer, keras.layers.Dense(3)])
    layer.batch_norm.set_weights([np.abs(normal(8)) + 0.5 * k for k in range(4)])
    small, error = ke.compress(model, "wide", ke.LowRankDense(8, rank=8))
    x = normal(4, 12).astype("float32")
    assert error < 1e-5
    y, expected = (keras.ops.convert_to_numpy(each(x)) for each in (small, model))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


def built():
    layer = ke.LowRankDense(8, rank=2)
    layer.build((None, 12))
    return layer


@pytest.mark.parametrize(
    "layer, into, kind, message",
    [
        ("other", ke.LowRankDense(8, 2), ValueError, "one of wide, last. Received: layer='other'"),
        ("wide", ke.LowRankDense(7, 2), ValueError, "the units of the layer 'wide', 8. Received: units=7"),
        ("wide", keras.layers.ReLU(), TypeError, "`into` must be a layer with units"),
        ("wide", built(), ValueError, "`into` must be a layer that is not built yet"),
    ],
)
def test_wrong_arguments(layer, into, kind, message):
    with pytest.raises(kind, match=message):
        ke.compress(dense_model(normal(12, 8)), layer, into)


def test_other_models_are_refused():
    with pytest.raises(TypeError, match="`model` must be a built Functional or Sequential model. Received"):
        ke.compress(keras.Sequential([keras.layers.Dense(3)]), "dense", ke.LowRankDense(3, 1))
