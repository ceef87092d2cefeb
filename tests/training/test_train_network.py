"""`train_network`: the whole run, its files, resuming, refusing."""

import json
import logging
import shutil

import keras
import numpy as np
import pytest
from samples import result_without_clocks

import keras_efficient as ke
from keras_efficient.files import make_temporary_folder

_CONFIG = [["C", 4, 3, 4, 8, 4], ["M", 2, 4], ["D", 0.2, 4], ["S", 10, 4, 8, 8]]


_X = np.ones((2, 8, 8, 1))


@pytest.fixture(scope="module")
def data():
    images = ke.datasets.load_dataset("digits")
    x_train, y_train, x_val, y_val, x_test, y_test = images.arrays()
    return x_train[:300], y_train[:300], x_val[:100], y_val[:100], x_test[:100], y_test[:100]


def _stages(epochs=2, **settings):
    return [ke.Stage(mode, 2, epochs, batch_size=64, **settings) for mode in ("float", "learn_scales", "freeze_scales")]


def _train(directory, samples, **changes):
    arguments = {
        "config": _CONFIG,
        "data": samples,
        "stages": _stages(),
        "directory": directory,
        "seed": 3,
        "verbose": False,
    }
    return ke.train_network(**{**arguments, **changes})


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    directory = tmp_path_factory.mktemp("run") / "digits"
    return _train(directory, data), directory


@pytest.mark.one_backend
def test_leaves_the_files_of_the_contract(run, data):
    selection, directory = run
    result = json.loads((directory / "result.json").read_text())
    assert {"path", "val_accuracy", "test_accuracy", "weight_bytes", "activation_bytes", "total_bytes"} <= set(
        result["best"]
    )
    assert result["best"]["path"] == "best.keras" and selection.best.path == str(directory / "best.keras")
    assert len(list(directory.rglob("best.keras"))) == 1
    assert (directory / "report.html").read_text().startswith("<!DOCTYPE html>")
    model = keras.saving.load_model(selection.best.path)
    accuracy = (model.predict(data[4], verbose=0).argmax(1) == data[5]).mean()
    assert accuracy == pytest.approx(selection.best.test_accuracy)
    assert {layer.mode for layer in ke.quantization.quantized_layers(model)} == {"freeze_scales"}
    storage = ke.estimate_storage(_CONFIG, (8, 8, 1))
    assert (selection.best.weight_bytes, selection.best.total_bytes) == (storage.weight_bytes, storage.total_bytes)


@pytest.mark.one_backend
def test_a_layer_has_one_name_in_description_file_and_model(run):
    result = json.loads((run[1] / "result.json").read_text())
    priced = [row.name for row in ke.estimate_storage(_CONFIG, (8, 8, 1)).layers]
    assert [row["name"] for row in result["storage"]["layers"]] == priced
    assert priced == [row.name for row in ke.support_report(keras.saving.load_model(run[1] / "best.keras")).rows][:-1]
    scales = result["stages"][1]["trials"][0]["scales"]
    assert {row["layer"] for row in [*scales, *result["diagnostics"]]} == {"conv_q_1", "dense_q_1"} < set(priced)


@pytest.mark.one_backend
def test_paths_are_relative_and_stand_under_path_keys(run):
    _, directory = run
    text = (directory / "result.json").read_text()
    assert str(directory) not in text and str(directory.parent) not in text

    def check(value, key):
        if isinstance(value, dict):
            for name, item in value.items():
                check(item, name)
        elif isinstance(value, list):
            for item in value:
                check(item, key)
        elif isinstance(value, str) and "/" in value:
            assert "path" in key, (key, value)
            assert (directory / value).exists()

    check(json.loads(text), "")


def test_keeps_what_each_trial_did(run):
    selection, directory = run
    assert [stage.mode for stage in selection.stages] == ["float", "learn_scales", "freeze_scales"]
    assert [len(stage) for stage in selection.stages] == [2, 2, 2]
    for stage in selection.stages:
        assert stage[0].seed != stage[1].seed
        for trial in stage:
            assert set(trial.history) == {"loss", "val_loss", "val_accuracy", "learning_rate"}
            assert trial.val_loss == min(trial.history["val_loss"]) == trial.history["val_loss"][trial.epoch - 1]
            assert trial.max_accuracy["val_accuracy"] == max(trial.history["val_accuracy"])
            assert trial.score is not None and len(trial.scales) == 6
    frozen = selection.stages[2]
    assert all(s["start"] == s["end"] == round(s["start"]) for trial in frozen for s in trial.scales)
    learned = selection.stages[1]
    assert any(s["start"] != s["end"] for trial in learned for s in trial.scales)
    assert all(s["start"] != 0 for s in learned[0].scales)  # calibrated


def test_checkpoints_are_what_the_record_says(run, data):
    selection, directory = run
    result = json.loads((directory / "result.json").read_text())
    trial = result["stages"][1]["trials"][1]
    for name, record in (("loss_path", trial), ("accuracy_path", trial["max_accuracy"])):
        model = keras.saving.load_model(directory / trial[name])
        correct = model.predict(data[2], verbose=0).argmax(1) == data[3]
        assert correct.mean() == pytest.approx(record["val_accuracy"])
    stored = ke.training.read_correct((directory / trial["loss_path"]).parent)
    assert stored.mean() == pytest.approx(trial["val_accuracy"])


def test_same_arguments_same_result(run, data, tmp_path):
    _, directory = run
    _train(tmp_path / "again", data)
    assert result_without_clocks(tmp_path / "again") == result_without_clocks(directory)
    _train(tmp_path / "other", data, seed=4)
    assert result_without_clocks(tmp_path / "other")["stages"] != result_without_clocks(directory)["stages"]


@pytest.mark.one_backend
def test_a_finished_run_is_only_read(run, data):
    selection, directory = run
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    assert _train(directory, data) == selection
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*")} == before


def test_an_interrupted_run_continues(run, data, tmp_path):
    _, directory = run
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    for name in ("result.json", "best.keras", "report.html", "stages/1_learn_scales/trial_001/trial.json"):
        (copy / name).unlink()
    shutil.rmtree(copy / "stages/2_freeze_scales/trial_000")
    make_temporary_folder(copy / "stages/1_learn_scales/trial_001")
    kept = copy / "stages/0_float/trial_000/trial.json"
    before = kept.stat().st_mtime_ns
    _train(copy, data)
    assert kept.stat().st_mtime_ns == before
    assert result_without_clocks(copy) == result_without_clocks(directory)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "changes, message",
    [
        ({"seed": 4}, "seed is 3 there and 4 here"),
        ({"stages": _stages(epochs=3)}, r"stages\[0\].epochs is 2 there and 3 here"),
        ({"rule": "val_loss"}, "rule is 'score' there and 'val_loss' here"),
        ({"config": [["C", 5, 3, 4, 8, 4], *_CONFIG[1:]]}, r"network\[0\]\[1\] is 4 there and 5 here"),
    ],
)
def test_other_settings_are_refused(run, data, changes, message):
    _, directory = run
    before = sorted(directory.rglob("*"))
    with pytest.raises(ValueError, match=f"holds a run with other settings: {message}"):
        _train(directory, data, **changes)
    assert sorted(directory.rglob("*")) == before


@pytest.mark.one_backend
def test_other_data_is_refused(run, data):
    with pytest.raises(ValueError, match="data_sha256 is"):
        _train(run[1], (data[0] * 0.5, *data[1:]))


@pytest.mark.one_backend
def test_a_foreign_directory_is_refused_and_left_alone(data, tmp_path):
    (tmp_path / "thesis.txt").write_text("do not touch")
    with pytest.raises(ValueError, match="holds other files; nothing was touched"):
        _train(tmp_path, data)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(ValueError, match="a file"):
        _train(tmp_path / "thesis.txt", data)


@pytest.mark.one_backend
def test_without_test_data(data, tmp_path):
    selection = _train(tmp_path, data[:4], stages=_stages()[:1])
    assert selection.best.test_accuracy is None and selection.best.val_accuracy > 0


class _Diverge(keras.callbacks.Callback):
    """The first trial that sees it takes steps that no network survives."""

    trials = 0

    def on_train_begin(self, logs=None):
        _Diverge.trials += 1

    def on_epoch_begin(self, epoch, logs=None):
        if _Diverge.trials == 1:
            self.model.optimizer.learning_rate = 1e30


def test_failed_trials_are_kept_and_not_chosen(data, tmp_path):
    _Diverge.trials = 0
    stages = [ke.Stage("float", 3, 2, optimizer="sgd", batch_size=64, callbacks=lambda: [_Diverge()])]
    selection = _train(tmp_path, data, stages=stages)
    failed, *others = selection.stages[0]
    assert failed.status == "failed" and failed.val_loss is None and failed.score is None
    assert "not finite after epoch 1" in failed.reason and len(failed.history["loss"]) == 1
    assert failed.history["learning_rate"] == [pytest.approx(1e30)]
    assert selection.best.trial != 0 and all(trial.status == "finished" for trial in others)
    assert "not finite" in (tmp_path / "report.html").read_text()


@pytest.mark.one_backend
def test_all_trials_failed(data, tmp_path):
    stages = [ke.Stage("float", 2, 3, learning_rate=1e30, optimizer="sgd", batch_size=64)]
    with pytest.raises(ValueError, match="All 2 trials of stage 0 .float. failed; the first: The loss is not finite"):
        _train(tmp_path, data, stages=stages)
    record = json.loads((tmp_path / "stages/0_float/trial_000/trial.json").read_text())
    assert record["status"] == "failed" and record["history"]["loss"]
    assert not (tmp_path / "result.json").exists()


def test_a_function_may_build_the_model(data, tmp_path):
    def builder():
        inputs = keras.Input((8, 8, 1))
        x = keras.layers.Flatten()(keras.layers.BatchNormalization()(ke.ConvQ(3, 3, activation="relu")(inputs)))
        return keras.Model(inputs, ke.DenseQ(10, "softmax")(x))

    one_hot = tuple(np.eye(10)[a] if a.ndim == 1 else a for a in data)
    selection = ke.train_network(builder, one_hot, _stages()[:2], tmp_path, verbose=False)
    again = ke.train_network(builder, one_hot, _stages()[:2], tmp_path, verbose=False)
    assert selection == again and selection.best.test_accuracy > 0.1
    result = json.loads((tmp_path / "result.json").read_text())
    named = {row["name"] for row in result["storage"]["layers"]}
    assert named == {"conv_q", "batch_normalization", "flatten", "dense_q"}  # however many networks there were before
    assert {row["layer"] for row in result["diagnostics"]} == {"conv_q", "dense_q"}
    with pytest.raises(TypeError, match="must return a built Keras model"):
        ke.train_network(lambda: "model", data, _stages(), tmp_path / "b", verbose=False)


def test_a_sequential_model_may_call_a_layer_twice(data, tmp_path):
    """Keras cannot load the file of such a model: what is kept is Functional."""

    def builder():
        act, dense = ke.ActivationQ(signed=False, activation="relu"), ke.DenseQ(10)
        chain = [keras.layers.Flatten(), ke.DenseQ(10), act, dense, act, dense]
        return keras.Sequential([keras.Input((8, 8, 1)), *chain, keras.layers.Softmax()])

    ke.train_network(builder, data, _stages()[:2], tmp_path, verbose=False)
    kept = keras.saving.load_model(tmp_path / "best.keras")
    flatten, first, act, dense, softmax = kept.layers[1:]
    expected = softmax(dense(act(dense(act(first(flatten(data[0])))))))
    np.testing.assert_allclose(kept.predict(data[0], verbose=0), keras.ops.convert_to_numpy(expected), atol=1e-6)


def test_a_first_stage_may_be_quantized(data, tmp_path):
    selection = _train(tmp_path, data, stages=_stages()[1:2])
    assert all(scale["start"] != 0 for scale in selection.stages[0][0].scales)


def test_few_validation_samples_do_not_set_the_scales_alone(tmp_path):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(60, 4)).astype("float32"), np.arange(60) % 2
    starts = []
    for factor in (1, 16):
        stages = [ke.Stage("learn_scales", 1, 1)]
        config, data = [["F", 3, 4, 8, 8], ["S", 2, 4, 8, 8]], (factor * x, y, x[:3], y[:3])
        selection = ke.train_network(config, data, stages, tmp_path / str(factor), seed=1, verbose=False)
        starts.append([scale["start"] for scale in selection.stages[0][0].scales])
    assert np.subtract(*reversed(starts)).max() > 3  # log2 of the grids of what the layers give


def test_callbacks_can_stop_a_trial(data, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            assert set(logs) == {"loss", "val_loss", "val_accuracy", "learning_rate"}
            self.model.stop_training = epoch == 1

    stages = [ke.Stage("float", 2, 5, batch_size=64, callbacks=lambda: [Stop()])]
    selection = _train(tmp_path, data, stages=stages)
    assert [len(trial.history["loss"]) for trial in selection.stages[0]] == [2, 2]


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "changes, message",
    [
        ({"stages": []}, "`stages` must be a list of keras_efficient.Stage"),
        ({"stages": ["float"]}, "`stages` must be a list of keras_efficient.Stage"),
        ({"rule": "best"}, "`rule` must be one of"),
        ({"config": [["X", 1]]}, "unknown letter"),
        ({"data": (np.zeros((2, 8, 8, 1)),)}, "`data` must be .* Received: 1 items"),
        (
            {"data": (np.zeros((2, 8, 8, 1)), [0], np.zeros((2, 8, 8, 1)), [0, 1])},
            "same number of samples.* Received: 2 and 1",
        ),
        (
            {"data": (np.zeros((2, 8, 8, 1)), [0, 1], np.zeros((2, 9, 8, 1)), [0, 1])},
            "must have the shapes of the training",
        ),
        ({"data": (np.full((2, 8, 8, 1), np.nan), [0, 1], np.zeros((2, 8, 8, 1)), [0, 1])}, "not finite"),
    ],
)
def test_wrong_arguments_are_refused(data, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        _train(tmp_path / "run", data, **changes)
    assert not (tmp_path / "run").exists()


class SubclassedModel(keras.Model):
    """A model that gives logits and does not say its output shape."""

    def __init__(self):
        super().__init__()
        self.flatten, self.dense = keras.layers.Flatten(), ke.DenseQ(10)

    def call(self, x):
        return self.dense(self.flatten(x))


@pytest.mark.filterwarnings("ignore:Gradients do not exist for variables .*_scale")  # of float mode
def test_a_subclassed_model_with_logits(data, tmp_path):
    def builder():
        model = SubclassedModel()
        model(np.zeros((1, 8, 8, 1), "float32"))
        return model

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    selection = ke.train_network(builder, data, _stages(loss=loss), tmp_path, verbose=False)
    assert np.isfinite(selection.best.test_loss) and selection.best.total_bytes is None


@pytest.mark.one_backend
def test_a_builder_with_nested_models_is_the_same_run_again(data, tmp_path):
    def builder():
        inner = keras.Sequential([keras.Input((8, 8)), keras.layers.TimeDistributed(ke.DenseQ(3))])
        inputs = keras.Input((8, 8, 1))
        x = keras.layers.Flatten()(inner(keras.layers.Reshape((8, 8))(inputs)))
        return keras.Model(inputs, ke.DenseQ(10, "softmax")(x))

    first = ke.train_network(builder, data, _stages()[:1], tmp_path, verbose=False)
    assert ke.train_network(builder, data, _stages()[:1], tmp_path, verbose=False) == first


@pytest.mark.one_backend
def test_a_lost_file_of_a_finished_run_is_written_again(run, data, tmp_path):
    selection, directory = run
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    (copy / "best.keras").unlink()
    again = _train(copy, data)
    assert (copy / "best.keras").exists() and again.best.test_accuracy == selection.best.test_accuracy


@pytest.mark.one_backend
def test_many_runs_in_one_process_draw_no_warning(run, data, tmp_path, caplog):
    logger = logging.getLogger("tensorflow")  # does not hand on what it gets
    logger.addHandler(caplog.handler)
    try:
        for number in range(6):
            shutil.copytree(run[1], tmp_path / str(number))
            (tmp_path / str(number) / "result.json").unlink()
            _train(tmp_path / str(number), data)  # tests the chosen network anew
    finally:
        logger.removeHandler(caplog.handler)
    assert "retracing" not in caplog.text


@pytest.mark.one_backend
def test_callbacks_see_the_whole_model(data, tmp_path):
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append((self.model.input_shape, self.params["epochs"]))

    config = [["A", 2, 4], ["S", 10, 4, 8, 8]]
    _train(tmp_path, data, config=config, stages=_stages(callbacks=lambda: [Look()])[:1])
    assert seen == [((None, 8, 8, 1), 2)] * 2


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "labels, message",
    [
        (np.array([0, 10]), "`y_train` must hold classes from 0 to 9, .*Received: classes from 0 to 10"),
        (np.array([-1, 3]), "Received: classes from -1 to 3"),
        (np.array([], "int64"), "`y_train` must hold at least one label. Received: none"),
        (np.array([0.5, 1.0]), "Labels must be integers"),
        (np.eye(7)[:2], "`y_train` has 7 columns, but the network has 10 outputs"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message, tmp_path):
    data = (_X, labels, _X, labels)
    with pytest.raises(ValueError, match=message):
        _train(tmp_path / "run", data)
    assert not (tmp_path / "run").exists()
