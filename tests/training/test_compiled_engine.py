"""The compiled engine computes what Keras computes, bit for bit the same every time, or leaves it to Keras."""

import concurrent.futures
import contextlib
import json
import shutil
import warnings

import keras
import numpy as np
import pytest
from samples import STUDY, result_without_clocks

import keras_efficient as ke
from keras_efficient.training.driver import train_until
from keras_efficient.training.engine_choice import reason_against_stages
from keras_efficient.training.engines import EngineError, make_engine
from keras_efficient.training.engines.compiled import CompiledEngine, library
from keras_efficient.training.network_source import NetworkSource

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="the compiled engine needs a C compiler"
)
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="compared with TensorFlow's automatic differentiation"
)
_MODES = ("float", "learn_scales", "freeze_scales")


def _layer(class_name, **config):
    return {"class_name": class_name, "config": config}


def _norm(**config):
    norm = keras.saving.serialize_keras_object(keras.layers.BatchNormalization(**config))
    return {"batch_norm": norm, "frozen_statistics": True}


def _signals():
    softmax = keras.layers.Activation("softmax")
    layers = [
        ke.InputQ(),
        ke.Conv1DQ(5, 4, padding="causal", activation="relu", per_channel=True),
        keras.layers.MaxPooling1D(3, 2, padding="same"),
        ke.DepthwiseConv1DQ(3, strides=2, padding="same"),
        ke.Conv1DQ(6, 3, padding=(2, 0), activation_bits=6),
        keras.layers.Flatten(),
        ke.DenseQ(4, activation_bits=8),
    ]
    return keras.Sequential([keras.Input((23, 3)), *layers, softmax])


_HEAD = ["S", 4, 4, 8, 8]
_NETWORKS = {
    "the study's": ([["A", 2, 4], ["C", 5, 3, 4, 8, 4], ["C", 8, 3, 4, 8, 4], ["M", 2, 4], _HEAD], (16, 16, 1)),
    "wide": ([["C", 9, 3, 4, 8, 4], ["C", 17, 1, 3, 6, 5], ["M", 2, 4], ["F", 26, 4, 8, 4], _HEAD], (9, 9, 2)),
    "strides and same": (
        [
            _layer("ConvQ", filters=3, kernel_size=[5, 2], strides=[2, 1], padding="same", activation="relu"),
            _layer("ConvQ", filters=4, kernel_size=[2, 3], strides=[1, 3], padding="valid", activation_bits=6),
            _layer("MaxPooling2D", pool_size=[3, 2], strides=[2, 1], padding="same"),
            _HEAD,
        ],
        (11, 12, 2),
    ),
    "depthwise": (
        [
            ["T", 2, 3, 4, 8, 6],
            _layer("DepthwiseConvQ", kernel_size=[2, 3], strides=[1, 2], padding="same", activation_bits=5),
            ["DSC", 5, 2, 4, 8, 4],
            _HEAD,
        ],
        (8, 9, 3),
    ),
    "residual": ([["R", 4, 8, 4], ["C", 4, 3, 4, 8, 4], ["R", 4, 8, 5], ["M", 2, 4], _HEAD], (7, 7, 3)),
    "few bits": (
        [["C", 4, 3, 1, 2, 1], ["Q", 2], ["CN", 5, 2, 2, 1, 2], ["Q", 1], ["F", 7, 2, 2, 2], ["S", 4, 3, 2, 2]],
        (8, 8, 1),
    ),
    "many bits": ([["C", 4, 3, 8, 12, 8], ["CN", 3, 3, 7, 16, 12], ["S", 4, 8, 16, 16]], (8, 8, 1)),
    "vectors": (
        [["Q", 6], ["F", 12, 4, 8, 4], _layer("Activation", activation="linear"), ["Q", 4], _HEAD],
        (10,),
    ),
    "no bias": (
        [
            _layer("ConvQ", filters=4, kernel_size=3, use_bias=False),
            _layer("Activation", activation="relu"),
            _layer("AveragePoolingQ", pool_size=[2, 3], strides=[3, 2], padding="same", bits=5),  # windows overlap
            _layer("DepthwiseConvQ", kernel_size=2, use_bias=False, signed_output=False),
            _layer("Flatten"),
            _layer("DenseQ", units=4, use_bias=False, activation_bits=8, signed_output=True),
        ],
        (12, 11, 2),
    ),
    "a scale a filter": (
        [
            _layer("ConvQ", filters=5, kernel_size=3, per_channel=True, activation="relu", padding=[[1, 0], [2, 1]]),
            _layer("DepthwiseConvQ", kernel_size=2, depth_multiplier=2, per_channel=True, kernel_bits=2),
            _layer("Flatten"),
            _layer("DenseQ", units=4, per_channel=True, activation_bits=8),
        ],
        (6, 7, 2),
    ),
    "folded": (
        [
            _layer("ConvQ", filters=6, kernel_size=3, activation="relu", per_channel=True, **_norm()),
            _layer("DepthwiseConvQ", kernel_size=2, depth_multiplier=2, use_bias=False, **_norm(scale=False)),
            _layer("Flatten"),
            _layer("DenseQ", units=9, activation="relu", **_norm(center=False, epsilon=0.01)),
            _HEAD,
        ],
        (6, 6, 1),
    ),
    "signals": (_signals, (23, 3)),
    "unsigned logits": (
        [["C", 4, 3, 4, 8, 4], _layer("Flatten"), _layer("DenseQ", units=4, signed_output=False)],
        (6, 6, 1),
    ),
}  # fmt: skip


def _data(shape, samples=53, classes=4, seed=0):
    random = np.random.default_rng(seed)
    x = random.integers(0, 256, (samples, *shape)).astype("float32") / 256
    return x, random.integers(0, classes, samples)


def _model(config, shape, mode, seed=0):
    """A network in `mode` with biases, and with scales that let some codes of every quantizer saturate."""
    keras.utils.set_random_seed(seed)
    model = config() if callable(config) else ke.build_network(config, shape)
    random = np.random.default_rng(seed)
    for layer in ke.quantization.quantized_layers(model):
        for quantizer in layer.quantizers:
            if quantizer.weight is not None and len(quantizer.weight.shape) == 1:
                quantizer.weight.assign(random.normal(0.05, 0.1, quantizer.weight.shape))
        norm = getattr(layer, "batch_norm", None)
        for variable in () if norm is None else norm.variables:
            factor = variable.name in ("gamma", "moving_variance")
            variable.assign(random.uniform(*((0.5, 1.5) if factor else (-0.2, 0.2)), variable.shape))
    ke.set_mode(model, "learn_scales")
    ke.calibrate(model, model, _data(shape, 200, seed=1)[0])
    for scale in ke.quantization.scale_variables(model):
        scale.assign(scale - random.uniform(0.0, 1.2, scale.shape))
    ke.set_mode(model, mode)
    return model


def _engine(model, data, batch_size=16, optimizer=None, threads=None, engine="compiled"):
    x, y = data
    loss = "categorical_crossentropy" if y.ndim == 2 else "sparse_categorical_crossentropy"
    optimizer = optimizer or keras.optimizers.Adam(0.003)
    made = make_engine(model, optimizer, loss, (x, y, x, y), batch_size, (), engine)
    made.set_callbacks([])
    if threads:
        made.threads = threads
    return made


def _keras_gradients(model, x, y, forward=None):
    import tensorflow as tf

    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        outputs = (forward or model)(x)
        one_hot = keras.ops.one_hot(y, outputs.shape[-1]) if y.ndim == 1 else y
        loss = keras.ops.mean(keras.losses.categorical_crossentropy(one_hot, outputs))
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    return float(loss), {v.path: np.array(g) for v, g in zip(variables, gradients, strict=True)}


def _gradients(engine, order):
    """Mean loss over the given samples, and its gradients in the order of the engine's variables."""
    loss, vector = engine._call(order, len(order), engine.weights.read())
    parts = zip(engine.weights.variables, np.split(vector, engine.weights.places[1:-1]), strict=True)
    return loss / len(order), [part.reshape(variable.shape) for variable, part in parts]


def _check_gradients(engine, expected, order):
    _, gradients = _gradients(engine, order)
    found = {v.path: g for v, g in zip(engine.weights.variables, gradients, strict=True)}
    # A scale's gradient is a sum of many terms of both signs: what counts is the size of such sums.
    scales = max((np.abs(g).max() for path, g in expected.items() if path.endswith("scale")), default=0)
    assert expected
    for path, gradient in expected.items():
        size = scales if path.endswith("scale") else np.abs(gradient).max()
        np.testing.assert_allclose(found[path], gradient, rtol=1e-5, atol=1e-5 * size, err_msg=path)


@on_tensorflow
@pytest.mark.parametrize("mode", _MODES)
@pytest.mark.parametrize("name", _NETWORKS)
def test_gradients_are_those_of_keras(name, mode):
    config, shape = _NETWORKS[name]
    x, y = _data(shape)
    model = _model(config, shape, mode)
    engine = _engine(model, (x, y))
    order = np.random.default_rng(0).permutation(len(x))[:45]
    loss, expected = _keras_gradients(model, x[order], y[order])
    assert _gradients(engine, order)[0] == pytest.approx(loss, rel=1e-6)
    _check_gradients(engine, expected, order)


@pytest.mark.parametrize("mode", _MODES)
@pytest.mark.parametrize("name", _NETWORKS)
def test_logits_are_those_of_keras(name, mode):
    config, shape = _NETWORKS[name]
    data = _data(shape, 70)
    model = _model(config, shape, mode)
    expected = keras.Model(model.inputs, model.layers[-2].output).predict(data[0], verbose=0)
    found = _engine(model, data).logits()
    if mode == "float":
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    else:
        np.testing.assert_array_equal(found, expected)


def test_a_model_of_ones_own_is_taken_once_it_is_quantized():
    layers = keras.layers
    convolution = [layers.Conv2D(5, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU()]
    dense = [layers.Flatten(), layers.Dropout(0.1), layers.Dense(4, activation="softmax")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *convolution, layers.MaxPooling2D(), *dense])
    x, y = data = _data((8, 8, 1))
    model = ke.quantize_model(model, x=x)
    engine = _engine(model, data)
    expected = keras.Model(model.inputs, model.layers[-2].output).predict(x, verbose=0)
    np.testing.assert_array_equal(engine.logits(), expected)
    assert engine.train_epoch(np.arange(len(x))) > engine.train_epoch(np.arange(len(x)))


@on_tensorflow
@pytest.mark.parametrize("mode", ["float", "learn_scales"])
def test_gradients_of_soft_labels(mode):
    config, shape = _NETWORKS["the study's"]
    x, y = _data(shape)
    soft = (0.5 * np.eye(4)[y] + 0.125).astype("float32")
    model = _model(config, shape, mode)
    order = np.arange(len(x))
    _check_gradients(_engine(model, (x, soft)), _keras_gradients(model, x, soft)[1], order)


@pytest.mark.parametrize("optimizer", [keras.optimizers.Adam(0.002, epsilon=1e-3), keras.optimizers.AdamW(0.002)])
@pytest.mark.parametrize("mode", ["float", "freeze_scales"])
def test_epochs_in_the_same_order_are_those_of_keras(mode, optimizer):
    config, shape = _NETWORKS["the study's"]
    data = _data(shape, 200)
    ours, theirs = (_model(config, shape, mode) for _ in range(2))
    if mode == "freeze_scales":  # a weight that crosses a rounding boundary a step too early changes all that follows
        data = tuple(array[:64] for array in data)
    engines = [
        _engine(model, data, 64, type(optimizer).from_config(optimizer.get_config()), engine=name)
        for model, name in ((ours, "compiled"), (theirs, "keras"))
    ]
    for epoch in range(2):
        order = np.random.default_rng(epoch).permutation(len(data[0]))
        losses = [engine.train_epoch(order) for engine in engines]
        assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    for a, b in zip(*(engine.optimizer.variables for engine in engines), strict=True):
        a, b = map(keras.ops.convert_to_numpy, (a, b))
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5, err_msg="state of the optimizer")


@pytest.mark.parametrize("mode", _MODES)
@pytest.mark.parametrize("one_hot", [False, True])
def test_evaluation_is_that_of_keras(mode, one_hot):
    config, shape = _NETWORKS["the study's"]
    x, y = _data(shape, 150)
    data = (x, np.eye(4, dtype="float32")[y]) if one_hot else (x, y)
    model = _model(config, shape, mode)
    expected_loss, expected = _engine(model, data, engine="keras").evaluate()
    loss, outputs = _engine(model, data).evaluate()
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


@pytest.mark.parametrize("mode", ["float", "learn_scales"])
def test_the_same_bits_every_time_and_with_any_number_of_threads(mode):
    x, y = _data((28, 28, 1), 700, 10)

    def run(threads):
        model = _model(STUDY, (28, 28, 1), mode)
        engine = _engine(model, (x, y), 333, threads=threads)
        losses = [engine.train_epoch(np.random.default_rng(epoch).permutation(len(x))) for epoch in range(2)]
        return [*losses, engine.evaluate()[0], *model.get_weights()]

    expected = run(1)
    for threads in (1, 2, 2, 5):
        for a, b in zip(run(threads), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_thread_count_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv("KERAS_EFFICIENT_THREADS", raising=False)
    assert library.threads() >= 1
    monkeypatch.setenv("KERAS_EFFICIENT_THREADS", "3")
    assert _engine(_model(*_NETWORKS["vectors"], "float"), _data((10,))).threads == 3
    for wrong in ("0", "two", "-1"):
        monkeypatch.setenv("KERAS_EFFICIENT_THREADS", wrong)
        with pytest.raises(ValueError, match="KERAS_EFFICIENT_THREADS must be a positive integer. Received"):
            library.threads()


def _mix(v):
    v = np.uint32(v)
    v ^= v >> np.uint32(16)
    v *= np.uint32(0x7FEB352D)
    v ^= v >> np.uint32(15)
    v *= np.uint32(0x846CA68B)
    return v ^ (v >> np.uint32(16))


def _masks(layer, step, images, cells):
    seed, counter = keras.ops.convert_to_numpy(layer.seed_generator.state).astype(np.int64) & 0xFFFFFFFF
    with np.errstate(over="ignore"):
        key = _mix(np.array([counter + step], dtype="uint32")) + np.uint32(seed)
        hashes = _mix(_mix(np.arange(images * cells, dtype="uint32")) ^ key) >> np.uint32(8)
    return (hashes >= layer.rate * 2**24).reshape(images, cells) / np.float32(1 - layer.rate)


@on_tensorflow
@pytest.mark.parametrize("mode", ["float", "learn_scales"])
def test_dropout(mode):
    config = [["F", 40, 4, 8, 4], ["D", 0.3, 4], _HEAD]
    x, y = _data((10,), 50)
    model = _model(config, (10,), mode)
    dense, dropout, head, softmax = model.layers[-4:]
    masks = _masks(dropout, 0, len(x), 40).astype("float32")
    assert abs((masks > 0).mean() - 0.7) < 0.03
    _, expected = _keras_gradients(model, x, y, lambda x: softmax(head(dense(x) * masks)))
    engine = _engine(model, (x, y), len(x))
    _check_gradients(engine, expected, np.arange(len(x)))
    later = _masks(dropout, 1, len(x), 40)
    assert 0.3 < (masks != later).mean() < 0.55
    engine.train_epoch(np.arange(len(x)))
    np.testing.assert_array_equal(_masks(dropout, 0, len(x), 40), later)
    np.testing.assert_array_equal(engine.logits(), engine.logits())  # none in evaluation


def test_layers_that_do_not_train_stay():
    config, shape = _NETWORKS["the study's"]
    data = _data(shape)
    model = _model(config, shape, "learn_scales")
    frozen = next(layer for layer in model.layers if isinstance(layer, ke.ConvQ))
    frozen.trainable = False
    before = frozen.get_weights(), model.layers[-2].get_weights()
    _engine(model, data).train_epoch(np.arange(len(data[0])))
    after = frozen.get_weights(), model.layers[-2].get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before[0], after[0], strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(before[1], after[1], strict=True))


def test_scales_do_not_decay():
    config, shape = _NETWORKS["vectors"]
    data = _data(shape)
    ours, theirs = (_model(config, shape, "learn_scales") for _ in range(2))
    for model, name in ((ours, "compiled"), (theirs, "keras")):
        optimizer = keras.optimizers.Adam(1e-3, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_list=ke.quantization.scale_variables(model))
        _engine(model, data, len(data[0]), optimizer, engine=name).train_epoch(np.arange(len(data[0])))
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


# --- train_network -----------------------------------------------------------------------------------------------

_DIGITS = [["C", 4, 3, 4, 8, 4], ["M", 2, 4], ["D", 0.1, 4], ["S", 10, 4, 8, 8]]


@pytest.fixture(scope="module")
def digits():
    x_train, y_train, x_val, y_val, x_test, y_test = ke.datasets.load_dataset("digits").arrays()
    return x_train[:300], y_train[:300], x_val[:100], y_val[:100], x_test[:50], y_test[:50]


def _train(directory, data, engine="compiled", config=_DIGITS, modes=("float", "learn_scales"), **settings):
    stages = [ke.Stage(mode, 2, 2, batch_size=64, **settings) for mode in modes]
    return ke.train_network(config, data, stages, directory, seed=3, verbose=False, engine=engine)


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    directory = tmp_path_factory.mktemp("compiled") / "run"
    return _train(directory, digits), directory


def test_a_run_leaves_the_files_of_any_run(run, digits, tmp_path):
    selection, directory = run
    _train(tmp_path, digits, engine="keras")
    assert {p.relative_to(directory) for p in directory.rglob("*")} == {
        p.relative_to(tmp_path) for p in tmp_path.rglob("*")
    }
    ours, theirs = (json.loads((folder / "result.json").read_text()) for folder in (directory, tmp_path))
    assert ours.keys() == theirs.keys() and (ours["engine"], theirs["engine"]) == ("compiled", "keras")
    model = keras.saving.load_model(selection.best.path)
    accuracy = (model.predict(digits[4], verbose=0).argmax(1) == digits[5]).mean()
    assert accuracy == pytest.approx(selection.best.test_accuracy)


def test_the_same_arguments_give_the_same_result(run, digits, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_EFFICIENT_THREADS", "1")
    _train(tmp_path, digits)
    assert result_without_clocks(tmp_path) == result_without_clocks(run[1])


def test_an_interrupted_run_continues(run, digits, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run[1], copy)
    for name in ("result.json", "best.keras", "stages/1_learn_scales/trial_001/trial.json"):
        (copy / name).unlink()
    shutil.rmtree(copy / "stages/1_learn_scales/trial_000")
    _train(copy, digits)
    assert result_without_clocks(copy) == result_without_clocks(run[1])


@contextlib.contextmanager
def _in_silence():
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Keras trains")
        yield


def test_a_run_is_continued_by_the_engine_that_began_it(run, digits, tmp_path):
    with pytest.raises(ValueError, match="engine is 'compiled' there and 'keras' here"):
        _train(run[1], digits, engine="keras")
    _train(tmp_path, digits, engine="keras")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest.pop("engine") == "keras"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))  # as before there were engines to choose from
    with _in_silence():
        _train(tmp_path, digits, engine="auto")
    with pytest.warns(UserWarning, match="Keras trains, .*: the run in '.*' was begun with it"):
        _train(tmp_path, digits)


@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_auto_goes_on_with_a_trial_where_it_was(run, digits, tmp_path, engine):
    directory = run[1] if engine == "compiled" else tmp_path / "whole"
    if engine == "keras":
        _train(directory, digits, engine=engine)
    stages = [ke.Stage(mode, 2, 2, batch_size=64) for mode in ("float", "learn_scales")]
    paused = train_until(1, _DIGITS, digits, stages, tmp_path / "parts", seed=3, engine=engine)
    assert [trial.status for trial in paused] == ["paused"] * 2
    with _in_silence():
        ke.train_network(_DIGITS, digits, stages, tmp_path / "parts", seed=3, verbose=False)
    assert result_without_clocks(tmp_path / "parts") == result_without_clocks(directory)


def test_a_run_that_cannot_go_on_with_its_engine_says_so(run, digits, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(run[1], copy)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _train(copy, digits).best.val_loss == run[0].best.val_loss  # a finished run is only read
    shutil.rmtree(copy / "stages/1_learn_scales/trial_000")
    (copy / "result.json").unlink()
    with pytest.raises(EngineError, match="The engine of this run, 'compiled', cannot be used here: no C compiler"):
        _train(copy, digits)


class _WorkersWithoutCompiler(concurrent.futures.ThreadPoolExecutor):
    def submit(self, function, /, *arguments):
        return super().submit(self._call, function, *arguments)

    def _call(self, function, *arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", "/nowhere")
            return function(*arguments)


def test_a_worker_without_the_engine_fails_its_trial(digits, tmp_path):
    stages = [ke.Stage("float", 2, 1, batch_size=64)]
    with _WorkersWithoutCompiler(1) as executor, pytest.raises(ValueError, match="All 2 trials .*: no C compiler"):
        ke.train_network(_DIGITS, digits, stages, tmp_path, executor, verbose=False, engine="compiled")
    assert json.loads((tmp_path / "manifest.json").read_text())["engine"] == "compiled"
    records = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("stages/*/*/trial.json"))]
    assert [record["status"] for record in records] == ["failed"] * 2
    assert len({record["seed"] for record in records}) == 2 and "no C compiler" in records[1]["reason"]


def test_an_unknown_engine_touches_nothing(digits, tmp_path):
    with pytest.raises(ValueError, match="`engine` must be one of .* Received: engine='cuda'"):
        _train(tmp_path / "run", digits, engine="cuda")
    assert not (tmp_path / "run").exists()


def test_callbacks_of_epochs_are_called(digits, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.001

        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    config = [["A", 2, 4], *_DIGITS[:1], _DIGITS[-1]]
    selection = _train(tmp_path, digits, config=config, callbacks=lambda: [Stop()])
    history = selection.stages[1][1].history
    assert len(history["loss"]) == 1 and history["learning_rate"] == [pytest.approx(0.001)]


# --- What Keras does instead --------------------------------------------------------------------------------------


def _of_the_engine(said):
    return [warning for warning in said if "Keras trains" in str(warning.message)]


@pytest.mark.parametrize("engine", ["auto", "compiled"])
def test_without_a_compiler_keras_trains(digits, tmp_path, monkeypatch, engine):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.warns(
        UserWarning,
        match=r"^Keras trains, slower .*: no C compiler is installed \(looked for cc, gcc, clang",
    ) as said:
        _train(tmp_path / "ours", digits, engine)
    assert len(_of_the_engine(said)) == 1
    _train(tmp_path / "theirs", digits, engine="keras")
    ours, theirs = (result_without_clocks(tmp_path / name) for name in ("ours", "theirs"))
    assert ours["engine"] == "keras" and ours == theirs
    manifests = [json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("ours", "theirs")]
    assert manifests[0]["engine"] == "keras" and manifests[0] == manifests[1]


def test_one_stage_that_is_not_supported_leaves_all_of_them_to_keras(digits, tmp_path):
    stages = [ke.Stage("float", 1, 1), ke.Stage("learn_scales", 1, 1, optimizer="sgd")]
    with pytest.warns(
        UserWarning,
        match=r"Keras trains, slower .* the optimizer SGD \(stage 1, learn_scales\)",
    ) as said:
        ke.train_network(_DIGITS, digits, stages, tmp_path, verbose=False, engine="compiled")
    (warning,) = _of_the_engine(said)
    assert warning.filename == __file__
    assert result_without_clocks(tmp_path)["engine"] == "keras"


def test_soft_labels_are_known_before_they_are_made():
    """Distillation turns classes into rows, which this loss does not take."""
    source, loss = NetworkSource(_DIGITS, (8, 8, 1)), "sparse_categorical_crossentropy"
    stages = [ke.Stage("float", 1, 1, loss=loss)]
    assert reason_against_stages(source, stages, one_hot=False) is None
    stages.append(ke.Stage("learn_scales", 1, 1, distillation=0.5, loss=loss))
    assert "the loss 'sparse_categorical_crossentropy'" in reason_against_stages(source, stages, one_hot=False)


def test_auto_leaves_large_networks_to_keras():
    stages = [ke.Stage("float", 1, 1)]
    source = NetworkSource([["C", 40, 3, 4, 8, 4], ["C", 16, 3, 4, 8, 4], ["S", 10, 4, 8, 8]], (28, 28, 1))
    products = 26 * 26 * 9 * 40 + 24 * 24 * 360 * 16 + 24 * 24 * 16 * 10
    assert f"{products:,} products" in reason_against_stages(source, stages, False, "auto")
    assert reason_against_stages(source, stages, False, "compiled") is None


def _batches():
    return keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)


class _Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = ke.DenseQ(4)
        self(np.zeros((1, 10), "float32"))

    def call(self, x):
        return keras.ops.softmax(self.dense(x))


def _network(*layers, shape=(6, 6, 1), softmax=True):
    return lambda: ke.build_network([*layers, *([] if not softmax else [_HEAD])], shape, softmax=softmax)


def _skip_connection():
    x = inputs = keras.Input((10,))
    x = keras.layers.Activation("relu")(ke.DenseQ(10)(x))
    x = keras.layers.Add()([x, inputs])
    return keras.Model(inputs, keras.layers.Activation("softmax")(ke.DenseQ(4)(x)))


_PLAIN = _network(["C", 3, 3, 4, 8, 4])
_UNSUPPORTED = {
    r"layer 'gaussian_noise_1' \(GaussianNoise\)": (_network(["N", 0.1, 4]), {}),
    r"layer 'batch_normalization_1' \(BatchNormalization\)": (_network(_layer("BatchNormalization")), {}),
    "layer 'dense_q_1' with the activation tanh": (
        _network(_layer("Flatten"), _layer("DenseQ", units=3, activation="tanh")), {},
    ),
    "layer 'conv_q_1' with a regularizer": (
        _network(_layer("ConvQ", filters=2, kernel_size=2, kernel_regularizer="l2")), {},
    ),
    "layer 'conv_q_1' with a batch normalization that takes its statistics from each batch": (
        _network(_layer("ConvQ", filters=2, kernel_size=2, **{**_norm(), "frozen_statistics": False})), {},
    ),
    "layer 'conv_q_1' with groups of filters": (
        _network(_layer("ConvQ", filters=2, kernel_size=2, groups=2), shape=(6, 6, 2)), {},
    ),
    "layer 'conv_q_1' with a constraint": (
        _network(_layer("ConvQ", filters=2, kernel_size=2, bias_constraint="non_neg")), {},
    ),
    "layer 'conv_q_1' with the dtype policy mixed_bfloat16": (
        _network(_layer("ConvQ", filters=2, kernel_size=2, dtype="mixed_bfloat16")), {},
    ),
    "layer 'dropout_1' with a noise_shape": (_network(_layer("Dropout", rate=0.5, noise_shape=[None, 1, 1, 1])), {}),
    r"a network that ends with 'dense_q_1' instead of a layer Activation\('softmax'\)": (
        _network(_layer("Flatten"), _layer("DenseQ", units=4), softmax=False), {},
    ),
    "a model of class _Subclass": (_Subclass, {}),
    "a model that is no chain of layers": (_skip_connection, {}),
    "the optimizer SGD": (_PLAIN, {"optimizer": keras.optimizers.SGD()}),
    "an optimizer with amsgrad=True": (_PLAIN, {"optimizer": keras.optimizers.Adam(amsgrad=True)}),
    "an optimizer with clipnorm=1.0": (_PLAIN, {"optimizer": keras.optimizers.Adam(clipnorm=1.0)}),
    "an optimizer with use_ema=True": (_PLAIN, {"optimizer": keras.optimizers.Adam(use_ema=True)}),
    "an optimizer with a learning rate schedule": (
        _PLAIN, {"optimizer": keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10))},
    ),
    "the loss 'mean_squared_error'": (_PLAIN, {"loss": "mean_squared_error"}),
    "the loss 'categorical_focal_crossentropy'": (_PLAIN, {"loss": keras.losses.CategoricalFocalCrossentropy()}),
    "the loss 'categorical_crossentropy' with": (
        _PLAIN, {"loss": keras.losses.CategoricalCrossentropy(label_smoothing=0.1)},
    ),
    "a callback that looks at batches": (_PLAIN, {"callbacks": [_batches()]}),
}  # fmt: skip


@pytest.mark.parametrize("message", _UNSUPPORTED)
def test_what_is_not_supported_is_left_to_keras(message):
    build, changes = _UNSUPPORTED[message]
    model = build()
    x, y = _data(model.input_shape[1:] if hasattr(model, "input_shape") else (10,))
    y = np.eye(4, dtype="float32")[y]
    settings = {"optimizer": keras.optimizers.Adam(), "loss": "categorical_crossentropy", "callbacks": (), **changes}
    with pytest.raises(EngineError, match=f"cannot be used here: the compiled engine does not support {message}"):
        make_engine(model, arrays=(x, y, x, y), batch_size=16, engine="compiled", **settings)
    engine = make_engine(model, arrays=(x, y, x, y), batch_size=16, engine="keras", **settings)
    assert not isinstance(engine, CompiledEngine)
    engine.set_callbacks(list(settings["callbacks"]))
    assert np.isfinite(engine.train_epoch(np.arange(len(x))))
