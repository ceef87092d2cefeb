"""LiteRT files of quantized networks: int8 throughout, near the Keras model, saturating where it does."""

import keras
import numpy as np
import pytest
from quantization.own_models import NETWORKS, inputs_of, outputs_of, residual_network, with_random_weights

import keras_efficient as ke
from keras_efficient.export.litert_report import litert_outputs, new_interpreter

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="LiteRT converts models of the TensorFlow backend"
)


def _rms(values):
    return np.sqrt(np.mean(np.square(values)))


def _types(content):
    return {tensor["dtype"] for tensor in new_interpreter(content).get_tensor_details()}


def _bias_scales_fit(content):
    """Whether every bias lies on the grid of the products that it is added to."""
    interpreter = new_interpreter(content)
    scales = {
        tensor["index"]: tensor["quantization_parameters"]["scales"] for tensor in interpreter.get_tensor_details()
    }
    kernels = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    operations = [each["inputs"] for each in interpreter._get_ops_details() if each["op_name"] in kernels]
    assert operations
    return all(np.allclose(scales[b], scales[x] * scales[k], rtol=1e-3) for x, k, b in operations)


@pytest.mark.parametrize("mode", ["float", "freeze_scales"])
@pytest.mark.parametrize("name", NETWORKS)
def test_int8_is_near_the_model(name, mode):
    plain = with_random_weights(NETWORKS[name](), seed=1)
    x = inputs_of(plain, count=32)
    model = ke.quantize_model(plain, x=x, mode=mode)
    expected = outputs_of(model, x)
    content = ke.export.convert_litert(model, x)
    # The outputs of one network are differences of larger numbers.
    assert _rms(litert_outputs(content, x) - expected) < 0.06 * max(_rms(expected), 0.5)
    assert _bias_scales_fit(content)
    assert _types(content) <= {np.int8, np.int32}  # and no floats
    np.testing.assert_array_equal(outputs_of(model, x), expected)
    assert all(layer.mode == mode for layer in model.layers if hasattr(layer, "mode"))


@pytest.mark.parametrize("name", NETWORKS)
def test_floats_are_nearer(name):
    plain = with_random_weights(NETWORKS[name](), seed=1)
    x = inputs_of(plain)
    model = ke.quantize_model(plain, x=x, mode="freeze_scales")
    expected = outputs_of(model, x)
    assert _rms(litert_outputs(ke.export.convert_litert(model), x) - expected) < 0.015 * max(_rms(expected), 0.5)


def test_weights_are_the_rounded_ones():
    """At 2 bits the float weights give other outputs; the activations stay floats here."""
    plain = with_random_weights(residual_network(), seed=2)
    x = inputs_of(plain)
    model = ke.quantize_model(plain, 2, 4, 16, x=x, mode="freeze_scales")
    outputs = litert_outputs(ke.export.convert_litert(model), x)
    expected = outputs_of(model, x)
    assert _rms(outputs - expected) < 0.01 * expected.std() < 0.2 * _rms(expected - outputs_of(plain, x))


@pytest.mark.parametrize("bits, largest", [(4, 0.9375), (8, 0.99609375), (12, 3.0)])
def test_activations_saturate_where_the_grid_does(bits, largest):
    """Unless the grid is finer than LiteRT's: then the samples decide."""
    inputs = keras.Input((1,))
    layer = ke.DenseQ(1, "relu", activation_bits=bits, kernel_bits=8, mode="freeze_scales")
    model = keras.Model(inputs, layer(inputs))
    layer.kernel.assign([[1.0]])
    layer.kernel_quantizer.scale.assign(1.0)
    x = np.linspace(-1, 3, 41, dtype="float32")[:, None]
    outputs = litert_outputs(ke.export.convert_litert(model, x), x)
    assert outputs.max() == pytest.approx(largest, abs=0.01)
    np.testing.assert_allclose(outputs, np.clip(x, 0, largest), atol=0.02)


def _structured():
    inputs = keras.Input((16,))
    x = ke.PHMDense(16, terms=2, p=4, q=4, activation="relu", kernel_bits=8, bias_bits=8, activation_bits=8)(inputs)
    x = ke.ACDCDense(16, depth=2, kernel_bits=8, activation_bits=8)(x)
    return keras.Model(inputs, ke.DenseQ(4, kernel_bits=8, activation_bits=8)(x))


def _blocks():
    inputs = keras.Input((8, 8, 1))
    x = ke.ConvQ(4, 3, activation="relu", kernel_bits=8, activation_bits=8)(ke.AveragePoolingQ(2, bits=8)(inputs))
    x = ke.ResidualQ(kernel_bits=8, activation_bits=8)(x)
    return keras.Model(inputs, ke.DenseQ(3, kernel_bits=8, activation_bits=8)(keras.layers.Flatten()(x)))


def _nested():
    inner = keras.Sequential([keras.Input((16,)), ke.DenseQ(8, "relu", kernel_bits=8, activation_bits=8)])
    return keras.Sequential([keras.Input((16,)), inner, ke.DenseQ(3, kernel_bits=8, activation_bits=8)])


def _pruned():
    layer = ke.Prunable(ke.DenseQ(8, "relu", kernel_bits=8, activation_bits=8), ke.ConstantSparsity(0.5))
    model = keras.Sequential([keras.Input((16,)), layer, keras.layers.Dense(3)])
    mask = layer.layer.kernel.pruning_mask
    mask.assign(np.random.default_rng(0).integers(0, 2, mask.shape))
    return model


@pytest.mark.parametrize("make", [_structured, _blocks, _nested, _pruned])
def test_other_layers(make):
    keras.utils.set_random_seed(0)
    model = make()
    x = np.random.default_rng(0).uniform(size=(100, *model.input_shape[1:])).astype("float32")
    ke.calibrate(model, model, x, rule="least_error")
    ke.set_mode(model, "freeze_scales")
    expected = outputs_of(model, x)
    outputs = litert_outputs(ke.export.convert_litert(model, x), x)
    assert _rms(outputs - expected) < 0.1 * expected.std()


@pytest.fixture(scope="module")
def digits():
    """A network trained on the digits, its quantized copy, and the data."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.MaxPooling2D(2), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers, keras.layers.Dense(10)])
    data = ke.datasets.load_dataset("digits")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(data.x_train, data.y_train, epochs=6, batch_size=64, verbose=0)
    small = ke.quantize_model(model, 4, 8, 4, x=data.x_train[:256], mode="freeze_scales")
    return model, small, data


@pytest.mark.parametrize("number", [0, 1])
def test_classes_of_digits(digits, number, tmp_path):
    model, data = digits[number], digits[2]
    report = ke.export_litert(model, tmp_path / "new/model.tflite", data.x_train[:200])
    content = (tmp_path / "new/model.tflite").read_bytes()
    ours, theirs = outputs_of(model, data.x_test).argmax(axis=1), litert_outputs(content, data.x_test).argmax(axis=1)
    assert np.mean(ours == data.y_test) > 0.8  # it has learnt something
    assert np.mean(ours == theirs) > 0.95
    priced = ke.estimate_storage(digits[1] if number else ke.quantize_model(model))
    assert (report.weight_bytes, report.activation_bytes) == (priced.weight_bytes, priced.activation_bytes)
    assert (report.file_bytes, report.number_type) == (len(content), "int8")
    # The pooling's input and output; at 4 bits those of the minimum after the convolution.
    assert report.tensor_bytes == 6 * 6 * 8 + (6 * 6 * 8 if number else 3 * 3 * 8)
    assert report.price_of == ("model" if number else "quantize_model")
    assert str(len(content)) in str(report) and f"{priced.weight_bytes:g}" in str(report)


def test_what_has_no_price_is_said(tmp_path):
    model = keras.Sequential([keras.Input((4, 2)), keras.layers.Permute((2, 1)), keras.layers.UnitNormalization()])
    report = ke.export_litert(model, tmp_path / "model.tflite")
    assert (report.weight_bytes, report.number_type) == (None, "float32")
    assert "weights not known" in str(report)


def test_files_of_others_stay(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    path = tmp_path / "model.tflite"
    ke.export_litert(model, path)
    ke.export_litert(model, path)
    path.write_text("thesis")
    with pytest.raises(ValueError, match="exists and is no .tflite file: nothing was written"):
        ke.export_litert(model, path)
    assert path.read_text() == "thesis"


@pytest.mark.parametrize(
    "samples, message",
    [
        (np.zeros((3, 5)), r"shape \(samples, 4\).*Received: shape \(3, 5\)"),
        (np.zeros((4,)), r"Received: shape \(4,\)"),
        (np.array([["a"] * 4]), "Received: shape .* dtype <U1"),
        (np.full((1, 4), np.nan), "`samples` must hold finite numbers"),
    ],
)
def test_wrong_samples_are_refused(samples, message):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match=message):
        ke.export.convert_litert(model, samples)
