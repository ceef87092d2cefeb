"""DiagonalRates: larger steps and another decay for the factors, nothing else."""

import keras
import numpy as np
import pytest

import keras_efficient as ke


def _model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((6,)), ke.ACDCDense(6, depth=2), keras.layers.Dense(2)])


def _steps(optimizer):
    """The weights of the model before and after, by name, trained on noise."""
    model = _model()
    before = model.get_weights()
    random = np.random.default_rng(0)
    x, y = (random.normal(size=(8, n)).astype("float32") for n in (6, 2))
    model.compile(optimizer, "mse")
    model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    names = [weight.name for weight in model.weights]
    return names, [after - old for old, after in zip(before, model.get_weights(), strict=True)], before


@pytest.mark.parametrize(
    "make", [lambda: keras.optimizers.SGD(0.001, momentum=0.9), lambda: keras.optimizers.Adam(1e-4)]
)
def test_factors_move_so_many_times_further(make):
    names, plain, _ = _steps(make())
    _, scaled, _ = _steps(ke.DiagonalRates(make(), learning_rate=20))
    for name, a, b in zip(names, plain, scaled, strict=True):
        factor = 20 if name in "ad" else 1
        np.testing.assert_allclose(b, factor * a, rtol=0.02, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("weight_decay, expected", [("compression", 24 / 36), (0.5, 0.5), (0, 0)])
def test_weight_decay_of_the_factors(weight_decay, expected):
    rate, decay = 1e-2, 0.1
    plain = _steps(ke.DiagonalRates(keras.optimizers.SGD(rate), 3))
    decayed = _steps(ke.DiagonalRates(keras.optimizers.SGD(rate, weight_decay=decay), 3, weight_decay))
    for name, a, b, old in zip(plain[0], plain[1], decayed[1], plain[2], strict=True):
        share = 3 * expected if name in "ad" else 1
        np.testing.assert_allclose(b - a, -rate * decay * share * old, atol=1e-6, err_msg=name)


def test_trains_saves_and_goes_on_where_it_was(tmp_path):
    random = np.random.default_rng(0)
    x, y = (random.normal(size=(16, n)).astype("float32") for n in (6, 2))
    model = _model()
    schedule = keras.optimizers.schedules.ExponentialDecay(1e-3, 10, 0.9)
    model.compile(ke.DiagonalRates(keras.optimizers.AdamW(schedule, clipnorm=1.0), 10), "mse")
    losses = model.fit(x, y, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations) == 5
    assert again.optimizer.get_config() == model.optimizer.get_config()
    histories = [m.fit(x, y, epochs=2, shuffle=False, verbose=0).history["loss"] for m in (model, again)]
    np.testing.assert_allclose(*histories, rtol=1e-6)


def test_survives_the_stages_of_quantization():
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 16)).astype("float32")
    y = np.roll(x, 1, axis=1)
    keras.utils.set_random_seed(0)
    stack = ke.ACDCDense(16, depth=4, activation=None, kernel_bits=6, bias_bits=8, activation_bits=8)
    model = keras.Sequential([keras.Input((16,)), stack])
    model.compile(ke.DiagonalRates(keras.optimizers.Adam(1e-3), 20), "mse")
    losses = [model.evaluate(x, y, verbose=0)]
    for mode in ("float", "learn_scales", "freeze_scales"):
        ke.set_mode(model, mode)
        if mode == "learn_scales":
            ke.calibrate(model, model, x)
            assert all(np.isfinite(row["log2_scale"]) for row in ke.quantization.scale_table(model))
        if mode == "freeze_scales":
            ke.quantization.round_scales(model)
        assert type(model.optimizer) is ke.DiagonalRates
        losses.append(model.fit(x, y, epochs=20, batch_size=16, verbose=0).history["loss"][-1])
    assert losses[1] < losses[0] and losses[3] < losses[0]
    table = {row["weight"]: row["log2_scale"] for row in ke.quantization.scale_table(model)}
    assert list(table)[:3] == ["a_scale", "d_scale", "bias_scale"] and len(table) == len(stack.quantizers)
    assert all(value == round(value) for value in table.values())


def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match="`inner_optimizer` must be a Keras optimizer. Received: 'adam'"):
        ke.DiagonalRates("adam")
    with pytest.raises(ValueError, match="`learning_rate` must be a number of at least 0. Received: learning_rate=-1"):
        ke.DiagonalRates(keras.optimizers.SGD(), -1)
    with pytest.raises(ValueError, match="`weight_decay` must be a number of at least 0"):
        ke.DiagonalRates(keras.optimizers.SGD(), weight_decay="ratio")


def test_a_loss_scale_changes_nothing():
    _, plain, _ = _steps(ke.DiagonalRates(keras.optimizers.SGD(0.01)))
    _, scaled, _ = _steps(ke.DiagonalRates(keras.optimizers.SGD(0.01, loss_scale_factor=128.0)))
    for a, b in zip(plain, scaled, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-7)


def test_a_loss_scale_optimizer_goes_around():
    inner = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01))
    with pytest.raises(ValueError, match="goes around DiagonalRates, not into it"):
        ke.DiagonalRates(inner)


def test_variables_that_are_not_decayed_stay_so():
    model = _model()
    dense = model.layers[-1]
    inner = keras.optimizers.AdamW()
    inner.exclude_from_weight_decay(var_names=["kernel"])
    optimizer = ke.DiagonalRates(inner)
    optimizer.build(model.trainable_variables)
    assert [inner._use_weight_decay(weight) for weight in (dense.kernel, dense.bias)] == [False, True]
    optimizer = ke.DiagonalRates(keras.optimizers.AdamW())
    optimizer.exclude_from_weight_decay(var_list=[dense.bias])
    optimizer.build(model.trainable_variables)
    decayed = [optimizer.inner_optimizer._use_weight_decay(weight) for weight in (dense.kernel, dense.bias)]
    assert decayed == [True, False]


@pytest.mark.parametrize("overwrite", [None, 2])
def test_averages_are_those_of_the_whole_steps(overwrite):
    """With the same factor on all variables, the result is that of the optimizer alone at so many times its rate."""
    random = np.random.default_rng(0)
    x, y = (random.normal(size=(40, n)).astype("float32") for n in (6, 6))
    results = []
    for factor in (1, 8):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((6,)), ke.ACDC(bias=None)])
        inner = keras.optimizers.SGD(0.008 / factor, use_ema=True, ema_momentum=0.7, ema_overwrite_frequency=overwrite)
        model.compile(inner if factor == 1 else ke.DiagonalRates(inner, factor), "mse")
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        results.append(model.get_weights())
    for alone, wrapped in zip(*results, strict=True):
        np.testing.assert_allclose(wrapped, alone, rtol=1e-4)
