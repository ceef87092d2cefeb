"""The reference architectures as models: they are what `architecture_cost` counts, and they train."""

import math
from functools import partial

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.storage.architectures.drawings import known_names

_MAKERS = {
    "tiny_convnet": ke.networks.tiny_convnet,
    "resnet18": ke.networks.resnet18,
    "resnet8": ke.networks.resnet8,
    "wrn_10_2": partial(ke.networks.wide_resnet, 10, 2),
    "mobilenet": ke.networks.mobilenet,
    "mobilenet_v2": ke.networks.mobilenet_v2,
}
_BACKEND = keras.backend.backend()
_once = pytest.mark.skipif(_BACKEND != "tensorflow", reason="the numbers do not depend on the backend")
# What the research log counts beside convolutions and the dense layer: modules of its program.
_COUNTED = {"tiny": ("ReLU", "GlobalAveragePooling2D"), "wrn": ("ReLU",)}


def _positions(layer):
    return math.prod(layer.output.shape[1:3])


def _products(layer):
    """Multiply-adds of one layer of a model, from its weights and the shape of its output."""
    if isinstance(layer, ke.ACDCConv2D):
        depth, size = layer.a.shape
        stack = min(depth * (4 * size + 5 * size * math.log2(size)), size**2)
        window = math.prod(layer.kernel.shape) if layer.is_depthwise else 0
        return round(_positions(layer) * stack) + _positions(layer) * window
    if isinstance(layer, keras.layers.Dense):
        return layer.count_params()
    if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
        return _positions(layer) * math.prod(layer.kernel.shape)
    return 0


def _counted_cells(layer, name):
    # Within what replaces a convolution the log's program has no modules.
    counts = type(layer).__name__ in _COUNTED.get(name.split("_")[0], ()) and "replaced" not in layer.name
    return math.prod(layer.input.shape[1:]) if counts else 0


def _cost(model, name):
    """Multiply-adds and parameters of a model as it is."""
    mult_adds = sum(_products(layer) + _counted_cells(layer, name) for layer in model.layers)
    return mult_adds, sum(math.prod(weight.shape) for weight in model.trainable_weights)


def _replaced(model):
    return [layer for layer in model.layers if layer.name.startswith("replaced_conv")]


@_once
@pytest.mark.parametrize("name", known_names())
def test_models_cost_what_is_said(name):
    model = ke.networks.build_architecture(name)
    assert _cost(model, name) == ke.storage.architecture_cost(name)
    running = sum(math.prod(weight.shape) for weight in model.non_trainable_weights)
    assert model.count_params() == ke.storage.architecture_cost(name)[1] + running
    assert {weight.name for weight in model.non_trainable_weights} == {"moving_mean", "moving_variance"}
    assert model.name == name and model.output_shape == (None, 10)


@_once
@pytest.mark.parametrize(
    "name, replaced",
    [
        *(("tiny_convnet", 9), ("resnet18", 19), ("resnet8", 8)),
        *(("wrn_10_2", 6), ("mobilenet", 13), ("mobilenet_v2", 18)),
    ],
)
def test_any_shape_and_number_of_classes(name, replaced):
    settings = {"input_shape": (15, 18, 2), "classes": 7}
    model = _MAKERS[name](**settings, softmax=False, convolution=ke.networks.acdc_convolution())
    assert _cost(model, name) == ke.storage.architecture_cost(f"{name}_acdc", **settings)
    assert model.output_shape == (None, 7) and model.layers[-1].name == "logits_1"
    assert len(_replaced(model)) == replaced
    for layer in _replaced(model):
        assert (layer.depth, layer.permutation, layer.bias, layer.is_linear) == (12, "riffle", None, True)
        assert layer.kernel_size == (1, 1) or "mobilenet" not in name


@pytest.mark.parametrize("name", _MAKERS if _BACKEND == "tensorflow" else ["wrn_10_2"])
def test_networks_compute_probabilities(name):
    keras.utils.set_random_seed(0)
    model = _MAKERS[name]((8, 8, 3), 4, ke.networks.acdc_convolution(depth=2))
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    y = keras.ops.convert_to_numpy(model(x, training=True))
    np.testing.assert_allclose(y.sum(axis=1), 1, atol=1e-5)
    assert y.min() >= 0 and np.abs(y[0] - y[1]).max() > 1e-3


@pytest.mark.parametrize(
    "convolution, kind",
    [
        (ke.ACDCConv2D, ke.ACDCConv2D),
        (ke.networks.acdc_convolution(depth=3, transform="dct2d", kernel_bits=8), ke.ACDCConv2D),
        (partial(ke.PHMConv2D, terms=2), ke.PHMConv2D),
        (keras.layers.SeparableConv2D, keras.layers.SeparableConv2D),
    ],
)
def test_any_layer_may_take_the_place(convolution, kind):
    model = ke.networks.wide_resnet(10, 1, (8, 8, 3), 4, convolution)
    assert len(_replaced(model)) == 6 and all(type(layer) is kind for layer in _replaced(model))
    again = ke.networks.wide_resnet(10, 1, (8, 8, 3), 4, convolution)
    assert [layer.name for layer in model.layers] == [layer.name for layer in again.layers]


def test_every_number_trains_and_the_file_loads(tmp_path):
    keras.utils.set_random_seed(0)
    model = ke.networks.tiny_convnet((8, 8, 3), 4, ke.networks.acdc_convolution(depth=2))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", run_eagerly=_BACKEND != "jax")
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    random = np.random.default_rng(0)
    x = random.normal(size=(8, 8, 8, 3)).astype("float32")
    model.train_on_batch(x, random.integers(0, 4, 8))
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert not np.allclose(keras.ops.convert_to_numpy(weight), old, atol=1e-6), weight.path
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(each(x)) for each in (model, again)))


@_once
def test_resnet8_is_that_of_mlperf_tiny():
    """Its convolutions as in `resnet_v1_eembc`: (filters, kernel size, strides), the shortcuts' last of a block."""
    model = ke.networks.resnet8()
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    found = [(layer.filters, layer.kernel_size[0], layer.strides[0]) for layer in convolutions]
    stages = [[(32, 3, 2), (32, 3, 1), (32, 1, 2)], [(64, 3, 2), (64, 3, 1), (64, 1, 2)]]
    assert sorted(found) == sorted([*[(16, 3, 1)] * 3, *stages[0], *stages[1]])
    assert all(layer.use_bias for layer in convolutions)
    normalizations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(normalizations) == 7 and model.count_params() == 78_666
    assert [model.get_layer(name).output.shape[1:] for name in ke.networks.stage_names(model)] == [
        *((32, 32, 16), (16, 16, 32), (8, 8, 64))
    ]


@_once
@pytest.mark.parametrize("name", ["tiny_convnet", "mobilenet"])
def test_chains_can_be_priced_in_bytes(name):
    model = _MAKERS[name](convolution=ke.networks.acdc_convolution())
    assert ke.estimate_storage(model).parameters == model.count_params()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ke.networks.build_architecture("vgg"), "name must be one of tiny_convnet, .*Received: name='vgg'"),
        (lambda: ke.networks.wide_resnet(12, 1), r"a depth of 6 n \+ 4. Received: name='wrn_12_1'"),
        (
            lambda: ke.networks.wide_resnet(16, 0.5),
            "`widen_factor` must be an integer of at least 1",
        ),
        (lambda: ke.networks.resnet18((32, 32)), r"`input_shape` must be \(rows, columns, channels\)"),
        (lambda: ke.networks.mobilenet(classes=0), "classes must be at least 1. Received: 0"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
