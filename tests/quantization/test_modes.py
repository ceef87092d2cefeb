"""`set_mode` reaches every layer, and a compiled model follows."""

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.quantization import quantized_layers, round_scales, scale_table
from keras_efficient.quantization.modes import named_layers


def _nested():
    inner = keras.Sequential([keras.Input((6, 6, 2)), ke.ConvQ(3, 3), keras.layers.Flatten(), ke.DenseQ(4)])
    inputs = keras.Input((5, 6, 6, 2))
    x = keras.layers.TimeDistributed(inner)(inputs)
    x = keras.layers.TimeDistributed(ke.ActivationQ())(x)
    return keras.Model(inputs, ke.DenseQ(3)(x))


def test_reaches_wrappers_and_nested_models():
    model = _nested()
    ke.set_mode(model, "learn_scales")
    layers = quantized_layers(model)
    assert sorted(type(layer).__name__ for layer in layers) == ["ActivationQ", "ConvQ", "DenseQ", "DenseQ"]
    assert {layer.mode for layer in layers} == {"learn_scales"}
    rows = [row.name for row in ke.support_report(model).rows]
    one, two, three, four = [name for name, _ in named_layers(model)]
    assert [one.rpartition("/")[0], two.rpartition("/")[0], three, four] == [rows[0], *rows] and one != two


@pytest.mark.parametrize("mode, trainable", [("float", 2), ("learn_scales", 5), ("freeze_scales", 2)])
def test_scales_train_in_learn_scales_only(mode, trainable):
    layer = ke.DenseQ(3)
    layer.build((None, 4))
    ke.set_mode(layer, mode)
    assert len(layer.trainable_weights) == trainable
    assert len(layer.weights) == 5
    layer.trainable = False
    assert not layer.trainable_weights
    layer.trainable = True
    assert len(layer.trainable_weights) == trainable


def test_compiled_functions_follow_the_mode():
    model = keras.Sequential([keras.Input((4,)), ke.DenseQ(3, kernel_bits=1)])
    model.compile("adam", "mse")
    x, y = np.random.default_rng(0).normal(size=(2, 16, 4)).astype("float32"), np.zeros((16, 3))
    x = x[0]
    before = model.predict(x, verbose=0)
    ke.set_mode(model, "freeze_scales")
    after = model.predict(x, verbose=0)
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after, keras.ops.convert_to_numpy(model(x)), atol=1e-6)
    for mode in ("learn_scales", "freeze_scales", "float"):
        ke.set_mode(model, mode)
        model.fit(x, y, verbose=0)  # without another `compile`


def test_frozen_scales_stay_under_momentum_and_decay():
    model = keras.Sequential([keras.Input((4,)), ke.DenseQ(3)])
    model.compile(keras.optimizers.AdamW(0.1, weight_decay=0.1), "mse")
    x, y = np.ones((8, 4), "float32"), np.full((8, 3), 9.0)
    ke.set_mode(model, "learn_scales")
    model.fit(x, y, epochs=3, verbose=0)
    learned = [row["log2_scale"] for row in scale_table(model)]
    assert any(learned)
    ke.set_mode(model, "freeze_scales")
    model.fit(x, y, epochs=3, verbose=0)
    assert [row["log2_scale"] for row in scale_table(model)] == learned


def test_round_scales_keeps_the_outputs():
    layer = ke.DenseQ(3, mode="freeze_scales")
    model = keras.Sequential([keras.Input((4,)), layer])
    for quantizer, value in zip(layer.quantizers, (0.4999, -1.5001, 2.2), strict=True):
        quantizer.scale.assign(value)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    before = keras.ops.convert_to_numpy(model(x))
    round_scales(model)
    assert [row["log2_scale"] for row in scale_table(model)] == [0, -2, 2]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(x)), before)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="`mode` must be one of .* Received: mode='int8'"):
        ke.set_mode(ke.DenseQ(2), "int8")
    with pytest.raises(TypeError, match="`model` must be a Keras model or layer. Received"):
        ke.set_mode("model", "float")


def _double(y_true, y_pred):
    return keras.ops.mean(2 * keras.ops.square(y_true - y_pred))


class OwnOptimizer(keras.optimizers.SGD):
    pass


def test_compiled_settings_need_not_be_registered():
    model = keras.Sequential([keras.Input((4,)), ke.DenseQ(3)])
    model.compile(OwnOptimizer(0.25, momentum=0.5), _double, metrics=[lambda y, p: keras.ops.mean(p)])
    loss = model.loss
    ke.set_mode(model, "learn_scales")
    assert isinstance(model.optimizer, OwnOptimizer) and model.optimizer.momentum == 0.5 and model.loss is loss
    model.fit(np.ones((8, 4), "float32"), np.zeros((8, 3), "float32"), verbose=0)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.layer = ke.DenseQ(3)

    def call(self, x):
        return self.layer(x)


@pytest.mark.filterwarnings("ignore:Gradients do not exist for variables .*_scale")  # of float mode
def test_a_subclassed_model_trains_after_the_switch():
    model = Subclassed()
    model(np.zeros((1, 4), "float32"))
    model.compile("adam", "mse")
    for mode in ("learn_scales", "freeze_scales", "float"):
        ke.set_mode(model, mode)
        model.fit(np.ones((8, 4), "float32"), np.zeros((8, 3), "float32"), verbose=0)


def test_the_same_mode_again_keeps_the_optimizer():
    model = keras.Sequential([keras.Input((4,)), ke.DenseQ(3)])
    model.compile("adam", "mse")
    model.fit(np.ones((8, 4), "float32"), np.zeros((8, 3), "float32"), verbose=0)
    optimizer = model.optimizer
    ke.set_mode(model, "float")
    assert model.optimizer is optimizer and int(keras.ops.convert_to_numpy(optimizer.iterations)) == 1


def test_weight_decay_exclusions_survive():
    layer = ke.DenseQ(3, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((4,)), layer])
    optimizer = keras.optimizers.SGD(1.0, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[layer.kernel])
    model.compile(optimizer, "mse")
    ke.set_mode(model, "freeze_scales")
    zeros = np.zeros((8, 4), "float32")
    model.fit(zeros, model.predict(zeros, verbose=0), verbose=0)  # no gradient: only decay could move the kernel
    np.testing.assert_array_equal(layer.get_weights()[0], 1.0)


@pytest.mark.parametrize("wrap", [lambda inner: inner, ke.DiagonalRates, keras.optimizers.LossScaleOptimizer])
@pytest.mark.parametrize("by", ["name", "variable"])
def test_all_weight_decay_exclusions_survive(wrap, by):
    layer = ke.DenseQ(3)
    model = keras.Sequential([keras.Input((4,)), layer])
    inner = keras.optimizers.AdamW()
    inner.exclude_from_weight_decay(**({"var_names": ["bias"]} if by == "name" else {"var_list": [layer.bias]}))
    model.compile(wrap(inner), "mse")
    ke.set_mode(model, "learn_scales")
    copied = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    assert copied is not inner
    assert [copied._use_weight_decay(weight) for weight in (layer.kernel, layer.bias)] == [True, False]
