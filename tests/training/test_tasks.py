"""Any task: regression, one probability, many labels, texts, several inputs and outputs, signals, data sets."""

import json
import pickle
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.training.data import TrainingData
from keras_efficient.training.data_forms import as_table
from keras_efficient.training.driver import train_until
from keras_efficient.training.executors.trials import DataFiles
from keras_efficient.training.preparation import prepare

_RANDOM = np.random.default_rng(0)
X = _RANDOM.normal(size=(60, 4)).astype("float32")
TARGETS = np.stack([X.sum(axis=1), X[:, 0] - X[:, 1]], axis=1)
SIDE = (X.sum(axis=1) > 0).astype(int)
MANY = (X[:, :3] > 0).astype(int)
TWO = [("F", 6, 4, 8, 4), ("S", 2, 4, 8, 8)]


def split(x, y):
    return x[:30], y[:30], x[30:50], y[30:50], x[50:], y[50:]


def train(directory, config, data, loss=None, modes=("float",), epochs=2, trials=1, stage=None, **settings):
    stages = [ke.Stage(mode, trials, epochs, 0.02, batch_size=16, loss=loss, **(stage or {})) for mode in modes]
    selection = ke.train_network(config, data, stages, directory / "run", verbose=False, **settings)
    return selection, json.loads((directory / "run" / "result.json").read_text())


def answers(selection, x):
    return keras.saving.load_model(selection.best.path, compile=False).predict(x, verbose=0)


def test_a_regression_of_two_targets(tmp_path):
    modes = ("float", "learn_scales")
    selection, result = train(tmp_path, TWO, split(X, TARGETS), "mse", modes, trials=2, metrics=["mae"])
    best = result["best"]
    for part, rows in (("val", slice(30, 50)), ("test", slice(50, 60))):
        error = answers(selection, X[rows]) - TARGETS[rows]
        assert best[f"{part}_metrics"] == pytest.approx({"loss": (error**2).mean(), "mae": abs(error).mean()}, rel=1e-4)
    assert best["val_accuracy"] is best["test_accuracy"] is best["expected_accuracy"] is None
    assert (result["rule"], result["objective"], result["metrics"]) == ("objective", ["val_loss", "min"], ["mae"])
    assert best["total_bytes"] == ke.estimate_storage(TWO, (4,)).total_bytes and best["storage_reason"] is None
    assert result["classes"] is result["confusion"] is result["labels"] is None
    losses = [trial.val_loss for trial in selection.stages[1]]
    assert selection.best.val_loss == min(losses) and losses[0] != losses[1]
    assert set(selection.stages[0][0].history) == {"loss", "val_loss", "val_mae", "learning_rate"}
    assert "accuracy" not in (tmp_path / "run" / "report.html").read_text()
    assert "accuracy" not in ke.report.summary_table(result)


@pytest.mark.parametrize("logits", [False, True])
def test_one_probability(tmp_path, logits):
    loss = keras.losses.BinaryCrossentropy(from_logits=True) if logits else None
    selection, result = train(tmp_path, [("S", 1, 4, 8, 8)], split(X, SIDE), loss)
    right = (answers(selection, X[30:50])[:, 0] > (0 if logits else 0.5)) == SIDE[30:50]
    assert selection.best.val_accuracy == right.mean() == selection.best.val_metrics["accuracy"]
    assert result["rule"] == "score" and selection.best.test_accuracy is not None
    confusion = np.array(result["confusion"])
    assert confusion.sum(axis=1).tolist() == np.bincount(SIDE[30:50]).tolist() and confusion.trace() == right.sum()
    last = keras.saving.load_model(selection.best.path).layers[-1]
    assert type(last) is (ke.DenseQ if logits else keras.layers.Activation)


def test_many_labels_of_a_sample(tmp_path):
    settings = {"metrics": ["binary_accuracy"], "objective": "val_binary_accuracy"}
    selection, result = train(tmp_path, [("S", 3, 4, 8, 8)], split(X, MANY), "binary_crossentropy", **settings)
    share = ((answers(selection, X[30:50]) > 0.5) == MANY[30:50]).mean()
    assert selection.best.val_metrics["binary_accuracy"] == pytest.approx(share)
    assert result["objective"] == ["val_binary_accuracy", "max"] and selection.best.val_accuracy is None


def test_texts_are_classes(tmp_path):
    names = np.array(["cat", "ant", "dog"])
    numbers = MANY.sum(axis=1) % 3
    stage = {"class_weight": {"dog": 2.0}}
    selection, result = train(tmp_path, [("S", 3, 4, 8, 8)], split(X, names[numbers]), stage=stage)
    assert result["labels"] == ["ant", "cat", "dog"] and result["stages"][0]["class_weight"] == {"2": 2.0}
    found = np.array(result["labels"])[answers(selection, X[50:]).argmax(axis=1)]
    assert selection.best.test_accuracy == (found == names[numbers][50:]).mean()


def two_ends():
    left, right = keras.Input((4,), name="left"), keras.Input((2,), name="right")
    x = ke.DenseQ(8, "relu")(keras.layers.Concatenate()([left, right]))
    return keras.Model([left, right], {"side": ke.DenseQ(2, "softmax")(x), "sums": ke.DenseQ(2)(x)})


def test_two_inputs_and_two_outputs(tmp_path):
    def part(rows):
        return {"right": X[rows, :2], "left": X[rows]}, {"side": SIDE[rows], "sums": TARGETS[rows]}

    data = (part(slice(30)), part(slice(30, 50)), part(slice(50, 60)))
    loss = {"side": "sparse_categorical_crossentropy", "sums": "mse"}
    metrics = {"sums": ["mae"], "side": ["accuracy"]}
    settings = {"metrics": metrics, "objective": "val_sums_mae"}
    selection, result = train(tmp_path, two_ends, data, loss, ("float", "learn_scales"), **settings)
    assert set(selection.best.test_metrics) == {"loss", "side_accuracy", "sums_mae"}
    error = abs(answers(selection, [X[30:50], X[30:50, :2]])["sums"] - TARGETS[30:50]).mean()
    reached = [min(trial.history["val_sums_mae"]) for trial in selection.stages[-1]]
    assert selection.best.val_metrics["sums_mae"] == pytest.approx(error, rel=1e-4) and min(reached) == pytest.approx(
        error
    )
    trial = result["stages"][0]["trials"][0]
    assert Path(trial["objective_path"]).name == "min_val_sums_mae.keras" and "accuracy_path" not in trial


class _Table:
    """What a DataFrame is here: columns of several types."""

    columns = ("a", "b")

    def __getitem__(self, name):
        return X[:, 0] if name == "a" else SIDE

    def to_numpy(self):
        return np.array([X[:, 0], SIDE], dtype=object).T


def test_tables_are_arrays():
    np.testing.assert_array_equal(as_table(_Table()), np.stack([X[:, 0], SIDE], axis=1))


def test_several_arrays_reach_a_worker(tmp_path):
    x, y, weights = {"a": X, "b": X[:, :1]}, [SIDE, TARGETS], np.ones(60, "float32")
    files = DataFiles(x, y, x, y, w_train=weights, directory=tmp_path)
    data = pickle.loads(pickle.dumps(files))
    files.remove()
    assert data.digest() == TrainingData(x, y, x, y, w_train=weights).digest()
    assert data.w_val is None and isinstance(data.y_val, list)


def signals():
    inputs = keras.Input((12, 3))
    x = keras.layers.Flatten()(ke.Conv1DQ(4, 3, activation="relu")(ke.InputQ(8)(inputs)))
    return keras.Model(inputs, ke.DenseQ(2, "softmax")(x))


def test_signals_keep_their_rank(tmp_path):
    x = _RANDOM.normal(size=(60, 12, 3))
    selection, result = train(tmp_path, signals, split(x, SIDE))
    assert result["input_shape"] == [12, 3] and selection.best.total_bytes == ke.estimate_storage(signals()).total_bytes


def test_missing_bytes_have_a_reason(tmp_path):
    def build():
        return keras.Sequential([keras.Input((12, 3)), keras.layers.GRU(2), ke.DenseQ(2, "softmax")])

    selection, _ = train(tmp_path, build, split(np.zeros((60, 12, 3)), SIDE))
    assert selection.best.total_bytes is None and "GRU" in selection.best.storage_reason
    assert selection.best.storage_reason[:20] in (tmp_path / "run" / "report.html").read_text()


class _Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = slice(10 * index, 10 * index + 10)
        return X[rows], TARGETS[rows]


def _dataset():
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((X[:30], TARGETS[:30])).batch(8)


def test_data_sets_are_gathered():
    forms = [(X[:30], TARGETS[:30]), _dataset(), _Batches(), [(X[:9], TARGETS[:9]), [X[9:30], TARGETS[9:30]]]]
    stages, weights = [ke.Stage("float", 1, 1, loss="mse")], np.arange(30)
    forms += [(X[:30], TARGETS[:30], weights), [(X[:30], TARGETS[:30], weights[:, np.newaxis])]]
    found = [prepare(TWO, (form, (X[30:], TARGETS[30:])), stages, None, None, None).data for form in forms]
    assert len({data.digest() for data in found}) == 2
    np.testing.assert_array_equal(found[0].y_train, TARGETS[:30])
    np.testing.assert_array_equal(found[-1].w_train, weights)


def mean_error(y_true, y_pred):
    return keras.ops.mean(y_true - y_pred)


def own_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.abs(y_true - y_pred) ** 1.5, axis=-1)


def test_own_loss_and_metric_decide(tmp_path):
    settings = {"metrics": [mean_error], "objective": ("val_mean_error", "max")}
    selection, result = train(tmp_path, TWO, split(X, TARGETS), own_loss, epochs=3, trials=2, **settings)
    highest = [max(trial.history["val_mean_error"]) for trial in selection.stages[0]]
    assert selection.best.trial == np.argmax(highest)
    assert selection.best.val_metrics["mean_error"] == max(highest)
    (chosen,) = [trial for trial in result["stages"][0]["trials"] if trial["trial"] == selection.best.trial]
    assert chosen["epoch"] == chosen["history"]["val_mean_error"].index(max(highest)) + 1
    assert (TARGETS[30:50] - answers(selection, X[30:50])).mean() == pytest.approx(max(highest), abs=1e-5)


def test_a_regression_goes_on_where_it_was(tmp_path):
    arguments = (TWO, split(X, TARGETS), [ke.Stage("float", 1, 3, batch_size=16, loss="mse")])
    (paused,) = train_until(2, *arguments, tmp_path / "a")
    assert paused.status == "paused" and len(paused.history["val_loss"]) == 2
    results = [ke.train_network(*arguments, tmp_path / name, verbose=False) for name in "ab"]
    assert results[0].stages[0][0].history == results[1].stages[0][0].history
    assert results[0].best.test_metrics == results[1].best.test_metrics


_WITH_NAN = np.where(TARGETS > 1, np.nan, TARGETS)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "y, stage, settings, message",
    [
        (TARGETS, {}, {}, "Other targets need another loss of the stages, such as loss='mse'"),
        (TARGETS, {"loss": "binary_crossentropy"}, {}, "`y_train` must hold 0 and 1 .* Received: numbers from -"),
        (TARGETS[:, :1], {"loss": "mse"}, {}, r"targets of shape \(2,\), .* Received: \(1,\)"),
        (_WITH_NAN, {"loss": "mse"}, {}, "`y_train` of `data` holds numbers that are not finite"),
        (np.ma.array(TARGETS), {"loss": "mse"}, {}, "Received: a masked array"),
        (TARGETS, {"loss": "mse"}, {"rule": "score"}, "`rule` must be 'objective'.* no accuracy"),
        (TARGETS, {"loss": "mse"}, {"metrics": ["nope"]}, "`metrics` must be names of Keras metrics.*'nope'"),
        (TARGETS, {"loss": "mse"}, {"objective": "val_mae"}, r"`objective` must be one of \['val_loss'\]"),
        (
            *(TARGETS, {"loss": "mse"}, {"metrics": [mean_error], "objective": "val_mean_error"}),
            r"give \('val_mean_error', 'max'\)",
        ),
        (TARGETS, {"loss": "mse", "distillation": 0.5, "teachers": [__file__]}, {}, "Stage 0 has `distillation`"),
        (TARGETS, {"loss": "mse", "class_weight": {0: 2}}, {}, "`class_weight` is for the classes of one output"),
        (SIDE, {"class_weight": {7: 2}}, {}, r"`class_weight` must name classes .* Received: \[7\]"),
        (SIDE, {"loss": "categorical_crossentropy"}, {}, r"stage 0 \(float\) cannot be .* whole numbers as well"),
        (SIDE, {"halving": ke.Halving(1, measure="val_accuracy")}, {"metrics": []}, "`halving` must compare by"),
        (np.array(["a", "b", "c"])[MANY.sum(axis=1) % 3], {}, {}, "classes from 0 to 1"),
        (np.append(["x"] * 59, "y"), {}, {}, r"`y_test` must hold labels of the training samples.*\['y'\]"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, y, stage, settings, message):
    with pytest.raises(ValueError, match=message):
        train(tmp_path, TWO, split(X, y), stage.pop("loss", None), stage=stage, **settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "data, message",
    [
        ((X, TARGETS), "`data` must be .*Received: 2 items"),
        (([(X, TARGETS, X, X)], (X, TARGETS)), r"batches \(x, y\) or \(x, y, weights\). Received: tuple of 4"),
        (([], (X, TARGETS)), "at least one batch"),
        (([(X[0], SIDE[0])], (X, SIDE)), r"must give batches, as dataset.batch\(64\) does. Received: single samples"),
        (((X, TARGETS, -X[:, 0]), (X, TARGETS)), "weights of the train samples must be finite numbers of at least 0"),
        (((X[:, :3], TARGETS), (X, TARGETS)), r"the shapes of the training samples \(3,\)"),
    ],
)
def test_data_of_no_known_form_is_refused(tmp_path, data, message):
    with pytest.raises(ValueError, match=message):
        train(tmp_path, TWO, data, "mse")


@pytest.mark.one_backend
def test_outputs_without_a_sample_are_named(tmp_path):
    with pytest.warns(UserWarning, match="has 4 outputs in .* hold classes from 0 to 1: no sample belongs"):
        train(tmp_path, [("S", 4, 4, 8, 8)], split(X, SIDE), epochs=1)


@pytest.mark.one_backend
def test_inputs_by_name_must_be_the_networks(tmp_path):
    x, y = {"left": X, "wrong": X}, {"side": SIDE, "sums": TARGETS}
    with pytest.raises(ValueError, match=r"`x_train` must be .* for the inputs \['left', 'right'\].*'wrong'"):
        train(tmp_path, two_ends, (x, y, x, y), ["mse", "mse"])
