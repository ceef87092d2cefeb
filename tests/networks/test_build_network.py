"""`build_network` makes the model that a description stands for."""

import json

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.networks import DIGITS, MNIST_2KB
from keras_efficient.quantization import quantized_layers

_EVERY_LETTER = [
    ["N", 0.05, 8],
    ["A", 2, 4],
    ["C", 4, 3, 3, 1, 1, 4, 8, 4],
    ["CN", 4, 1, 4, 8, 4],
    ["T", 2, 3, 2, 1, 1, 3, 8, 5],
    ["DSC", 6, 3, 3, 1, 1, 4, 8, 4],
    ["R", 4, 8, 4],
    ["Q", 4],
    ["M", 2, 4],
    ["D", 0.1, 4],
    ["F", 12, 4, 8, 4],
    ["S", 5, 4, 8, 8],
]
_LAYERS = [
    *("InputLayer", "GaussianNoise", "ActivationQ", "AveragePoolingQ", "ConvQ", "ConvQ", "DepthwiseConvQ"),
    *("DepthwiseConvQ", "ConvQ", "ResidualQ", "ActivationQ", "MaxPooling2D", "Dropout", "Flatten"),
    *("DenseQ", "DenseQ", "Activation"),
]


def test_every_letter_becomes_its_layers():
    model = ke.build_network(_EVERY_LETTER, (24, 20, 2), "learn_scales")
    assert [type(layer).__name__ for layer in model.layers] == _LAYERS
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert {layer.mode for layer in quantized_layers(model)} == {"learn_scales"}
    depthwise = model.get_layer("depthwise_conv_q_1")
    assert (depthwise.depth_multiplier, depthwise.kernel_size, depthwise.kernel_bits) == (2, (3, 2), 3)
    assert depthwise.activation is keras.activations.linear
    outputs = model.predict(np.ones((2, 24, 20, 2), "float32"), verbose=0)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("form", [tuple, list, "json"])
def test_tuples_lists_and_json_are_the_same(form):
    config = json.loads(json.dumps(_EVERY_LETTER)) if form == "json" else form(map(form, _EVERY_LETTER))
    model = ke.build_network(config, (24, 20, 2))
    assert [layer.name for layer in model.layers] == [
        layer.name for layer in ke.build_network(_EVERY_LETTER, (24, 20, 2)).layers
    ]


def test_a_keras_layer_object_is_an_item():
    config = [
        {"class_name": "ConvQ", "config": {"filters": 3, "kernel_size": 3, "padding": "same", "name": "first"}},
        {"class_name": "BatchNormalization", "config": {}},
        {"class_name": "keras_efficient>ActivationQ", "config": {"bits": 5}},
        ["S", 4, 4, 8, 8],
    ]
    model = ke.build_network(config, (6, 6, 1), "freeze_scales")
    names = ["input", "first", "batch_normalization_1", "activation_q_1", "flatten_1", "dense_q_1", "softmax"]
    assert [layer.name for layer in model.layers] == names
    assert model.get_layer("activation_q_1").bits == 5


@pytest.mark.parametrize("signed_output, signed", [("auto", True), (False, False)])
def test_signed_output_of_the_logits(signed_output, signed):
    model = ke.build_network(MNIST_2KB, signed_output=signed_output, softmax=False)
    assert model.get_layer("dense_q_1").activation_quantizer.signed is signed
    assert not model.get_layer("conv_q_1").activation_quantizer.signed
    assert model.output.shape == (None, 10) and model.layers[-1].name == "dense_q_1"


@pytest.mark.parametrize(
    "config, input_shape", [(_EVERY_LETTER, (24, 20, 2)), (MNIST_2KB, (28, 28, 1)), (DIGITS, (8, 8, 1))]
)
def test_model_and_description_cost_the_same(config, input_shape):
    report = ke.estimate_storage(config, input_shape)
    model = ke.build_network(config, input_shape)
    assert ke.estimate_storage(model) == report
    assert ke.estimate_storage(ke.build_network(config, input_shape, softmax=False)) == report
    weights = [w for w in model.weights if w.name.startswith(("kernel", "bias")) and "scale" not in w.name]
    assert report.parameters == sum(int(np.prod(w.shape)) for w in weights)


_INPUT = [
    {"class_name": "Normalization", "config": {"axis": -1, "mean": [1.0, -2.0], "variance": [4.0, 0.25]}},
    {"class_name": "InputQ", "config": {"bits": 8, "signed": True}},
]
_SIGNAL = [
    {"class_name": "Conv1DQ", "config": {"filters": 3, "kernel_size": 3, "activation": "relu", "kernel_bits": 8}},
    ["F", 4, 8, 8, 8],
]


@pytest.mark.parametrize("head", ["softmax", "sigmoid", "linear"])
@pytest.mark.parametrize(("body", "shape"), [([["F", 4, 8, 8, 8]], (2,)), (_SIGNAL, (9, 2))])
def test_a_head_changes_the_outputs_and_not_the_integers(head, body, shape):
    config = [*_INPUT, *body, ["S", 2, 8, 8, 16]]
    model = ke.build_network(config, shape, "learn_scales", head=head)
    x = np.random.default_rng(0).normal(size=(50, *shape)).astype("float32")
    ke.calibrate(model, x=x)
    integers = ke.export.IntegerModel(model)
    logits = integers.predict(integers.encode(x)) * 2.0**integers.logit_exponent
    expected = {
        "softmax": np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True),
        "sigmoid": 1 / (1 + np.exp(-logits)),
        "linear": logits,
    }
    np.testing.assert_allclose(model.predict(x, verbose=0), expected[head], rtol=1e-5)
    assert ke.estimate_storage(model).to_json() == ke.estimate_storage(config, shape).to_json()
    assert (np.asarray(integers.encode(x)) < 0).any()


def test_a_wrong_head_is_refused():
    assert ke.build_network(DIGITS, (8, 8, 1), softmax=False).layers[-1].name == "dense_q_1"
    with pytest.raises(ValueError, match="`head` must be one of .* Received: head='tanh'"):
        ke.build_network(DIGITS, (8, 8, 1), head="tanh")
    with pytest.raises(ValueError, match="Received: softmax=False, head='sigmoid'"):
        ke.build_network(DIGITS, (8, 8, 1), softmax=False, head="sigmoid")


def test_the_digits_network_fits_2_kb():
    assert ke.estimate_storage(DIGITS, (8, 8, 1)).total_bytes <= 2048


@pytest.mark.parametrize(
    "config, message",
    [
        ([["X", 1]], "item 1 of 1.*unknown letter"),
        ([["A", 2, 4], ["C", 5, 3]], "item 2 of 2.*The form is"),
        ([["C", 5, 29, 29, 1, 1, 4, 8, 4]], "item 1 of 1.*nothing is left"),
        ([["S", 10, 0, 8, 8]], "item 1 of 1.*1 to 16|1\\.\\.16"),
        ([], "at least one item"),
    ],
)
def test_wrong_descriptions_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        ke.build_network(config)


def test_wrong_mode_is_refused():
    with pytest.raises(ValueError, match="`mode` must be one of"):
        ke.build_network(MNIST_2KB, mode="int8")


@pytest.mark.parametrize(
    "item, message",
    [
        ({"class_name": "NoSuchLayer", "config": {}}, "Unknown layer class 'NoSuchLayer'"),
        ({"class_name": "DenseQQ", "config": {}}, r"Unknown layer class 'DenseQQ' \(did you mean 'DenseQ'\?\)"),
        ({"class_name": "deserialize", "config": {}}, "Unknown layer class 'deserialize'"),
        ({"class_name": "DenseQ", "config": {"units": 3, "mode": "fast"}}, "`mode` must be one of"),
        ({"class_name": "Dense", "config": {"units": 3, "foo": 1}}, "foo"),
        ({"class_name": "ReLU", "config": {"max_value": -1}}, "max_value"),
    ],
)
def test_wrong_layer_objects_are_refused_with_their_place(item, message):
    with pytest.raises(ValueError, match=f"item 2 of the description: cannot build .*{message}"):
        ke.build_network([["M", 2, 4], item], (4, 4, 1))
