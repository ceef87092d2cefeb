"""estimate_storage knows ACDC and its kin: parameters, bytes, products."""

import math

import pytest

import keras_efficient as ke
from keras_efficient.kinds.acdc import layer_products
from keras_efficient.kinds.stages import fixed_bits
from keras_efficient.storage import estimate_storage

keras = pytest.importorskip("keras")

_DENSE_LAYERS = [
    lambda **bits: ke.ACDC(groups=2, **bits),
    lambda **bits: ke.ACDC(bias=None, **bits),
    lambda **bits: ke.ACDCDense(7, depth=3, groups=4, **bits),
    lambda **bits: ke.ACDCDense(30, depth=1, bias=None, transform="dct2d", **bits),
    lambda **bits: ke.AFDF(**bits),
    lambda **bits: ke.BlockACDC(4, **bits),
    lambda **bits: ke.BlockAFDF(use_bias=True, **bits),
    lambda **bits: ke.GroupedShuffleDense(7, 3, depth=3, **bits),
]


def _model(layer, shape=(20,)):
    return keras.Sequential([keras.Input(shape), layer])


@pytest.mark.parametrize("make", _DENSE_LAYERS)
def test_parameters_and_bytes_are_those_of_the_model(make):
    model = _model(make())
    report = estimate_storage(model)
    assert report.parameters == model.count_params()
    assert report.weight_bytes == 4 * model.count_params()
    assert report.layers[0].output_shape == model.output_shape[1:]


@pytest.mark.parametrize("make", _DENSE_LAYERS)
def test_quantized_factors_count_their_bits(make):
    layer = make(kernel_bits=5, bias_bits=7, activation_bits=6)
    report = estimate_storage(_model(layer))
    biases = sum(math.prod(w.shape) for w in layer.weights if w.name == "bias")
    scales = sum(w.name.endswith("scale") for w in layer.weights)
    assert report.parameters == layer.count_params() - scales
    matrices = fixed_bits(getattr(layer, "stages", ()))  # of layers whose inner products are rounded
    assert report.weight_bytes == (5 * (report.parameters - biases) + 7 * biases + matrices) / 8


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("filters", [4, 9])
@pytest.mark.parametrize("inner_bits", [None, False])
def test_convolutions(kernel_size, filters, inner_bits):
    layer = ke.ACDCConv2D(
        filters, kernel_size, depth=2, strides=2, padding="same", kernel_bits=4, inner_bits=inner_bits
    )
    report = estimate_storage(_model(layer, (9, 8, 6)))
    scales = sum(w.name.endswith("scale") for w in layer.weights)
    assert report.parameters == layer.count_params() - scales
    assert report.layers[0].output_shape == (5, 4, filters)
    stack = 2 * min(layer_products(max(6, filters)), max(6, filters) ** 2)
    assert report.mult_adds == 5 * 4 * (stack + (9 * 6 if kernel_size == 3 else 0))
    as_description = [{"class_name": "ACDCConv2D", "config": layer.get_config()}]
    assert estimate_storage(as_description, (9, 8, 6)) == report


def test_products():
    assert layer_products(1024) == 4 * 1024 + 5 * 1024 * 10
    assert layer_products(1024, groups=4) == 4 * 1024 + 5 * 1024 * 8
    assert layer_products(784, "dct2d") == 2 * 784 + 2 * 784 * 56
    report = estimate_storage([{"class_name": "ACDCDense", "config": {"units": 10}}], (1024,))
    assert report.mult_adds == 12 * layer_products(1024)
    assert report.parameters == 12 * 3 * 1024
    linear = [{"class_name": "ACDCDense", "config": {"units": 10, "activation": None}}]
    assert estimate_storage(linear, (1024,)).mult_adds == 1024 * 10


def test_a_small_stack_by_hand():
    # Between layers two rows of 8 floats are alive; the input and the 4 outputs are less.
    description = [{"class_name": "ACDCDense", "config": {"units": 4, "depth": 2}}]
    assert estimate_storage(description, (8,)).activation_bytes == 2 * 8 * 4
    assert estimate_storage([{"class_name": "ACDC"}], (8,)).activation_bytes == 8 * 1 + 8 * 4


def test_groups_that_do_not_divide_are_refused():
    for name in ("ACDC", "BlockACDC"):
        with pytest.raises(ValueError, match="groups=3 must divide the inputs"):
            estimate_storage([{"class_name": name, "config": {"groups": 3}}], (8,))
