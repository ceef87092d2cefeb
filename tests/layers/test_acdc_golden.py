"""The layers give the numbers of the study that the golden cases come from."""

import keras
import numpy as np
import pytest
from gradients import gradients

import keras_efficient as ke

_TOLERANCE = 1e-4


@pytest.fixture
def case(golden):
    """A function from the name of a case to its arrays."""
    cases = np.load(golden("acdc.npz"))
    return lambda name: {key.split("/")[1]: cases[key] for key in cases.files if key.startswith(f"{name}/")}


def _numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def _built(layer, weights):
    layer.build((None, np.size(weights[0])))
    layer.set_weights([np.ravel(w) for w in weights])
    return layer


def _riffle(size):
    return np.r_[0:size:2, 1:size:2]


def _assert_close(actual, expected):
    np.testing.assert_allclose(_numpy(actual), expected, atol=_TOLERANCE)


@pytest.mark.parametrize("size", [8, 64])
def test_dct(case, size):
    values = case(f"dct{size}")
    unit = np.sqrt(2 * size) * np.where(np.arange(size) == 0, np.sqrt(2), 1)
    x, spectrum = values["x"].astype("float32"), (values["dct"] / unit).astype("float32")
    _assert_close(ke.ops.dct(x), spectrum)
    _assert_close(ke.ops.idct(spectrum), x)


def test_riffle(case):
    values = case("riffle")
    np.testing.assert_array_equal(values["x"][ke.ops.riffle_order(8)], values["r2"])


@pytest.mark.parametrize("algorithm", ["fft", "matmul"])
@pytest.mark.parametrize("name, groups", [("acdc_N8_g1", 1), ("acdc_N64_g4", 4)])
def test_acdc_and_its_gradients(case, name, groups, algorithm):
    values = case(name)
    layer = ke.ACDC(order="inner_riffle", groups=groups, algorithm=algorithm)
    _built(layer, [values["A"], values["D"], values["bias"]])
    _assert_close(layer(values["x"]), values["y"])
    inputs = [values["x"], values["A"], values["D"], values["bias"]]
    _, (dx, da, dd, _) = gradients(layer.stack, inputs, 2 * values["y"])
    for actual, expected in ((dx, values["gx"]), (da, values["gA"]), (dd, values["gD"])):
        _assert_close(actual, expected)


def test_linear_acdc(case):
    values = case("linacdc_N8_orig1")
    layer = _built(ke.ACDC(bias=None), [values["A"], values["D"]])
    _assert_close(layer(values["x"]), values["y"])
    values = case("linacdc_N8_orig0")
    d = values["D"].ravel()[np.argsort(_riffle(8))]
    layer = _built(ke.ACDC(bias=None, order="inner_riffle"), [values["A"].ravel(), d])
    _assert_close(layer(values["x"]), values["y"])


def test_stack_of_twelve(case):
    values = case("stackedlinear64_K12")
    diagonals = [values["A"], values["D"][:, np.argsort(_riffle(64))]]
    y = values["x"]
    for a, d in zip(*diagonals, strict=True):
        y = _built(ke.ACDC(permutation="riffle", bias=None, order="inner_riffle"), [a, d])(y)
    _assert_close(y, values["y"])
    stack = ke.ACDCDense(64, permutation="riffle", activation=None, bias=None, order="inner_riffle")
    stack.build((None, 64))
    stack.set_weights(diagonals)
    _assert_close(stack(values["x"]), values["y"])
    _assert_close(stack.fold()(values["x"]), values["y"])


@pytest.mark.parametrize("name", ["conv_8_8_k1_s1_orig0", "conv_8_8_k3_s1_orig0"])
def test_matrix_of_a_convolution(case, name):
    values = case(name)
    d = values["D"].ravel()[np.argsort(_riffle(8))]
    layer = _built(ke.ACDC(bias=None, order="inner_riffle"), [values["A"].ravel(), d])
    _assert_close(layer.dense_matrix(), values["W"][:, :, 0, 0])


def test_block_acdc(case):
    values = case("bdacdc16_g4")
    # The study's transform is not orthonormal: its first frequency is larger by sqrt(2).
    unit = np.where(np.arange(16) == 0, np.sqrt(2), 1).reshape(4, 4)
    a, d = (values[name].reshape(4, 4, 4).swapaxes(1, 2) for name in "AD")
    layer = ke.BlockACDC(4)
    layer.build((None, 16))
    layer.set_weights([a, unit[:, :, None] * d / unit[:, None, :], values["bias"].ravel()])
    _assert_close(layer(values["x"]), values["y"])
