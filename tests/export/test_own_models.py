"""Models of `quantize_model` as integers and as C: equal to Keras and to each other, in the arena that was priced."""

import pickle

import keras
import numpy as np
import pytest
from export.agreement import same_in_float
from quantization.own_models import (
    NETWORKS,
    batch_norm_network,
    inputs_of,
    outputs_of,
    residual_network,
    signal_network,
    with_random_weights,
)

import keras_efficient as ke
from keras_efficient.export.reference import keras_logits
from keras_efficient.export.verify import ToolFailedError, run_on_host

L = keras.layers
SETTINGS = [
    {},
    {"kernel_bits": 4, "activation_bits": 4, "bias_bits": 8, "per_channel": False},
    {"kernel_bits": 3, "activation_bits": 5, "input_bits": 16},
    {"kernel_bits": 2, "activation_bits": 2, "fold_batch_norm": True},
]


def quantized_network(name, number):
    """A network with its inputs, in the integers that are pushed; every second one takes unsigned inputs."""
    plain = with_random_weights(NETWORKS[name](), seed=number)
    x = inputs_of(plain, signed=number % 2 == 0)
    return same_in_float(plain, x, ke.quantize_model(plain, x=x, mode="freeze_scales", **SETTINGS[number])), x


@pytest.mark.parametrize("number", range(len(SETTINGS)))
@pytest.mark.parametrize("name", NETWORKS)
def test_integers_equal_keras_and_c(name, number, tmp_path, c_compiler):
    model, x = quantized_network(name, number)
    integers = ke.export.IntegerModel(model)
    codes = integers.encode(x)
    logits = integers.predict(codes)
    assert (integers.input.codes.bits, integers.input.codes.signed) == (16 if number == 2 else 8, number % 2 == 0)
    assert len(np.unique(logits)) > 1
    if not integers.inexact_layers:
        np.testing.assert_array_equal(keras_logits(model, integers, codes), logits)
    report, priced = ke.export_c(model, tmp_path), ke.estimate_storage(model)
    assert report.weight_bytes == np.ceil(priced.weight_bytes)
    assert report.arena_bytes == report.predicted_arena_bytes == np.ceil(priced.activation_bytes)
    np.testing.assert_array_equal(run_on_host(tmp_path, codes).logits, logits)


@pytest.mark.parametrize("name", ["residual"])
def test_one_byte_less_is_too_little(name, tmp_path, c_compiler):
    model, x = quantized_network(name, 0)
    report = ke.export_c(model, tmp_path)
    codes = ke.export.IntegerModel(model).encode(x)
    with pytest.raises(ToolFailedError, match="out of bounds|overflow"):
        run_on_host(tmp_path, codes, flags=(f"-DNETWORK_ARENA_BYTES={report.arena_bytes - 1}",))


@pytest.mark.parametrize("name", ["residual", "depthwise"])
def test_logits_are_what_the_model_gives(name):
    """Without a head the outputs of the Keras model are the logits, in their step."""
    model, x = quantized_network(name, 1)
    integers = ke.export.IntegerModel(model)
    assert not integers.inexact_layers
    logits = integers.predict(integers.encode(x))
    np.testing.assert_array_equal(outputs_of(model, x).reshape(len(x), -1), logits * 2.0**integers.logit_exponent)


def test_preparation_stays_outside():
    plain = with_random_weights(signal_network())
    model = ke.quantize_model(plain, x=inputs_of(plain), mode="freeze_scales")
    integers, x = ke.export.IntegerModel(model), inputs_of(plain)
    expected = np.clip(np.rint(x / 2 * 2.0**-integers.input.codes.exponent), -128, 127)
    np.testing.assert_array_equal(integers.encode(x)[:, 0], expected)


def test_a_number_for_each_channel_prepares_an_input_too():
    """As means and deviations of images are taken off."""
    inputs, means, deviations = keras.Input((4, 4, 3)), *np.array([[0.5, 0.25, 0.125], [2, 4, 0.5]], "float32")
    y = L.Flatten()(L.Conv2D(2, 3)((inputs / 255.0 - means) / deviations))
    x = np.random.default_rng(0).integers(0, 256, (8, 4, 4, 3)).astype("float32")
    model = ke.quantize_model(keras.Model(inputs, L.Dense(2)(y)), x=x, mode="freeze_scales")
    integers = ke.export.IntegerModel(model)
    logits = integers.predict(integers.encode(x)) * 2.0**integers.logit_exponent
    np.testing.assert_array_equal(logits, outputs_of(model, x))


def test_numbers_beyond_the_inputs_grid_are_refused():
    model, _ = quantized_network("residual", 0)
    integers = ke.export.IntegerModel(model)
    with pytest.raises(ValueError, match="integers from -128 to 127. Received: dtype int64, values from 200 to 200"):
        integers.predict(np.full((1, 6, 6, 3), 200))


def test_the_two_orders_of_a_sum_agree(tmp_path, c_compiler):
    """y + x and x + y are the same network."""
    results = []
    for turned in (False, True):
        inputs = keras.Input((4, 4, 2))
        x = keras.layers.Conv2D(3, 3, padding="same", name="first")(inputs)
        y = keras.layers.Conv2D(3, 3, padding="same", name="second")(x)
        z = keras.layers.Flatten()(keras.layers.Add(name="sum")([y, x] if turned else [x, y]))
        plain = with_random_weights(keras.Model(inputs, keras.layers.Dense(2, name="last")(z)))
        samples = inputs_of(plain)
        model = ke.quantize_model(plain, x=samples, mode="freeze_scales")
        ke.export_c(model, tmp_path / str(turned))
        codes = ke.export.IntegerModel(model).encode(samples)
        results.append(run_on_host(tmp_path / str(turned), codes).logits)
    np.testing.assert_array_equal(*results)


def float_branch():
    inputs = keras.Input((4,))
    return keras.Model(inputs, ke.AddQ()([ke.DenseQ(4)(inputs), keras.layers.Dense(4, name="plain")(inputs)]))


def wide_input():
    inputs = keras.Input((4,))
    return keras.Model(inputs, ke.DenseQ(2)(ke.InputQ(12, name="grid")(inputs)))


@pytest.mark.parametrize(
    "make, message",
    [
        (float_branch, "'plain': Dense has no integer form"),
        (wide_input, "'grid': inputs have 8 or 16 bits. Received: bits=12"),
    ],
)
def test_what_has_no_integer_form_is_refused(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        ke.export.IntegerModel(make())
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # as another process gives it back


def test_filters_too_far_apart_are_refused():
    plain = with_random_weights(batch_norm_network())
    model = ke.quantize_model(plain, x=inputs_of(plain), mode="freeze_scales")
    scale = model.get_layer("hidden").kernel_quantizer.scale
    scale.assign([0.0, 1.0, -16.0, 2.0, 0.0])
    with pytest.raises(ValueError, match="'hidden': the scales of its filters must lie within a factor of 2.15"):
        ke.export.IntegerModel(model)


def test_a_filter_of_zeros_may_have_any_scale():
    plain = with_random_weights(residual_network())
    model = ke.quantize_model(plain, x=inputs_of(plain), mode="freeze_scales")
    layer = model.get_layer("second")
    before = ke.export.IntegerModel(model).predict(np.ones((1, 6, 6, 3), int))
    kernel, *others = layer.get_weights()
    layer.set_weights([kernel * [1, 0, 1, 1], *others])
    layer.kernel_quantizer.scale.assign(
        [*keras.ops.convert_to_numpy(layer.kernel_quantizer.scale)[:1], -40.0, 0.0, 0.0]
    )
    assert ke.export.IntegerModel(model).predict(np.ones((1, 6, 6, 3), int)).shape == before.shape
