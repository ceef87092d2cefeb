"""The integer model: equal to the published integers, and to Keras."""

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.export.integer import Codes
from keras_efficient.export.reference import keras_logits
from random_networks import RandomNetwork


def test_published_network_has_the_published_logits(published, golden, shared_data):
    images = np.load(shared_data / "mnist.npz")["x_test"][:256]
    logits = ke.export.IntegerModel(published).predict(images)
    assert logits.dtype == np.int16
    np.testing.assert_array_equal(logits, np.load(golden("integer_model_QL_0.npz"))["test_logits_first_256"])


def test_published_network_has_the_published_weights(published, golden):
    arrays = np.load(golden("integer_model_QL_0.npz"))
    layers = [o for o in ke.export.IntegerModel(published).operations if hasattr(o, "products")]
    for number, layer in enumerate(layers):
        np.testing.assert_array_equal(layer.products.kernel.ravel(), arrays[f"W{number}"].ravel())
        np.testing.assert_array_equal(layer.products.bias, arrays[f"b{number}"])


@pytest.mark.parametrize("seed", range(24))
def test_random_networks_equal_keras(seed):
    network = RandomNetwork(seed)
    model = network.model()
    images = network.images(8, model.input_shape[1:])
    integers = ke.export.IntegerModel(model)
    assert not integers.inexact_layers
    np.testing.assert_array_equal(keras_logits(model, integers, images), integers.predict(images))


def one_layer(layer, shape):
    model = keras.Sequential([keras.Input(shape), layer])
    ke.set_mode(model, "freeze_scales")
    return model


def test_hidden_outputs_are_the_codes_of_the_keras_layer():
    """Behind a quantizer that changes nothing, the logits are the codes of the layer before."""
    random = np.random.default_rng(0)
    dense = ke.DenseQ(5, activation="relu", activation_bits=6)
    model = keras.Sequential([keras.Input((7,)), dense, ke.ActivationQ(6, signed=False)])
    ke.set_mode(model, "freeze_scales")
    images = random.integers(0, 256, (50, 7))
    values = keras.ops.convert_to_numpy(dense((images / 256).astype("float32")))
    np.testing.assert_array_equal(ke.export.IntegerModel(model).predict(images), values * 64)
    assert len(np.unique(values)) > 5


def test_shapes_of_the_input():
    model = one_layer(ke.ConvQ(2, 3), (5, 6, 1))
    integers = ke.export.IntegerModel(model)
    images = np.random.default_rng(0).integers(0, 256, (3, 5, 6, 1), dtype=np.uint8)
    assert integers.predict(images).shape == (3, 3 * 4 * 2)
    np.testing.assert_array_equal(integers.predict(images[..., 0]), integers.predict(images))
    np.testing.assert_array_equal(integers.classify(images), integers.predict(images).argmax(axis=1))
    assert integers.predict(images[:0]).shape == (0, 24)


@pytest.mark.parametrize(
    "images, message",
    [
        (np.zeros((2, 5, 5), np.uint8), r"shape \(n, 5, 6, 1\). Received: shape \(2, 5, 5\)"),
        (np.zeros((2, 5, 6)), "integers from 0 to 255. Received: dtype float64"),
        (np.full((1, 5, 6), 256), "Received: dtype int64, values from 256 to 256"),
    ],
)
def test_wrong_inputs(images, message):
    with pytest.raises(ValueError, match=message):
        ke.export.IntegerModel(one_layer(ke.ConvQ(2, 3), (5, 6, 1))).predict(images)


@pytest.mark.parametrize(
    "layers, message",
    [
        ([keras.layers.Dense(3)], "'.*': Dense has no integer form"),
        ([ke.DenseQ(3, activation="tanh")], r"must be one of .*'relu', 'linear', 'relu6'.*. Received: .*tanh"),
        ([keras.layers.Activation("softmax")], "holds no layer that could be exported"),
        ([keras.layers.LeakyReLU(), ke.DenseQ(2)], "LeakyReLU has no integer form"),
    ],
)
def test_what_has_no_integer_form_is_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        ke.export.IntegerModel(keras.Sequential([keras.Input((4,)), *layers]))


@pytest.mark.parametrize("layer", [keras.layers.Flatten, keras.layers.GlobalMaxPooling2D, keras.layers.MaxPooling2D])
def test_channels_that_come_first_are_refused(layer):
    parts = [layer(data_format="channels_first"), keras.layers.Flatten(), ke.DenseQ(2)]
    with pytest.raises(ValueError, match="channels_last|channels must come last"):
        ke.export.IntegerModel(keras.Sequential([keras.Input((4, 4, 4)), *parts]))


def test_numbers_that_are_not_finite_are_refused():
    model = one_layer(ke.DenseQ(2, name="last"), (3,))
    weights = model.get_weights()
    model.set_weights([np.full_like(weights[0], np.nan), *weights[1:]])
    with pytest.raises(ValueError, match="'last': its kernel holds numbers that are not finite"):
        ke.export.IntegerModel(model)
    model.set_weights([*weights[:2], np.float32(np.nan), *weights[3:]])
    with pytest.raises(ValueError, match="log2 scale of its kernel must be a finite number. Received: nan"):
        ke.export.IntegerModel(model)


def test_float_mode_is_taken_as_quantized_with_a_warning():
    model = one_layer(ke.DenseQ(2), (3,))
    expected = ke.export.IntegerModel(model).predict(np.full((1, 3), 200))
    ke.set_mode(model, "float")
    with pytest.warns(UserWarning, match="float mode"):
        integers = ke.export.IntegerModel(model)
    np.testing.assert_array_equal(integers.predict(np.full((1, 3), 200)), expected)
    keras_logits(model, integers, np.zeros((1, 3)))
    assert model.layers[0].mode == "float"


def test_layers_beyond_float32_are_named():
    model = one_layer(ke.DenseQ(1, kernel_bits=16, bias_bits=16, name="wide"), (300,))
    assert ke.export.IntegerModel(model).inexact_layers == ("wide",)


def test_logits_saturate():
    model = one_layer(ke.DenseQ(1, kernel_bits=8), (300,))
    layer = model.layers[0]
    layer.set_weights([np.ones((300, 1)), np.zeros(1), *map(np.float32, (0, 0, 0))])
    assert ke.export.IntegerModel(model).predict(np.full((1, 300), 255)) == 2**15 - 1
    layer.set_weights([-np.ones((300, 1)), np.zeros(1), *map(np.float32, (0, 0, 0))])
    assert ke.export.IntegerModel(model).predict(np.full((1, 300), 255)) == -(2**15)


@pytest.mark.parametrize(
    "bits, signed, integers",
    [(2, False, [0, 1, 2, 3]), (3, True, [-4, -3, -2, -1, 0, 1, 2, 3]), (2, True, [-3, -1, 1, 3]), (1, True, [-1, 1])],
)
def test_codes_are_those_of_the_quantizer(bits, signed, integers):
    codes = Codes.of_scale(bits, signed, scale_exponent=3)
    x = np.linspace(-20, 20, 400, dtype="float32")
    values = np.unique(keras.ops.convert_to_numpy(ke.ops.quantize(x, bits, 3.0, signed)))
    np.testing.assert_array_equal(values, np.array(integers) * 2.0**codes.exponent)
    assert (codes.low, codes.high, codes.bound) == (integers[0], integers[-1], max(map(abs, integers)))
    np.testing.assert_array_equal(codes.indices(integers), np.arange(2**bits))
    with_ties = np.arange(-80, 81, dtype="float32") / 4
    values = keras.ops.convert_to_numpy(ke.ops.quantize(with_ties, bits, 3.0, signed))
    np.testing.assert_array_equal(codes.nearest(with_ties) * 2.0**codes.exponent, values)


def _grid(shape=(2, 3, 1), before=()):
    model = keras.Sequential([keras.Input(shape), *before, ke.InputQ(8), keras.layers.Flatten(), ke.DenseQ(2)])
    ke.set_mode(model, "freeze_scales")
    return ke.export.IntegerModel(model)


_NUMBERS = np.zeros((2, 2, 3, 1))


@pytest.mark.parametrize(
    "x",
    [
        np.where(np.arange(12) == 5, np.nan, 0).reshape(_NUMBERS.shape),
        np.full_like(_NUMBERS, np.inf),
        np.full(_NUMBERS.shape, "1"),
        np.full(_NUMBERS.shape, None),
        _NUMBERS + 1j,
        _NUMBERS.astype("datetime64[s]"),
        np.ma.masked_equal(_NUMBERS, 0),
        None,
        "numbers",
        [[1.0], [1.0, 2.0]],
        object(),
    ],
    ids=["nan", "inf", "text", "objects", "complex", "dates", "masked", "None", "a name", "ragged", "an object"],
)
def test_what_is_no_number_is_not_encoded(x):
    with pytest.raises(ValueError, match="x must hold finite numbers, with nothing masked. Received: "):
        _grid().encode(x)


@pytest.mark.parametrize("shape", [(), (2, 3, 1), (1, 3, 2, 1), (1, 2, 3, 2), (1, 6)])
def test_samples_of_another_shape_are_not_encoded(shape):
    with pytest.raises(ValueError, match=r"x must have the shape \(n, 2, 3, 1\). Received: shape "):
        _grid().encode(np.zeros(shape))


def test_what_overflows_before_the_grid_is_not_encoded():
    with pytest.raises(ValueError, match="make of x numbers that are not finite"):
        _grid(before=[keras.layers.Rescaling(1e30)]).encode(np.full_like(_NUMBERS, 1e30))


def test_numbers_are_rounded_to_float32_first():
    """As Keras does: a number just above the middle of two codes becomes the middle, and goes to the even code."""
    step = 2.0 ** _grid().input.codes.exponent
    x = np.full(_NUMBERS.shape, (1 + 0.5 + 1e-12) * step), np.full(_NUMBERS.shape, (2 + 0.5 + 1e-12) * step)
    assert [set(_grid().encode(each).ravel()) for each in x] == [{2}, {2}]
    assert _grid().encode(np.full(_NUMBERS.shape, 1e300)).min() > 100


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "uint8", "bool"])
def test_numbers_of_every_type_are_encoded(dtype):
    x = np.arange(6).reshape(1, 2, 3, 1).astype(dtype)
    expected = _grid().encode(x.astype("float32"))
    np.testing.assert_array_equal(_grid().encode(x), expected)
    np.testing.assert_array_equal(_grid().encode(x[..., 0]), expected)
    np.testing.assert_array_equal(_grid().encode(keras.ops.convert_to_tensor(x)), expected)
    np.testing.assert_array_equal(_grid().encode(x.tolist()), expected)
