"""Whole models: wrapping, training with the callback, files, stripping."""

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.layers.pruning.prunable import PrunedChannels
from keras_efficient.pruning import Filters, prunable_layers, update_masks

L = keras.layers


def _model(mode="learn_scales"):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8, 8, 2))
    x = L.Conv2D(6, 3, padding="same", name="conv")(inputs)
    x = L.BatchNormalization(name="norm")(x)
    skip = x = L.ReLU()(x)
    x = ke.ConvQ(6, 3, padding="same", activation="relu", mode=mode, name="convq")(x)
    x = L.Flatten()(L.Add()([x, skip]))
    x = keras.Sequential([L.Dropout(0.2), ke.DenseQ(8, mode=mode, name="denseq")], name="inner")(x)
    return keras.Model(inputs, L.Dense(3, name="dense")(x))


def _data():
    random = np.random.default_rng(0)
    return random.normal(size=(32, 8, 8, 2)).astype("float32"), random.integers(0, 3, 32)


def _compiled(model, **options):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, **options)
    return model


def _sparsities(model):
    return [layer.sparsity for layer in prunable_layers(model)]


def test_computes_the_same_before_the_first_update():
    model, (x, _) = _model(), _data()
    pruned = ke.prune_model(model, ke.ConstantSparsity(0.5, begin_step=2))
    names = [layer.layer.name for layer in prunable_layers(pruned)]
    assert names == ["conv", "convq", "denseq", "dense"]
    np.testing.assert_array_equal(pruned.predict(x, verbose=0), model.predict(x, verbose=0))
    update_masks(pruned, 0)
    np.testing.assert_array_equal(pruned.predict(x, verbose=0), model.predict(x, verbose=0))
    update_masks(pruned, 2)
    assert np.abs(pruned.predict(x, verbose=0) - model.predict(x, verbose=0)).max() > 1e-3


@pytest.mark.parametrize("jit", [False, True])
def test_sparsity_is_exact_after_training_saving_and_more_training(jit, tmp_path):
    if jit and keras.backend.backend() == "torch":
        pytest.skip("torch compiles with a C++ compiler only")
    x, y = _data()
    model = ke.prune_model(_model(), ke.PolynomialDecay(0.0, 0.75, 2, 10, frequency=4))
    _compiled(model, jit_compile=jit)
    callback = ke.PruningCallback()
    with pytest.warns(UserWarning, match="Training ended after 8 batches, before PolynomialDecay"):
        model.fit(x, y, epochs=2, batch_size=8, verbose=0, callbacks=[callback])
    counts = [sum(kernel.count for kernel in layer.kernels) for layer in prunable_layers(model)]
    half_way = 0.75 - 0.75 * 0.5**3
    assert _sparsities(model) == [pytest.approx(round(n * half_way) / n) for n in counts]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert [int(layer.step) for layer in prunable_layers(again)] == [8] * 4
    again.fit(x, y, epochs=1, batch_size=8, verbose=0, callbacks=[callback])  # passes step 10
    exact = [pytest.approx(round(0.75 * n) / n) for n in counts]
    assert _sparsities(again) == exact
    again.fit(x, y, epochs=1, batch_size=8, verbose=0)  # without the callback the masks hold, too
    stripped = ke.strip_pruning(again)
    assert not prunable_layers(stripped)
    kernels = [w for layer in stripped._flatten_layers() for w in layer.weights if w.name == "kernel"]
    kernels = list({id(w): keras.ops.convert_to_numpy(w) for w in kernels}.values())
    assert [np.mean(kernel == 0) for kernel in kernels] == exact
    np.testing.assert_allclose(stripped.predict(x, verbose=0), again.predict(x, verbose=0), atol=1e-6)
    stripped.save(tmp_path / "stripped.keras")
    plain = keras.saving.load_model(tmp_path / "stripped.keras")
    np.testing.assert_array_equal(plain.predict(x, verbose=0), stripped.predict(x, verbose=0))


def test_events_lie_before_the_batch_of_their_step():
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(_sparsities(self.model)[0])

    model = keras.Sequential([keras.Input((10,)), L.Dense(10, use_bias=False)])
    pruned = ke.prune_model(model, ke.StepSparsity({0: 0.1, 2: 0.5, 4: 0.2}))
    pruned.compile("sgd", "mse")
    x = np.ones((8, 10), "float32")
    # The watch sees what the callback before it has done: the event after each batch.
    pruned.fit(x, x, batch_size=2, verbose=0, callbacks=[ke.PruningCallback(), Watch()])
    assert seen == [pytest.approx(s) for s in (0.1, 0.55, 0.55, 0.64)]  # 10, + 45, + 9 of 100
    assert int(prunable_layers(pruned)[0].step) == 4


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras takes one batch an execution on torch")
def test_several_batches_an_execution():
    model = keras.Sequential([keras.Input((10,)), L.Dense(10)])
    pruned = ke.prune_model(model, ke.StepSparsity({1: 0.1, 2: 0.5}))
    pruned.compile("sgd", "mse", steps_per_execution=2)
    x = np.ones((16, 10), "float32")
    pruned.fit(x, x, batch_size=2, verbose=0, callbacks=[ke.PruningCallback()])
    assert _sparsities(pruned) == [0.55] and int(prunable_layers(pruned)[0].step) == 8


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    x, y = _data()
    keras.config.set_dtype_policy(policy)
    try:
        model = _compiled(ke.prune_model(_model(), ke.ConstantSparsity(0.5, frequency=1)))
    finally:
        keras.config.set_dtype_policy("float32")
    model.fit(x, y, batch_size=16, verbose=0, callbacks=[ke.PruningCallback()])
    assert _sparsities(model) == [0.5] * 4
    stripped = ke.strip_pruning(model)
    np.testing.assert_allclose(
        np.asarray(stripped.predict(x, verbose=0), "float32"),
        np.asarray(model.predict(x, verbose=0), "float32"),
        atol=0.02,
    )


def test_layers_are_chosen_by_name_object_and_function():
    model = _model()
    for layers in (
        ["conv", "denseq"],
        [model.get_layer("conv"), "denseq"],
        lambda layer: layer.name in ("conv", "denseq"),
    ):
        pruned = ke.prune_model(model, ke.ConstantSparsity(0.5), layers=layers)
        assert [layer.layer.name for layer in prunable_layers(pruned)] == ["conv", "denseq"]
    twice = ke.prune_model(pruned, ke.ConstantSparsity(0.9), layers="dense")
    update_masks(twice, 0)
    assert [round(layer.sparsity, 2) for layer in prunable_layers(twice)] == [0.5, 0.5, 0.92]  # round(21.6) of 24


def test_a_second_call_keeps_what_is_wrapped():
    pruned = ke.prune_model(_model(), ke.ConstantSparsity(0.5), layers=["conv"])
    update_masks(pruned, 0)
    x, _ = _data()
    twice = ke.prune_model(pruned, ke.ConstantSparsity(0.9))
    assert _sparsities(twice) == [0.5, 0, 0, 0]
    np.testing.assert_array_equal(twice.predict(x, verbose=0), pruned.predict(x, verbose=0))


def test_filters_take_the_channels_of_their_normalization_along():
    x, y = _data()
    pruned = _compiled(ke.prune_model(_model(), ke.ConstantSparsity(0.5, frequency=1), structure=Filters()))
    assert [layer.layer.name for layer in prunable_layers(pruned)] == ["conv", "convq", "denseq"]  # not the last one
    norm = next(layer for layer in pruned.layers if isinstance(layer, PrunedChannels))
    norm.layer.beta.assign(np.ones(6))
    pruned.fit(x, y, epochs=2, batch_size=8, verbose=0, callbacks=[ke.PruningCallback()])
    gone = prunable_layers(pruned)[0].kernels[0].alive() == 0
    assert gone.sum() == 3
    stripped = ke.strip_pruning(pruned)
    np.testing.assert_allclose(stripped.predict(x, verbose=0), pruned.predict(x, verbose=0), atol=1e-6)
    for model in (pruned, stripped):
        after = keras.Model(model.inputs[0], model.layers[3].output)(x)
        after = keras.ops.convert_to_numpy(after)
        assert not after[..., gone].any() and after[..., ~gone].any()


def _nested():
    body = keras.Sequential([keras.Input((8, 8, 2)), L.Conv2D(4, 3, name="c1"), L.BatchNormalization(), L.ReLU()])
    head = keras.Sequential([keras.Input((8,)), L.Dense(3, name="logits"), L.Softmax()])
    return keras.Sequential([keras.Input((8, 8, 2)), body, L.Flatten(), L.Dense(8, name="wide"), head])


def test_filters_in_models_inside_the_model():
    """The logits stay, also before a softmax; a normalization follows the filters before it."""
    pruned = ke.prune_model(_nested(), ke.ConstantSparsity(0.5), structure=Filters())
    assert {layer.layer.name for layer in prunable_layers(pruned)} == {"c1", "wide"}
    update_masks(pruned, 0)
    (norm,) = (layer for layer in pruned._flatten_layers() if isinstance(layer, PrunedChannels))
    assert keras.ops.convert_to_numpy(norm.mask).sum() == 2


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="no channels_first on TensorFlow's CPU")
def test_a_normalization_of_another_axis_is_left_alone():
    first = {"data_format": "channels_first"}
    layers = [L.Conv2D(4, 3, **first), L.BatchNormalization(axis=1), L.Conv2D(4, 3, **first), L.Flatten(), L.Dense(2)]
    model = keras.Sequential([keras.Input((2, 8, 8)), *layers])
    pruned = ke.prune_model(model, ke.ConstantSparsity(0.5), structure=Filters())
    update_masks(pruned, 0)
    assert not any(isinstance(layer, PrunedChannels) for layer in pruned.layers)


@pytest.mark.parametrize("mode", ["float", "learn_scales"])
@pytest.mark.parametrize("use_bias", [False, True])
def test_filters_take_a_folded_normalization_along(use_bias, mode):
    layer = ke.ConvQ(4, 3, use_bias=use_bias, mode=mode, batch_norm=L.BatchNormalization(), activation_bits=8)
    body = [ke.Prunable(layer, ke.ConstantSparsity(0.5), structure=Filters()), L.Flatten(), L.Dense(2)]
    model = keras.Sequential([keras.Input((8, 8, 2)), *body])
    random = np.random.default_rng(0)
    for weight in layer.variables:
        if "scale" not in weight.name:
            weight.assign(random.uniform(0.3, 1, weight.shape))
    update_masks(model, 0)
    (x, _), gone = _data(), body[0].kernels[0].alive() == 0
    y = keras.ops.convert_to_numpy(body[0](x))
    assert gone.sum() == 2 and not y[..., gone].any() and y[..., ~gone].any()
    stripped = ke.strip_pruning(model)
    np.testing.assert_allclose(stripped.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)
    small = ke.remove_filters(model)
    assert small.layers[0].filters == 2
    np.testing.assert_allclose(small.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)


@pytest.mark.filterwarnings("ignore:These layers stay float")
@pytest.mark.parametrize("structure", [None, Filters()])
@pytest.mark.parametrize("fold", [True, False])
def test_what_is_pruned_can_be_quantized(structure, fold):
    """Kernels that are split, with an activation of their own, and with and without bias before a normalization."""
    keras.utils.set_random_seed(3)
    layers = [L.Conv2D(6, 3, use_bias=False), L.BatchNormalization(), L.ReLU(), L.SeparableConv2D(4, 3)]
    layers += [L.BatchNormalization(), L.ReLU(), L.Flatten(), L.Dense(5, activation="tanh"), L.Dense(3)]
    pruned = ke.prune_model(
        keras.Sequential([keras.Input((8, 8, 2)), *layers]), ke.ConstantSparsity(0.5), None, structure
    )
    x, y = _data()
    _compiled(pruned).fit(x, y, epochs=1, verbose=0, callbacks=[ke.PruningCallback()])
    small = ke.quantize_model(pruned, 16, activation_bits=16, x=x, fold_batch_norm=fold, mode="float")
    np.testing.assert_allclose(small.predict(x, verbose=0), pruned.predict(x, verbose=0), atol=1e-5)
    ke.set_mode(small, "freeze_scales")
    stripped = ke.strip_pruning(small)
    np.testing.assert_allclose(stripped.predict(x, verbose=0), small.predict(x, verbose=0), atol=1e-5)
    zeros = sum(int((layer.get_weights()[0] == 0).sum()) for layer in stripped.layers if hasattr(layer, "kernel_bits"))
    assert zeros > 0.4 * sum(kernel.units.size for layer in prunable_layers(pruned) for kernel in layer.kernels)


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True")
def test_calibration_leaves_the_masked_weights_out():
    model = keras.Sequential([keras.Input((100,)), ke.DenseQ(10, mode="learn_scales")])
    kernel = np.full((100, 10), 1e-4)
    kernel[::10] = 0.5
    model.layers[0].kernel.assign(kernel)
    pruned = ke.prune_model(model, ke.ConstantSparsity(0.9))
    update_masks(pruned, 0)
    x = np.ones((4, 100), "float32")
    scales = []
    for each in (model, pruned):
        ke.calibrate(each, each, x, percentile=20)
        scales.append(float(ke.quantization.scale_variables(each)[0].value))
    assert scales[0] == pytest.approx(np.log2(1e-4), abs=0.01) and scales[1] == pytest.approx(-1.0)


@pytest.mark.parametrize("mode", ["float", "learn_scales"])
def test_a_grid_without_a_zero_is_not_stripped_when_it_rounds(mode):
    model = keras.Sequential([keras.Input((8,)), ke.DenseQ(3, kernel_bits=2, mode=mode)])
    pruned = ke.prune_model(model, ke.ConstantSparsity(0.5))
    x = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    ke.strip_pruning(pruned)
    update_masks(pruned, 0)
    if mode == "learn_scales":
        with pytest.raises(ValueError, match="whose kernel has 2 signed bits.* at least 3 bits"):
            ke.strip_pruning(pruned)
    else:
        stripped = ke.strip_pruning(pruned)
        np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (stripped(x), pruned(x))), atol=1e-6)


def test_wrong_arguments_are_refused():
    model, schedule = _model(), ke.ConstantSparsity(0.5)
    with pytest.raises(TypeError, match="`model` must be a built Functional or Sequential model"):
        ke.prune_model(L.Dense(3), schedule)
    with pytest.raises(TypeError, match="not built"):
        ke.prune_model(keras.Sequential([L.Dense(3)]), schedule)
    with pytest.raises(TypeError, match="`schedule` must be"):
        ke.prune_model(model, 0.5)
    with pytest.raises(ValueError, match="`layers` must hold layers of model .* Received: 'convolution'"):
        ke.prune_model(model, schedule, layers=["convolution"])
    with pytest.raises(ValueError, match="names 'norm' .* has no kernel.* Right would be some of"):
        ke.prune_model(model, schedule, layers=["norm"])
    with pytest.raises(ValueError, match="leaves no layer"):
        ke.prune_model(model, schedule, layers=[])
    with pytest.raises(ValueError, match="no Prunable layer for PruningCallback"):
        _compiled(model).fit(*_data(), verbose=0, callbacks=[ke.PruningCallback()])
