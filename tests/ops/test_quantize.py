"""`ops.quantize`: values, codes and gradients of the 2019 quantizer."""

import keras
import numpy as np
import numpy_layers
import pytest
from gradients import gradients
from hypothesis import given
from hypothesis import strategies as st

from keras_efficient import ops


def _numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_golden_values_and_gradients(golden):
    cases = np.load(golden("quantizer_gradients.npz"))
    for i in range(len(cases["bits"])):
        bits, signed = int(cases["bits"][i]), bool(cases["signed"][i])
        rounding = "floor" if cases["floor"][i] else "nearest"
        scale_gradient = float(cases["scale_gradient"][i])

        def function(x, log2_scale, arguments=(bits, signed, rounding, scale_gradient)):
            return ops.quantize(x, arguments[0], log2_scale, *arguments[1:])

        y, (dx, dscale) = gradients(function, [cases["x"][i], np.float32(cases["log2_scale"][i])], cases["upstream"][i])
        np.testing.assert_array_equal(y, cases["y"][i])
        np.testing.assert_array_equal(dx, cases["dx"][i])
        np.testing.assert_allclose(dscale, cases["dlog2_scale"][i], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("log2_scale", [-1.3, 0.0, 0.5, 2.4])
def test_gradients_equal_the_closed_form(bits, signed, log2_scale):
    resolution = 2 ** (bits - signed)
    scale = 2.0 ** np.round(log2_scale)
    # A grid of eighths of a step hits every rounding boundary and both limits.
    s = np.arange(-2 * resolution * 8, 2 * resolution * 8 + 1, dtype="float32") / 8
    x = (s * scale / resolution).astype("float32")
    low, high = ops.code_range(bits, signed)
    r = np.floor(s) + 0.5 if signed and bits <= 2 else np.round(s)
    inside = (low <= r) & (r <= high)
    upstream = np.random.default_rng(0).normal(size=x.shape).astype("float32")
    _, (dx, dscale) = gradients(lambda x, t: ops.quantize(x, bits, t, signed), [x, np.float32(log2_scale)], upstream)
    np.testing.assert_array_equal(dx, upstream * inside)
    per_value = np.where(inside, r - s, np.clip(r, low, high)) / resolution
    expected = (upstream * per_value).sum() * np.log(2) * scale
    np.testing.assert_allclose(dscale, expected, rtol=1e-4, atol=1e-4)


def test_saturated_codes_pass_gradient_up_to_half_a_step():
    # s = 7.49 rounds to the largest code: in range. s = 7.51 does not.
    x = np.array([7.49, 7.51, 7.0, -8.0, -8.49, -8.51], "float32") / 8
    _, (dx,) = gradients(lambda x: ops.quantize(x, 4, 0.0), [x], np.ones(6, "float32"))
    np.testing.assert_array_equal(dx, [1, 0, 1, 1, 1, 0])


@given(
    bits=st.integers(1, 16),
    signed=st.booleans(),
    rounding=st.sampled_from(["nearest", "floor"]),
    log2_scale=st.floats(-20, 20),
    seed=st.integers(0, 1000),
)
def test_equals_numpy(bits, signed, rounding, log2_scale, seed):
    x = np.random.default_rng(seed).normal(0, 2.0**log2_scale, 50).astype("float32")
    y = _numpy(ops.quantize(x, bits, np.float32(log2_scale), signed, rounding))
    expected = numpy_layers.quantize(x, bits, np.float32(log2_scale), signed, rounding)
    np.testing.assert_array_equal(y, expected.astype("float32"))


@given(bits=st.integers(1, 8), signed=st.booleans(), seed=st.integers(0, 100))
def test_quantizing_twice_changes_nothing(bits, signed, seed):
    x = np.random.default_rng(seed).normal(0, 3, 40).astype("float32")
    once = ops.quantize(x, bits, 1.0, signed)
    np.testing.assert_array_equal(_numpy(ops.quantize(once, bits, 1.0, signed)), _numpy(once))


def test_a_scale_a_channel():
    x = np.array([[0.3, 0.3], [0.6, 0.6]], "float32")
    y = _numpy(ops.quantize(x, 2, np.array([0.0, 2.0], "float32"), signed=False))
    np.testing.assert_array_equal(y, [[0.25, 0.0], [0.5, 1.0]])


@pytest.mark.parametrize("shape, scale_shape", [((6, 3), (3,)), ((6, 3), (6, 1)), ((3,), (6, 3)), ((6, 1), (1, 3))])
def test_gradients_of_a_scale_a_channel(shape, scale_shape):
    random = np.random.default_rng(0)
    x, scales = random.normal(0, 2, shape).astype("float32"), random.normal(0, 1, scale_shape).astype("float32")
    upstream = random.normal(size=np.broadcast_shapes(shape, scale_shape)).astype("float32")
    y, (dx, dscales) = gradients(lambda x, t: ops.quantize(x, 3, t), [x, scales], upstream)
    whole_x, whole_scales = np.broadcast_to(x, upstream.shape), np.broadcast_to(scales, upstream.shape)
    expected_dx, expected_dscales = np.zeros_like(x), np.zeros_like(scales)
    for index in np.ndindex(upstream.shape):
        value, (dvalue, dscale) = gradients(
            lambda x, t: ops.quantize(x, 3, t), [whole_x[index], whole_scales[index]], upstream[index]
        )
        assert y[index] == value
        expected_dx[tuple(i if n > 1 else 0 for i, n in zip(index[-x.ndim :], shape, strict=True))] += dvalue
        place = zip(index[-scales.ndim :], scale_shape, strict=True)
        expected_dscales[tuple(i if n > 1 else 0 for i, n in place)] += dscale
    np.testing.assert_allclose(dx, expected_dx, atol=1e-5)
    np.testing.assert_allclose(dscales, expected_dscales, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_quantized_in_float32(dtype):
    x = np.linspace(-2, 2, 101).astype("float32")
    half = keras.ops.cast(x, dtype)
    y = ops.quantize(half, 4, 0.0)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    expected = numpy_layers.quantize(_numpy(keras.ops.cast(half, "float32")), 4, 0.0)
    np.testing.assert_array_equal(_numpy(keras.ops.cast(y, "float32")), expected)


def test_powers_of_two_are_exact():
    exponents = np.arange(-100, 101).astype("float32")
    np.testing.assert_array_equal(_numpy(ops.power_of_two(exponents)), 2.0 ** exponents.astype("float64"))


def test_not_a_number_is_not_hidden():
    assert np.isnan(_numpy(ops.quantize(np.float32([np.nan]), 4, 0.0))).all()
    assert np.isnan(_numpy(ops.quantize(np.float32([1.0]), 4, np.float32(np.nan)))).all()


@pytest.mark.parametrize("bits", [0, 17, -1, 2.0, True, None, "4"])
def test_wrong_bits_are_refused(bits):
    with pytest.raises(ValueError, match="`bits` must be an integer from 1 to 16. Received: bits="):
        ops.quantize(np.ones(2, "float32"), bits, 0.0)


def test_wrong_rounding_is_refused():
    with pytest.raises(ValueError, match="`rounding` must be one of .* Received: rounding='up'"):
        ops.quantize(np.ones(2, "float32"), 4, 0.0, rounding="up")


def test_is_a_node_of_a_functional_model(tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, ops.quantize(inputs, 3, 1.0, signed=False, rounding="floor"))
    x = np.linspace(-1, 3, 12).reshape(4, 3).astype("float32")
    expected = numpy_layers.quantize(x, 3, 1.0, signed=False, rounding="floor")
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), expected)
