"""remove_filters: smaller, and the same outputs."""

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.pruning import Filters, update_masks

L = keras.layers


def _randomized(model, seed=0):
    """Weights, biases and statistics that are all different from zero and one."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if "float" in weight.dtype and "scale" not in weight.name:
            low = 0.5 if "variance" in weight.name else -0.5
            weight.assign(random.uniform(low, 1, weight.shape))
    return model


def _silence(layer, filters, bias=True):
    kernel, *rest = layer.get_weights()
    kernel[..., filters] = 0
    if bias and layer.use_bias:
        rest[0][filters] = 0
    layer.set_weights([kernel, *rest])


def _check(model, expected_kernels, atol=1e-5):
    x = np.random.default_rng(1).normal(size=(4, *model.input_shape[1:])).astype("float32")
    small = ke.remove_filters(model)
    shapes = [tuple(w.shape) for w in small.weights if w.name == "kernel"]
    assert shapes == expected_kernels
    np.testing.assert_allclose(small.predict(x, verbose=0), model.predict(x, verbose=0), atol=atol, rtol=1e-5)
    return small


def _conv_net(padding="valid", last_padding="valid"):
    inputs = keras.Input((10, 10, 2))
    x = L.Conv2D(6, 3, padding=padding, name="first")(inputs)
    x = L.BatchNormalization(name="norm")(x)
    x = L.MaxPooling2D()(L.ReLU()(x))
    x = L.Conv2D(5, 3, padding=last_padding, activation="relu", name="second")(x)
    x = L.Dropout(0.5)(L.Flatten()(x))
    x = L.Dense(7, activation="tanh", name="dense")(x)
    return _randomized(keras.Model(inputs, L.Dense(3, name="last")(x)))


def test_a_filter_of_zeros_behind_its_normalization():
    model = _conv_net()
    _silence(model.get_layer("first"), [0, 3])
    _silence(model.get_layer("second"), [4])
    _silence(model.get_layer("dense"), [1, 2, 6])
    # The normalization makes constants of the zeros: they go into the bias of the second convolution.
    _check(model, [(3, 3, 2, 4), (3, 3, 4, 4), (4 * 4, 4), (4, 3)])


def test_the_bias_of_a_removed_filter_is_folded():
    model = _conv_net()
    _silence(model.get_layer("second"), [0, 2], bias=False)
    _silence(model.get_layer("dense"), [5], bias=False)
    assert model.get_layer("second").get_weights()[1][2] > 0
    _check(model, [(3, 3, 2, 6), (3, 3, 6, 3), (3 * 4, 6), (6, 3)])


def test_a_constant_before_padding_stays_and_a_zero_goes():
    model = _conv_net(last_padding="same")
    _silence(model.get_layer("first"), [0, 3])
    gamma, beta, mean, variance = model.get_layer("norm").get_weights()
    shift = beta - gamma * mean / np.sqrt(variance + 1e-3)
    beta += np.array([-abs(shift[0]) - 1, 0, 0, abs(shift[3]) + 1, 0, 0], "float32")
    model.get_layer("norm").set_weights([gamma, beta, mean, variance])
    _check(model, [(3, 3, 2, 5), (3, 3, 5, 5), (16 * 5, 7), (7, 3)])  # filter 0 is negative: cut off by the relu


def test_a_layer_keeps_at_least_one_filter():
    model = _conv_net()
    _silence(model.get_layer("first"), list(range(6)))
    small = _check(model, [(3, 3, 2, 1), (3, 3, 1, 5), (20, 7), (7, 3)])
    assert ke.remove_filters(small).count_params() == small.count_params()


def test_channels_that_meet_others_stay():
    inputs = keras.Input((8, 8, 2))
    skip = L.Conv2D(4, 1, name="skip")(inputs)
    x = L.Conv2D(4, 3, padding="same", name="inner")(skip)
    x = L.Add()([x, skip])
    x = L.Conv2D(6, 3, activation="relu", name="behind")(x)
    model = _randomized(keras.Model(inputs, L.Dense(3)(L.GlobalAveragePooling2D()(x))))
    for name in ("skip", "inner", "behind"):
        _silence(model.get_layer(name), [1])
    _check(model, [(1, 1, 2, 4), (3, 3, 4, 4), (3, 3, 4, 5), (5, 3)])


def test_two_readers_lose_the_same_channels():
    inputs = keras.Input((6,))
    hidden = L.Dense(5, name="hidden")(inputs)
    one, other = L.Dense(2)(L.ReLU()(hidden)), L.Dense(3)(hidden)
    model = _randomized(keras.Model(inputs, L.Concatenate()([one, other])))
    _silence(model.get_layer("hidden"), [4])
    _check(model, [(6, 4), (4, 2), (4, 3)])


def test_a_depthwise_convolution_goes_along():
    inputs = keras.Input((8, 8, 2))
    x = L.Conv2D(6, 1, name="first")(inputs)
    x = L.DepthwiseConv2D(3, name="thin")(x)
    model = _randomized(keras.Model(inputs, L.Conv2D(2, 1)(x)))
    _silence(model.get_layer("first"), [0])
    kernel, bias = model.get_layer("thin").get_weights()
    kernel[:, :, 5] = 0
    model.get_layer("thin").set_weights([kernel, bias])
    _check(model, [(1, 1, 2, 4), (3, 3, 4, 1), (1, 1, 4, 2)])


@pytest.mark.parametrize("mode", [None, "float", "freeze_scales"])
def test_filters_in_groups_and_those_before_them_stay(mode):
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            L.Conv2D(4, 3, name="a"),
            L.Conv2D(6, 2, groups=2, name="b"),
            L.Conv2D(3, 1),
            L.Flatten(),
        ]
    )
    for name in ("a", "b"):
        _silence(_randomized(model).get_layer(name), [1])
    if mode:
        model = ke.quantize_model(model, x=np.random.default_rng(0).normal(size=(8, 6, 6, 2)), mode=mode)
    _check(model, [(3, 3, 2, 4), (2, 2, 2, 6), (1, 1, 6, 3)])


def test_shared_and_last_layers_stay():
    inputs = keras.Input((4,))
    shared = L.Dense(4, name="shared")
    model = _randomized(keras.Model(inputs, L.Dense(3, name="last")(shared(shared(inputs)))))
    _silence(shared, [0])
    _silence(model.get_layer("last"), [0])
    _check(model, [(4, 4), (4, 3)])


@pytest.mark.parametrize("mode", ["float", "freeze_scales"])
def test_quantized_layers(mode):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            ke.ConvQ(4, 3, activation="relu", mode=mode, name="conv"),
            ke.DepthwiseConvQ(3, activation="relu", mode=mode),
            ke.AveragePoolingQ(2, mode=mode),
            L.Flatten(),
            ke.DenseQ(6, activation="relu", mode=mode, name="dense"),
            ke.DenseQ(3, mode=mode),
        ]
    )
    _randomized(model)
    # A bias would give a constant, which a quantized bias can not take up: these filters stay.
    _silence(model.get_layer("dense"), [0], bias=False)
    _silence(model.get_layer("conv"), [1])
    kernel, bias, *scales = model.layers[1].get_weights()
    bias[1] = 0
    model.layers[1].set_weights([kernel, bias, *scales])
    bias_is_seen = model.get_layer("dense").get_weights()[1][0] > 0.05
    units = 6 if bias_is_seen else 5
    _check(model, [(3, 3, 1, 3), (3, 3, 3, 1), (12, units), (units, 3)], atol=1e-6)


def test_filters_of_signals():
    body = [ke.Conv1DQ(4, 3, activation="relu", mode="freeze_scales", name="first"), L.Flatten(), L.Dense(3)]
    model = _randomized(keras.Sequential([keras.Input((8, 2)), *body]))
    model = ke.prune_model(model, ke.ConstantSparsity(0.5), structure=Filters())
    update_masks(model, 0)
    _check(model, [(3, 2, 2), (12, 3)])


def _quantized_net(per_channel, mode):
    inputs = keras.Input((10, 10, 2))
    x = L.Conv2D(6, 3, use_bias=False, name="first")(inputs)
    x = L.ReLU()(L.BatchNormalization(name="norm")(x))
    x = L.ReLU()(L.DepthwiseConv2D(3, name="thin")(x))
    x = L.AveragePooling2D(2)(L.BatchNormalization(name="lone")(x))
    x = L.GlobalAveragePooling2D()(L.Conv2D(5, 1, activation="relu", name="second")(x))
    model = _randomized(keras.Model(inputs, L.Dense(3, name="last")(x)))
    x = np.random.default_rng(2).normal(size=(16, 10, 10, 2)).astype("float32")
    quantized = ke.quantize_model(model, x=x, per_channel=per_channel, mode=mode)
    gone = np.isin(np.arange(6), [0, 3])
    for name in ("first", "thin", "second"):
        layer = quantized.get_layer(name)
        kernel, outputs = keras.ops.convert_to_numpy(layer.kernel), layer.output.shape[-1]
        layer.kernel.assign(np.where(gone[:, None] if name == "thin" else gone[:outputs], 0, kernel))
        bias = layer.bias if layer.use_bias else layer.batch_norm.beta
        bias.assign(np.where(gone[:outputs], -0.5 if layer.use_bias else 0, keras.ops.convert_to_numpy(bias)))
    lone = quantized.get_layer("lone").batch_norm
    for variable in (lone.beta, lone.moving_mean):
        variable.assign(np.where(gone, 0, keras.ops.convert_to_numpy(variable)))
    quantized.get_layer("first").batch_norm.moving_mean.assign(np.array([1, 0.5, 0.1, -1, 0.5, 0.1], "float32"))
    return quantized


@pytest.mark.parametrize("mode", ["float", "learn_scales"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_normalizations_and_scales_of_quantized_layers_go_along(per_channel, mode):
    """A filter of zeros in front gives -mean gain, which the relu or the thin kernel after it turns into 0."""
    model = _quantized_net(per_channel, mode)
    _check(model, [(3, 3, 2, 4), (3, 3, 4, 1), (4,), (1, 1, 4, 3), (3, 3)])


def test_half_of_the_filters_are_half_of_the_file(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            *(L.Conv2D(32, 3, padding="same"), L.BatchNormalization(), L.ReLU(), L.MaxPooling2D()),
            *(L.Conv2D(64, 3, padding="same"), L.BatchNormalization(), L.ReLU(), L.MaxPooling2D()),
            *(L.Flatten(), L.Dense(64, activation="relu"), L.Dense(10)),
        ]
    )
    x = np.random.default_rng(0).normal(size=(32, 16, 16, 1)).astype("float32")
    pruned = ke.prune_model(model, ke.ConstantSparsity(0.5), structure=Filters())
    update_masks(pruned, 0)
    for layer in pruned._flatten_layers():
        if isinstance(layer, L.BatchNormalization):
            layer.beta.assign(np.full(layer.beta.shape, 0.3))
    small = ke.remove_filters(pruned)
    expected = [(3, 3, 1, 16), (3, 3, 16, 32), (512, 32), (32, 10)]
    assert [tuple(w.shape) for w in small.weights if w.name == "kernel"] == expected
    np.testing.assert_allclose(small.predict(x, verbose=0), pruned.predict(x, verbose=0), atol=1e-6)
    sizes = []
    for each in (model, small):
        each.save_weights(tmp_path / "model.weights.h5")
        sizes.append((tmp_path / "model.weights.h5").stat().st_size)
    assert sizes[1] < 0.5 * sizes[0]


def test_wrong_models_are_refused():
    with pytest.raises(TypeError, match="`model` must be a built Functional or Sequential model"):
        ke.remove_filters(L.Dense(3))
