"""Where floats cannot hold the integers, the integer model says so and stays exact."""

import numpy as np
import pytest
from export.odd_networks import sequential

import keras_efficient as ke
from keras_efficient.export.integer.floats import FORMATS, mean_is_exact
from keras_efficient.export.reference import keras_logits


def with_weights(model, seed=2):
    random = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(0.0 if weight.shape == () else random.normal(0, 1, weight.shape))
    ke.set_mode(model, "freeze_scales")
    return model


def compare(model):
    """(names of inexact layers, whether all logits are equal)"""
    images = np.random.default_rng(0).integers(0, 256, (40, *model.input_shape[1:]), dtype=np.uint8)
    integers = ke.export.IntegerModel(model)
    return integers.inexact_layers, np.array_equal(keras_logits(model, integers, images), integers.predict(images))


@pytest.mark.parametrize("size, exact", [(3, True), (5, True), (7, True), (8, True), (11, False)])
def test_means_whose_reciprocal_is_too_small_are_named(size, exact):
    """XLA turns a division by 121 into a product with 1 / 121, and 121 / 121 is then below 1."""
    names, equal = compare(with_weights(sequential((22, 22, 1), ke.AveragePoolingQ(size, 8, name="mean"))))
    assert names == (() if exact else ("mean",))
    assert equal or names


@pytest.mark.parametrize("count, bits, exact", [(15, 8, True), (41, 8, False), (9, 16, True), (300, 16, False)])
def test_counts_that_are_exact(count, bits, exact):
    assert mean_is_exact(count, 2**bits - 1, FORMATS["float32"]) == exact


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "float64"])
def test_half_precision(policy):
    """Sums beyond the digits are named; the smallest network is exact in all types."""
    # Torch and JAX draw no orthogonal kernels in half precision.
    common = {"dtype": policy, "kernel_initializer": "glorot_uniform"}
    wide = ke.ConvQ(4, 3, kernel_bits=8, activation_bits=8, name="wide", **common)
    names, equal = compare(with_weights(sequential((8, 8, 1), wide, ke.ActivationQ(4, dtype=policy))))
    assert equal or names
    assert ("wide" in names) == ("16" in policy)
    quantizer = ke.ActivationQ(2, signed=False, dtype=policy)
    tiny = ke.DenseQ(2, kernel_bits=2, bias_bits=2, **common)
    assert compare(with_weights(sequential((2,), quantizer, tiny))) == ((), True)


@pytest.mark.parametrize("number, name", [(2, "kernel"), (3, "bias"), (4, "activation")])
@pytest.mark.parametrize("scale", [-200.0, -126.0, -124.0, -60.0, 60.0, 126.0, 200.0])
def test_scales_beyond_float32_are_taken_and_named(number, name, scale):
    model = with_weights(sequential((6,), ke.DenseQ(4, name="far"), ke.DenseQ(3)))
    weights = model.layers[0].get_weights()
    weights[number] = np.float32(scale)
    model.layers[0].set_weights(weights)
    names, equal = compare(model)
    assert equal or names
    if abs(scale) > 120:
        assert "far" in names


def test_a_product_that_is_zero_needs_no_digits():
    model = with_weights(sequential((6,), ke.DenseQ(4)))
    kernel, bias, _, *scales = model.get_weights()
    model.set_weights([np.zeros_like(kernel), bias, np.float32(-60), *scales])
    assert compare(model) == ((), True)


def test_sums_beyond_the_largest_float_are_named():
    model = sequential((6,), ke.DenseQ(4, use_bias=False, name="far"))
    ke.set_mode(model, "freeze_scales")
    for scale, names in ((100.0, ()), (125.0, ("far",))):
        model.set_weights([np.full((6, 4), 2.0**scale), np.float32(scale), np.float32(0)])
        assert ke.export.IntegerModel(model).inexact_layers == names


def test_last_layers_in_every_policy():
    """The logits of a single layer are read beside its call, which would have cast the input."""
    model = with_weights(sequential((3,), ke.DenseQ(2, dtype="float16", kernel_initializer="zeros")))
    names, equal = compare(model)
    assert equal or names


@pytest.mark.parametrize("number, name", [(0, "kernel"), (1, "bias")])
@pytest.mark.parametrize(
    ("value", "scale", "bits", "named"),
    [
        (-1e-42, 0.0, 1, True),
        (-1e-42, 0.0, 2, True),
        (1e-42, 0.0, 2, False),  # 0 lies on the same side
        (0.0, 0.0, 1, False),
        (-1e-42, 0.0, 3, False),  # a grid with a zero
        (-1e-30, 0.0, 2, False),
        (-1e-30, 60.0, 2, True),  # in steps of the grid it is too small
        (-1e-42, -30.0, 2, True),
    ],
)
def test_signs_that_keras_may_lose_are_named(number, name, value, scale, bits, named):
    """Keras flushes numbers below the normal ones to 0: the code above 0 where a grid has no zero."""
    layer = ke.DenseQ(3, kernel_bits=bits, bias_bits=bits, name="tiny")
    model = with_weights(sequential((4,), layer, ke.DenseQ(2)))
    weights = layer.get_weights()
    weights[number][..., 0], weights[number + 2] = value, np.float32(scale)
    layer.set_weights(weights)
    names, equal = compare(model)
    assert names == (("tiny",) if named else ())
    assert equal or named
