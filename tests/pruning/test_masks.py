"""Which weights go: exact counts, ties, structures, scopes."""

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.pruning import Blocks, Filters, update_masks
from keras_efficient.pruning.updates import keep_largest

L = keras.layers


def _layer(kernel, schedule, layer=None, **options):
    layer = ke.Prunable(layer or L.Dense(kernel.shape[-1]), schedule, **options)
    layer.build((None, *kernel.shape[:-1]))
    layer.kernels[0].variable.assign(kernel)
    return layer


def _mask(layer):
    return keras.ops.convert_to_numpy(layer.kernels[0].mask)


@pytest.mark.parametrize("zeros", [0, 1, 5, 6, 7, 10])
def test_ties_go_from_the_first_on(zeros):
    scores = np.array([1, 1, 0.5, 1, 1, 2, 0.5, 1, 1, 1], "float32")
    order = np.argsort(scores, kind="stable")
    expected = np.ones(10)
    expected[order[:zeros]] = 0
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(keep_largest(scores, np.ones(10), zeros)), expected)


def test_many_equal_weights_leave_an_exact_count():
    mask = keras.ops.convert_to_numpy(keep_largest(np.full(5000, 0.3, "float32"), np.ones(5000), 1234))
    np.testing.assert_array_equal(mask, np.arange(5000) >= 1234)


def test_what_is_dead_goes_first():
    mask = keep_largest(np.array([5.0, 1.0, 3.0, 2.0]), np.array([0, 1, 1, 1]), 2)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(mask), [0, 0, 1, 1])


@pytest.mark.parametrize("monotone", [True, False])
def test_what_is_gone_stays_gone_unless_masks_are_selected_anew(monotone):
    layer = _layer(np.array([[1.0, 2.0], [3.0, 4.0]]), ke.ConstantSparsity(0.5, frequency=1), monotone=monotone)
    update_masks(layer, 0)
    np.testing.assert_array_equal(_mask(layer), [[0, 0], [1, 1]])
    layer.kernels[0].variable.assign([[9.0, 8.0], [0.1, 0.2]])
    update_masks(layer, 1)
    np.testing.assert_array_equal(_mask(layer), [[0, 0], [1, 1]] if monotone else [[1, 1], [0, 0]])


def test_a_lower_sparsity_brings_nothing_back():
    layer = _layer(np.arange(1.0, 11.0).reshape(2, 5), ke.PolynomialDecay(0.8, 0.2, 0, 2, frequency=1))
    for step in range(3):
        update_masks(layer, step)
        assert layer.sparsity == pytest.approx(0.8)


def test_a_step_counts_once():
    layer = _layer(np.arange(1.0, 101.0).reshape(10, 10), ke.StepSparsity({1: 0.5}))
    assert [update_masks(layer, step) for step in (0, 1, 1, 2)] == [False, True, False, False]
    assert layer.sparsity == 0.5


def test_blocks_go_whole_by_their_mean():
    kernel = np.ones((4, 5))
    kernel[:2, 2:4] = 0.1
    kernel[2:, 4:] = 0.2  # at the edge: two weights instead of four
    layer = _layer(kernel, ke.ConstantSparsity(2 / 6), structure=Blocks(2))
    update_masks(layer, 0)
    np.testing.assert_array_equal(_mask(layer), kernel == 1)


@pytest.mark.parametrize(
    "make, shape, axes",
    [
        (lambda: L.Dense(6), (4, 6), (1,)),
        (lambda: L.Conv2D(6, 3), (3, 3, 2, 6), (3,)),
        (lambda: L.Conv2DTranspose(6, 3), (3, 3, 6, 2), (2,)),
        (lambda: L.DepthwiseConv2D(3, depth_multiplier=2), (3, 3, 3, 2), (2, 3)),
        (lambda: ke.ConvQ(6, 3), (3, 3, 2, 6), (3,)),
        (lambda: ke.DepthwiseConvQ(3, 2), (3, 3, 3, 2), (2, 3)),
        (lambda: ke.DenseQ(6), (4, 6), (1,)),
    ],
)
def test_filters_go_whole_with_their_bias(make, shape, axes):
    layer = ke.Prunable(make(), ke.ConstantSparsity(0.5), structure=Filters())
    layer.build((None, 4) if len(shape) == 2 else (None, 8, 8, 3 if axes == (2, 3) else 2))
    random = np.random.default_rng(0)
    kernel = random.normal(size=shape)
    layer.kernels[0].variable.assign(kernel)
    layer.layer.bias.assign(random.normal(size=6))
    update_masks(layer, 0)
    others = tuple(axis for axis in range(len(shape)) if axis not in axes)
    strength = np.abs(kernel).mean(axis=others).ravel()
    kept = strength >= np.sort(strength)[3]
    np.testing.assert_array_equal(_mask(layer).max(axis=others).ravel(), kept)
    np.testing.assert_array_equal(_mask(layer).min(axis=others).ravel(), kept)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer.kernels[0].bias_mask), kept)
    y = keras.ops.convert_to_numpy(
        layer(
            np.ones((1, 4) if len(shape) == 2 else (1, 8, 8, kernel.shape[-2]), "float32")
            if axes != (2,)
            else np.ones((1, 8, 8, 2), "float32")
        )
    )
    assert not y[..., ~kept].any() and y[..., kept].any()


def test_global_scope_counts_over_the_model():
    schedule = ke.ConstantSparsity(0.5)
    model = keras.Sequential([keras.Input((10,)), L.Dense(10, name="small"), L.Dense(10, name="large")])
    model.get_layer("small").kernel.assign(np.linspace(0.001, 0.1, 100).reshape(10, 10))
    model.get_layer("large").kernel.assign(np.linspace(0.09, 1, 100).reshape(10, 10))
    pruned = ke.prune_model(model, schedule, scope="global")
    update_masks(pruned, 0)
    values = np.concatenate([np.linspace(0.001, 0.1, 100), np.linspace(0.09, 1, 100)])
    masks = [_mask(layer) for layer in ke.pruning.prunable_layers(pruned)]
    np.testing.assert_array_equal(np.concatenate([mask.ravel() for mask in masks]), values >= np.sort(values)[100])
    apart = ke.prune_model(model, schedule)
    update_masks(apart, 0)
    assert [layer.sparsity for layer in ke.pruning.prunable_layers(apart)] == [0.5, 0.5]


@pytest.mark.parametrize("sparsity", [0.0, 0.05, 0.15, 0.31, 0.5, 0.67, 0.9, 1.0])
def test_the_count_is_exactly_the_rounded_one(sparsity):
    for size in (1, 3, 10, 30, 77):
        layer = _layer(np.ones((size, 1)), ke.ConstantSparsity(sparsity))
        update_masks(layer, 0)
        assert (_mask(layer) == 0).sum() == round(size * sparsity)
