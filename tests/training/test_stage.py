"""`Stage`: defaults, schedule, optimizer, refusals."""

import keras
import pytest

import keras_efficient as ke


def test_defaults_are_the_studys():
    decays = [ke.Stage(mode, 1, 1).decay for mode in ("float", "learn_scales", "freeze_scales")]
    assert decays == [0.95, 0.98, 0.98]
    stage = ke.Stage("float", 50, 100)
    assert (stage.learning_rate, stage.batch_size, stage.min_learning_rate) == (0.005, 1024, 1e-4)


def test_learning_rate_falls_to_its_floor():
    stage = ke.Stage("float", 1, 100)
    assert stage.learning_rate_at(0) == 0.005
    assert stage.learning_rate_at(3) == pytest.approx(0.005 * 0.95**3)
    assert stage.learning_rate_at(99) == 1e-4
    assert ke.Stage("float", 1, 1, schedule=lambda epoch: 0.1 / (epoch + 1)).learning_rate_at(1) == 0.05


def test_optimizer_is_made_anew_with_the_stages_settings():
    stage = ke.Stage("float", 1, 1, optimizer=keras.optimizers.SGD(1.0, momentum=0.7), weight_decay=0.01)
    optimizer = stage.make_optimizer()
    assert isinstance(optimizer, keras.optimizers.SGD) and optimizer is not stage.optimizer
    assert (optimizer.momentum, optimizer.weight_decay) == (0.7, 0.01)
    assert float(keras.ops.convert_to_numpy(optimizer.learning_rate)) == pytest.approx(0.005)


@pytest.mark.parametrize("name", ["trials", "epochs", "batch_size"])
@pytest.mark.parametrize("value", [0, -1, 1.5, None, True])
def test_wrong_counts_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a positive integer. Received: {name}="):
        ke.Stage(**{"mode": "float", "trials": 1, "epochs": 1, name: value})


@pytest.mark.parametrize("name", ["learning_rate", "decay"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), "fast"])
def test_wrong_rates_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a positive number. Received: {name}="):
        ke.Stage("float", 1, 1, **{name: value})


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="`mode` must be one of"):
        ke.Stage("int8", 1, 1)


def test_what_keras_counts_is_not_described():
    """A resume in another process makes the optimizer under another name."""
    first, second = (keras.optimizers.Adam(0.1, beta_1=0.8) for _ in range(2))
    assert first.name != second.name
    described = [ke.Stage("float", 1, 1, optimizer=optimizer).describe() for optimizer in (first, second)]
    assert described[0] == described[1] and "'beta_1': 0.8" in described[0]["optimizer"]["config"]
    scaled = [keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()) for _ in range(2)]
    assert len({str(ke.Stage("float", 1, 1, optimizer=optimizer).describe()) for optimizer in scaled}) == 1
    other = ke.Stage("float", 1, 1, optimizer=keras.optimizers.Adam(0.1, beta_1=0.7)).describe()
    assert other != described[0]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: ke.DiagonalRates(inner, learning_rate=30, weight_decay=0.5),
        lambda inner: ke.RandomBases(inner, 5, redraw=0),
        lambda inner: keras.optimizers.LossScaleOptimizer(ke.DiagonalRates(inner)),
    ],
    ids=["DiagonalRates", "RandomBases", "LossScaleOptimizer"],
)
def test_settings_reach_the_innermost_optimizer(wrap):
    """`learning_rate` and `weight_decay` of DiagonalRates are factors, which stay."""
    given = wrap(keras.optimizers.AdamW(1.0, weight_decay=0.3))
    made = ke.Stage("float", 1, 1, learning_rate=0.02, weight_decay=0.01, optimizer=given).make_optimizer()
    configs = [given.get_config(), made.get_config()]
    while "inner_optimizer" in configs[0]:
        inner = [config.pop("inner_optimizer")["config"] for config in configs]
        assert configs[0] == configs[1]
        configs = inner
    assert (configs[1]["learning_rate"], configs[1]["weight_decay"]) == (pytest.approx(0.02), 0.01)


def test_names_that_are_not_decayed_are_copied():
    given = keras.optimizers.AdamW()
    given.exclude_from_weight_decay(var_names=["bias"])
    made = ke.Stage("float", 1, 1, optimizer=given).make_optimizer()
    assert not made._use_weight_decay(keras.Variable([0.0], name="bias"))


def _mean(y, predicted):
    return predicted


RIGHT = {
    "loss": [None, "mse", keras.losses.Huber(), _mean, {"class_name": "Huber", "config": {}}, ["mse", None]],
    "optimizer": ["sgd", keras.optimizers.SGD(), {"class_name": "SGD", "config": {"momentum": 0.5}}],
    "callbacks": [(), [keras.callbacks.TerminateOnNaN()], lambda: []],
    "schedule": [None, "cosine", lambda epoch: 0.1, keras.optimizers.schedules.CosineDecay(0.1, 5)],
}
WRONG = {
    "loss": [
        "nosuch",
        3,
        keras.losses.Huber,
        keras.optimizers.SGD(),
        {"class_name": "nosuch"},
        ["mse", "nosuch"],
        [],
        {},
    ],
    "optimizer": ["nosuch", None, 3, keras.optimizers.SGD, {"class_name": "SGD", "config": {"nosuch": 1}}, _mean],
    "callbacks": [None, "EarlyStopping", 3, keras.callbacks.TerminateOnNaN, [keras.callbacks.TerminateOnNaN], [3]],
    "schedule": ["linear", 3, lambda: 0.1, lambda epoch: "fast", lambda epoch: float("nan"), lambda epoch: -1.0],
    "teachers": [3, [3], {"a": 1}, b"x"],
    "patience": [0],
    "samples_per_epoch": [-1],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in RIGHT for value in RIGHT[name]])
def test_names_configurations_and_objects_are_taken(name, value):
    ke.Stage("float", 1, 2, **{name: value})


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_what_keras_would_not_find_is_refused_when_the_stage_is_made(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must .*Received: "):
        ke.Stage("float", 1, 2, distillation=0.5, **{name: value})
