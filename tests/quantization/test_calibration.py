"""`calibrate` copies the weights and sets the scales of the 2019 study."""

import keras
import numpy as np
import numpy_layers
import pytest

import keras_efficient as ke
from keras_efficient.layers.quantized.quantizer import Quantizer
from keras_efficient.ops.quantize import Grid
from keras_efficient.quantization import diagnose, samples, scale_table, scales


def _network(mode="float"):
    return ke.build_network([["Q", 4], ["R", 4, 8, 4], ["S", 3, 4, 8, 8]], (6, 6, 2), mode)


def _log2(model):
    return {(row["layer"], row["weight"]): row["log2_scale"] for row in scale_table(model)}


def test_golden_scales(golden, shared_data):
    expected = np.load(golden("calibration_FL_best.npz"))
    with np.load(shared_data / "mnist.npz") as file:
        x = file["x_train"][expected["val_index_first128"]][..., np.newaxis].astype("float32") / 256
    trained = ke.compat.load_2019(golden("checkpoints_2019/modelFL_best.h5"))
    quantized = ke.build_network(ke.networks.MNIST_2KB, mode="learn_scales")
    ke.calibrate(trained, quantized, x, rule="percentile")
    np.testing.assert_allclose(list(_log2(quantized).values()), expected["log2"].ravel(), atol=1e-4)
    for ours, theirs in zip(quantized.weights, trained.weights, strict=True):
        if not ours.name.endswith("_scale"):
            np.testing.assert_array_equal(ours.numpy() if hasattr(ours, "numpy") else ours, theirs)


def test_every_activation_is_set_from_what_it_sees():
    model = _network()
    x = np.random.default_rng(0).normal(0, 3, (50, 6, 6, 2)).astype("float32")
    ke.calibrate(model, x=x, rule="percentile")
    scales = _log2(model)
    expected = np.log2(np.abs(np.percentile(x, [2, 98])).max())
    assert scales["activation_q_1", "activation_scale"] == pytest.approx(expected, abs=1e-5)
    assert scales["residual_q_1", "activation_1_scale"] != scales["residual_q_1", "activation_2_scale"]


def test_percentile_bias_and_positive_rules():
    float_model = keras.Sequential([keras.Input((2,)), ke.DenseQ(2, "relu")])
    kernel, bias = np.array([[1.0, -2.0], [0.5, 4.0]], "float32"), np.array([0.25, -0.75], "float32")
    float_model.layers[0].set_weights([kernel, bias, *np.zeros(3, "float32")])
    quantized = keras.Sequential([keras.Input((2,)), ke.DenseQ(2, "relu", mode="learn_scales")])
    x = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], "float32")
    ke.calibrate(float_model, quantized, x, percentile=10)
    outputs = np.maximum(x @ kernel + bias, 0)
    positive = outputs[outputs > 0]
    expected = [
        np.abs(np.percentile(kernel, [10, 90])).max(),
        2 * (0.1 + 0.75),
        np.percentile(positive, 90),
    ]
    np.testing.assert_allclose(2.0 ** np.array(list(_log2(quantized).values())), expected, rtol=1e-5)


def test_calibrating_a_quantized_model_looks_at_its_float_values():
    model, twin = _network("learn_scales"), _network()
    twin.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(0, 30, (20, 6, 6, 2)).astype("float32")
    ke.calibrate(model, model, x)
    ke.calibrate(twin, twin, x)
    assert _log2(model) == _log2(twin)
    assert {layer.mode for layer in ke.quantization.quantized_layers(model)} == {"learn_scales"}


def test_a_dead_layer_keeps_its_scale_and_warns():
    model = keras.Sequential(
        [keras.Input((2,)), ke.DenseQ(3, "relu", bias_initializer=keras.initializers.Constant(-9))]
    )
    with pytest.warns(UserWarning, match="activation of layer .* is zero"):
        ke.calibrate(model, model, np.zeros((4, 2), "float32"))
    assert _log2(model)[model.layers[-1].name, "activation_scale"] == 0


def test_different_models_are_refused():
    models = [keras.Sequential([keras.Input((2,)), ke.DenseQ(units)]) for units in (2, 3)]
    with pytest.raises(ValueError, match="must have the same weights. Received: float_model with shapes"):
        ke.calibrate(*models, np.zeros((4, 2), "float32"))
    with pytest.raises(ValueError, match=r"`percentile` must be in \[0, 50\). Received: percentile=50"):
        ke.calibrate(models[0], models[0], np.zeros((4, 2), "float32"), percentile=50)


@pytest.mark.parametrize(
    "deviation, bits, largest_error", [(0.06, 2, 0.2), (0.06, 4, 0.2), (0.06, 8, 0.02), (0.3, 3, 0.6), (0.3, 8, 0.02)]
)
def test_factors_near_one_are_not_cut_off(deviation, bits, largest_error):
    """By the percentile the scale is 1 at a deviation of 0.06: every entry above 1 would be cut off."""
    keras.utils.set_random_seed(0)
    initial = keras.initializers.RandomNormal(1.0, deviation)
    layer = ke.ACDCDense(24, depth=2, activation=None, kernel_bits=bits, bias_bits=8, diagonal_initializer=initial)
    model = keras.Sequential([keras.Input((24,)), layer])
    x = np.random.default_rng(0).normal(size=(64, 24)).astype("float32")
    exact = keras.ops.convert_to_numpy(model(x))
    ke.calibrate(model, x=x, rule="percentile")
    scales = [row["log2_scale"] for row in scale_table(model)]
    for factor, scale in zip((layer.a, layer.d), scales, strict=False):
        values = keras.ops.convert_to_numpy(factor)
        errors = {k: np.square(numpy_layers.quantize(values, bits, k) - values).sum() for k in range(-12, 12)}
        assert scale == int(scale) and errors[scale] <= min(errors.values()) + 1e-6
    assert scales[2] == pytest.approx(np.log2(0.2), abs=1e-5)  # the bias, by the study's rule
    ke.set_mode(model, "freeze_scales")
    error = np.abs(keras.ops.convert_to_numpy(model(x)) - exact).mean() / exact.std()
    assert error < largest_error


def rounding_error(values, bits, exponent):
    step = 2.0 ** (exponent - bits + 1)
    codes = np.clip(np.rint(values / step), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return ((codes * step - values) ** 2).sum()


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_each_filter_gets_the_scale_of_least_error(bits):
    """A filter of zeros, and one far smaller than the others, at most a 256th of the largest scale."""
    plain = keras.Sequential([keras.Input((6, 6, 2)), keras.layers.Conv2D(5, 3, use_bias=False)])
    random = np.random.default_rng(bits)
    kernel = (random.normal(size=(3, 3, 2, 5)) * [1, 0.1, 3, 0, 1e-6]).astype("float32")
    plain.set_weights([kernel])
    x = random.normal(size=(4, 6, 6, 2)).astype("float32")
    layer = ke.quantize_model(plain, bits, x=x).get_layer(plain.layers[0].name)
    exponents = np.arange(-16, 8)
    best = [
        exponents[np.argmin([rounding_error(kernel[..., f], bits, exponent) for exponent in exponents])]
        for f in range(3)
    ]
    found = keras.ops.convert_to_numpy(layer.kernel_quantizer.scale)
    np.testing.assert_array_equal(found, [*best, max(best) - 8, max(best) - 8])


@pytest.mark.parametrize("bits", [1, 2, 3, 8, 16])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_errors_are_those_of_quantize(bits, signed, dtype):
    columns = np.random.default_rng(bits).normal(size=(500, 3)).astype(dtype)
    columns[:9, 0] = np.arange(9) / 8  # between two codes, and beyond the last one
    exponents = np.array([-3.0, 0.0, 2.0], "float32")
    expected = keras.ops.convert_to_numpy(ke.ops.quantize(columns, bits, exponents, signed))
    found = scales._rounded(columns, Grid(bits, signed), exponents)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


def test_a_large_kernel_gets_the_scales_of_all_its_numbers():
    """Its errors are summed up part by part: an outlier stands in the first one, another in the last one."""
    kernel = np.random.default_rng(0).normal(size=(scales._NUMBERS_AT_ONCE, 3)).astype("float32")
    kernel[0, 0] = kernel[-1, 1] = 1000.0
    quantizer = Quantizer("kernel", 8, True, keras.Variable(np.zeros(3, "float32")))
    found = np.log2(scales.least_error_scales(kernel, quantizer))
    exponents = np.arange(-4, 11)
    best = [np.argmin([rounding_error(kernel[:, f].astype(float), 8, e) for e in exponents]) for f in range(3)]
    assert list(found) == list(exponents[best]) and found[0] == found[1] != found[2]


@pytest.mark.filterwarnings("ignore:The d of layer")
def test_a_dead_factor_keeps_its_scale_and_warns():
    layer = ke.ACDC(kernel_bits=4, bias=None, inner_bits=False, diagonal_initializer="zeros")
    model = keras.Sequential([keras.Input((4,)), layer])
    with pytest.warns(UserWarning, match="The a of layer .* is zero"):
        ke.calibrate(model, model, np.ones((4, 4), "float32"))
    assert set(_log2(model).values()) == {0.0}


def test_diagnose_counts_codes():
    layer = ke.DenseQ(2, kernel_bits=2, bias_bits=4, activation_bits=3, mode="freeze_scales")
    model = keras.Sequential([keras.Input((2,)), layer])
    weights = ([[1.0, 0.1], [0.1, -0.1]], [0.0, 0.5], 0.49, -0.3, 3.0)
    layer.set_weights([np.asarray(weight, "float32") for weight in weights])
    kernel, bias, activation = diagnose(model, np.ones((4, 2), "float32"))
    assert kernel["saturated"] == 0.25 and kernel["used_codes"] == 3 and kernel["possible_codes"] == 4
    assert kernel["parked"] and not bias["parked"] and not activation["parked"]
    assert bias["zeros"] == 0.5 and bias["exponent"] == 0
    assert activation["signed"] and activation["tensor"] == "activation"


@pytest.mark.parametrize(
    "models, x, error, message",
    [
        ((1, 2), np.zeros((4, 2)), TypeError, "`float_model` must be a built Keras model. Received: float_model=1"),
        ((keras.Sequential([ke.DenseQ(2)]),) * 2, np.zeros((4, 2)), TypeError, "`float_model` must be a built"),
        (None, np.zeros((0, 2)), ValueError, "`x` must hold at least one sample"),
    ],
)
def test_unusable_input_is_refused(models, x, error, message):
    if models is None:
        models = (keras.Sequential([keras.Input((2,)), ke.DenseQ(2)]),) * 2
    with pytest.raises(error, match=message):
        ke.calibrate(*models, x)


@pytest.mark.parametrize("samples", [10, 150, 160, 320])
def test_every_channel_is_seen(samples):
    """Channel 0 is small, all others are large: how many samples there are must not decide which are looked at."""
    x = np.random.default_rng(0).uniform(0, 1, (samples, 12, 12, 16)).astype("float32")
    x[..., 0] /= 16
    model = keras.Sequential([keras.Input((12, 12, 16)), ke.ActivationQ(8, signed=False)])
    ke.calibrate(model, x=x)
    assert _log2(model)[model.layers[-1].name, "activation_scale"] == 0


def test_how_samples_are_batched_changes_nothing():
    x = np.random.default_rng(0).normal(size=(700, 8, 8, 6)).astype("float32")
    models = [keras.Sequential([keras.Input((8, 8, 6)), ke.ConvQ(4, 3)]) for _ in range(4)]
    for model in models[1:]:
        model.set_weights(models[0].get_weights())
    ways = [x, (x[k : k + 50] for k in range(0, 700, 50)), lambda: [(x[:300], 0), (x[300:], 0)], list(x)]
    for model, way in zip(models, ways, strict=True):
        ke.calibrate(model, x=way)
    assert all([*_log2(model).values()] == [*_log2(models[0]).values()] for model in models)


@pytest.mark.parametrize("power", [-20, -8, 9])
@pytest.mark.parametrize("bias_bits", [8, 16])
def test_a_power_of_two_changes_no_error(power, bias_bits):
    random = np.random.default_rng(0)
    x, errors = random.normal(size=(64, 6)).astype("float32"), []
    weights = [random.normal(size=(6, 5)), random.normal(size=5), random.normal(size=(5, 3)), random.normal(size=3)]
    for factor in (1.0, 2.0**power):
        plain = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, "relu"), keras.layers.Dense(3)])
        plain.set_weights([*weights[:2], weights[2] * factor, weights[3] * factor])
        small = ke.quantize_model(plain, bias_bits=bias_bits, x=x, mode="freeze_scales")
        exact, rounded = (keras.ops.convert_to_numpy(model(x)) for model in (plain, small))
        errors.append(np.linalg.norm(rounded - exact) / np.linalg.norm(exact))
    assert errors[0] == pytest.approx(errors[1], rel=1e-4) and errors[0] < 0.05


def test_a_zero_bias_has_the_steps_of_the_products():
    model = keras.Sequential(
        [keras.Input((6,)), ke.InputQ(8, signed=True), ke.DenseQ(3, bias_bits=8, bias_initializer="zeros")]
    )
    ke.calibrate(model, x=np.random.default_rng(0).normal(size=(32, 6)).astype("float32"))
    grid, kernel, bias, _ = (row["log2_scale"] for row in scale_table(model))
    assert bias - 7 == (grid - 7) + (kernel - 3)


_RULES = [{}, {"rule": "least_error"}, {"rule": "percentile"}, {"percentile": 5}]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("rule", _RULES, ids=str)
@pytest.mark.parametrize("as_batches", [False, True])
def test_samples_that_are_not_finite_are_refused(wrong, rule, as_batches):
    model = keras.Sequential([keras.Input((6,)), ke.DenseQ(3)])
    x = np.ones((4, 6), "float64" if wrong == 1e300 else "float32")
    x[2, 3] = wrong
    before = model.get_weights()
    with pytest.raises(ValueError, match="`x` must hold finite numbers. Received: 1 that are not, among 24"):
        ke.calibrate(model, x=iter([x]) if as_batches else x, **rule)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_pixel_that_is_no_number_is_refused_before_max_pooling():
    """Max pooling hides a NaN, and a scale of 2^118 came of it."""
    layers = [keras.layers.Conv2D(2, 3, activation="relu"), keras.layers.MaxPooling2D(2), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers, keras.layers.Dense(2)])
    x = np.ones((4, 8, 8, 1), "float32")
    x[1, 2, 3, 0] = np.nan
    with pytest.raises(ValueError, match="`x` must hold finite numbers. Received: 1 that are not, among 256"):
        ke.quantize_model(model, x=x)


@pytest.mark.parametrize(
    "x, message",
    [
        (np.ones((4, 6)) + 1j, "`x` must hold real numbers. Received: an array of complex128"),
        (np.ones((4, 6)).astype("datetime64[s]"), "`x` must hold real numbers. Received: an array of datetime64"),
        (np.ma.masked_equal(np.ones((4, 6)), 1), "Received: a masked array"),
    ],
)
def test_samples_that_would_lose_something_are_refused(x, message):
    model = keras.Sequential([keras.Input((6,)), ke.DenseQ(3)])
    with pytest.raises(ValueError, match=message):
        ke.calibrate(model, x=x)


def test_the_grid_of_the_input_sees_what_is_prepared():
    """Pixels are positive, what a Rescaling makes of them is not."""
    inputs = keras.Input((6,))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    plain = keras.Model(inputs, keras.layers.Dense(3)(x))
    pixels = np.random.default_rng(0).integers(0, 256, (64, 6)).astype("float32")
    small = ke.quantize_model(plain, x=pixels, mode="freeze_scales")
    exact, rounded = (keras.ops.convert_to_numpy(model(pixels)) for model in (plain, small))
    assert small.get_layer("input_q").signed
    assert np.linalg.norm(rounded - exact) / np.linalg.norm(exact) < 0.05


@pytest.mark.parametrize("shape", [(3,), (8, 3), (4, 4, 3)])
def test_features_that_the_grid_of_the_input_swallows_are_named(shape):
    x = np.random.default_rng(0).uniform(0, 1, (200, *shape)).astype("float32") * (1, 30_000, 1e-6)
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(2)])
    with pytest.warns(UserWarning, match="'input_q', one grid with steps of 128 for all .* of these: 0, 2. They are"):
        ke.quantize_model(model, x=x)
    ke.quantize_model(model, x=x / (1, 30_000, 1e-6))  # warnings are errors here
    ke.quantize_model(model, x=x[..., 1:2] * (1, 0.01, 0))  # one that never changes loses nothing


def test_branches_that_a_common_grid_swallows_are_named():
    inputs = keras.Input((6,))
    small = keras.layers.Dense(5, kernel_initializer=keras.initializers.Constant(1e-4), name="small")(inputs)
    joined = keras.layers.Concatenate(name="joined")([inputs, small])
    model = keras.Model(inputs, keras.layers.Dense(3)(joined))
    x = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
    with pytest.warns(UserWarning, match="Nothing is left of .* 'small' in 'joined'.* activation_bits"):
        ke.quantize_model(model, x=x)
    ke.quantize_model(model, x=x, overrides={"joined": {"activation_bits": 16}})  # where warnings are errors


@pytest.mark.parametrize("rule", [{}, {"rule": "percentile"}], ids=str)
def test_scales_do_not_depend_on_batches(rule, monkeypatch):
    """Of 90 samples with 72 numbers each two go together, or all: more memory is not needed for more samples."""
    x = np.random.default_rng(0).normal(0, 3, (90, 6, 6, 2)).astype("float32")
    models = [_network("learn_scales") for _ in range(2)]
    models[1].set_weights(models[0].get_weights())
    for model, numbers in zip(models, (samples.BATCH_NUMBERS, 150), strict=True):
        monkeypatch.setattr(samples, "BATCH_NUMBERS", numbers)
        ke.calibrate(model, x=x, **rule)
    assert [len(batch) for batch in samples.Samples(x, models[0])] == [2] * 45
    assert [len(batch) for batch in samples.Samples(x[..., :1].repeat(200, -1), models[0]).batches] == [1] * 90
    assert _log2(models[0]) == _log2(models[1])


@pytest.mark.parametrize(
    ("layer", "axis"),
    [
        (keras.layers.Conv2D(4, 3, groups=2), -1),
        (keras.layers.DepthwiseConv2D(3, depth_multiplier=2), -1),
        (keras.layers.Conv2DTranspose(4, 3), -2),
    ],
)
def test_each_filter_has_its_own_scale(layer, axis):
    model = keras.Sequential([keras.Input((6, 6, 4)), layer])
    kernel, *others = layer.get_weights()
    sizes = 2.0 ** np.arange(kernel.shape[axis]).reshape((-1,) + (1,) * (-1 - axis))
    signs = np.where(np.arange(kernel.shape[0]) % 2, -1, 1).reshape((-1, 1, 1, 1))  # both in every filter
    layer.set_weights([signs * sizes * 0.5 * np.ones_like(kernel), *others])
    small = ke.quantize_model(model, x=np.ones((2, 6, 6, 4)), mode="freeze_scales").layers[-1]
    rounded = keras.ops.convert_to_numpy(small.quantize_weight(small.kernel_quantizer))
    np.testing.assert_array_equal(rounded, layer.get_weights()[0])
    scales = keras.ops.convert_to_numpy(small.kernel_quantizer.scale)
    np.testing.assert_array_equal(np.diff(scales, axis=axis), 1)
