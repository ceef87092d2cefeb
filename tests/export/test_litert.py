"""LiteRT files of ACDC networks: float32 and int8 that compute what the Keras model does."""

import keras
import numpy as np
import pytest

import keras_efficient as ke

_TENSORFLOW = keras.backend.backend() == "tensorflow"


@pytest.fixture(scope="module")
def interpret():
    """A function from the bytes of a file and inputs to (outputs, names of the operations)."""
    if not _TENSORFLOW:
        pytest.skip("LiteRT converts models of the TensorFlow backend")
    import tensorflow as tf

    interpreter_class = getattr(getattr(tf, "lite", None), "Interpreter", None)
    if interpreter_class is None:
        pytest.skip("this TensorFlow has no LiteRT")

    def run(content, x):
        interpreter = interpreter_class(model_content=content)
        interpreter.allocate_tensors()
        (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
        outputs = []
        for sample in x:
            interpreter.set_tensor(source["index"], _coded(sample, source)[np.newaxis])
            interpreter.invoke()
            outputs.append(_decoded(interpreter.get_tensor(target["index"])[0], target))
        return np.array(outputs), {operation["op_name"] for operation in interpreter._get_ops_details()}

    return run


def _coded(values, tensor):
    if tensor["dtype"] != np.int8:
        return values
    scale, zero_point = tensor["quantization"]
    return np.clip(np.round(values / scale) + zero_point, -128, 127).astype("int8")


def _decoded(codes, tensor):
    if tensor["dtype"] != np.int8:
        return codes
    scale, zero_point = tensor["quantization"]
    return (codes.astype("float32") - zero_point) * scale


def _outputs(model, x):
    return keras.ops.convert_to_numpy(model(x))


def _network(layer, shape):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(shape), layer])
    random = np.random.default_rng(0)
    return model, *(random.normal(size=(samples, *shape)).astype("float32") for samples in (100, 20))


@pytest.mark.parametrize(
    "layer, shape",
    [
        (lambda: ke.ACDCDense(80, depth=2), (80,)),  # with an FFT in Keras
        (lambda: ke.ACDCDense(64, depth=2, transform="dct2d"), (64,)),
        (lambda: ke.ACDCConv2D(20, 3, depth=2, padding="same"), (5, 5, 12)),
        (lambda: ke.ACDCConv2D(20, 3, strides=2, activation=None), (5, 5, 12)),  # twelve linear layers
    ],
)
def test_int8_is_near_the_model_on_unit_variance(interpret, layer, shape):
    model, samples, x = _network(layer(), shape)
    expected = _outputs(model, x)
    found, operations = interpret(ke.export.convert_litert(model, samples), x)
    error = found - expected
    assert np.sqrt(np.mean(error**2)) < 0.05
    assert np.mean(np.abs(error)) < 0.05 < 0.1 < expected.std()
    assert not {"RFFT2D", "DEQUANTIZE"} & operations
    np.testing.assert_array_equal(_outputs(model, x), expected)


def test_float_is_the_model(interpret):
    model, _, x = _network(ke.ACDC(order="inner_riffle", permutation="random"), (70,))
    found, _ = interpret(ke.export.convert_litert(model), x)
    np.testing.assert_allclose(found, _outputs(model, x), atol=1e-4)


@pytest.mark.parametrize("mode", ["float", "freeze_scales"])
@pytest.mark.parametrize(
    "layer, shape",
    [
        (lambda: ke.RandomBasisDense(9, dimensions=40, coordinate_bits=4, activation="relu"), (12,)),
        (lambda: ke.RandomBasisConv2D(9, 3, dimensions=40, strides=2, padding="same"), (7, 7, 4)),
    ],
)
def test_the_kernel_of_a_random_basis_is_stored(interpret, layer, shape, mode):
    made = layer()
    model, samples, x = _network(made, shape)
    made.z.assign(np.random.default_rng(1).normal(size=made.z.shape))
    made.bias.assign(np.linspace(-1, 1, 9))
    model = ke.quantize_model(model, x=samples, mode=mode)
    expected = _outputs(model, x)
    found, operations = interpret(ke.export.convert_litert(model), x)
    np.testing.assert_allclose(found, expected, atol=1e-4 if mode == "float" else 0.1)
    assert operations - {"DELEGATE", "MAXIMUM", "MINIMUM"} <= {"CONV_2D", "FULLY_CONNECTED"}  # none makes a kernel
    found, _ = interpret(ke.export.convert_litert(model, samples), x)
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.1 < 0.5 < expected.std()


@pytest.mark.parametrize("layer", [ke.AFDF, ke.BlockACDC, ke.BlockAFDF])
def test_complex_numbers_are_refused_as_the_report_says(layer):
    model, _, _ = _network(layer(name="mixing"), (8,))
    report = ke.support_report(model)
    assert not report.exports_litert and not next(row.litert for row in report.rows if row.name == "mixing")
    assert "LiteRT cannot have mixing" in report.reasons
    if not _TENSORFLOW:
        pytest.skip("LiteRT converts models of the TensorFlow backend")
    with pytest.raises(ValueError, match=r"Layer 'mixing' .* cannot become LiteRT's: .*complex"):
        ke.export.convert_litert(model)


@pytest.mark.parametrize("strides", [2, (2, 1)])
def test_a_linear_convolution_becomes_plain_ones(interpret, strides):
    layer = ke.ACDCConv2D(8, 3, strides=strides, activation=None, bias_initializer="ones")
    model, _, x = _network(layer, (5, 5, 6))
    found, operations = interpret(ke.export.convert_litert(model), x)
    np.testing.assert_allclose(found, _outputs(model, x), atol=1e-4)
    assert ("DEPTHWISE_CONV_2D" in operations) == (strides == 2)
    assert operations <= {"DEPTHWISE_CONV_2D", "CONV_2D", "DELEGATE"}


@pytest.mark.filterwarnings("ignore:These layers stay float")
def test_the_copy_computes_what_the_model_does(interpret):
    """With what `adapt` set, an operator, a layer that is called twice, and an argument of a call."""
    random = np.random.default_rng(0)
    x = random.normal(50, 20, (64, 6)).astype("float32")
    norm, shared = keras.layers.Normalization(), keras.layers.Dense(6, "relu")
    norm.adapt(x)
    inputs = keras.Input((6,))
    first = shared(norm(inputs) * 0.5)
    batches = keras.layers.BatchNormalization()
    block = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)])
    y = block(first) + batches(shared(first), training=False)
    plain = keras.Model(inputs, keras.layers.Dense(2)(y))
    batches.set_weights([random.uniform(0.5, 2, 6) for _ in batches.weights])
    model = ke.quantize_model(plain, x=x, mode="freeze_scales")
    assert len({type(layer) for layer in model.layers} & {ke.DenseQ, ke.InputQ, ke.AddQ}) == 3
    for each in (plain, model):
        found, _ = interpret(ke.export.convert_litert(each), x[:4])
        np.testing.assert_allclose(found, _outputs(each, x[:4]), atol=1e-4 if each is plain else 0.05)


@pytest.mark.skipif(_TENSORFLOW, reason="it works there")
def test_other_backends_are_refused():
    with pytest.raises(RuntimeError, match="models of the TensorFlow backend. Received: backend"):
        ke.export.convert_litert(_network(ke.ACDC(), (8,))[0])


@pytest.mark.skipif(not _TENSORFLOW, reason="other backends are refused before")
def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match="`model` must be a built .* model with one input. Received: model=3"):
        ke.export.convert_litert(3)
    with pytest.raises(ValueError, match=r"`samples` must hold at least one sample. Received: shape \(0, 8\)"):
        ke.export.convert_litert(_network(ke.ACDC(), (8,))[0], np.zeros((0, 8)))
    with pytest.raises(ValueError, match=r"`samples` must hold numbers of shape \(samples, 8\).*Received: shape \(\)"):
        ke.export.convert_litert(_network(ke.ACDC(), (8,))[0], 3.0)
