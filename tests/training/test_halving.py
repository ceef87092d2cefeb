"""Successive halving: who goes on, and a pause, a crash or another process change nothing."""

import json
import pickle
import sys
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_efficient as ke
from check_crashes import contents
from keras_efficient import cli, files
from keras_efficient.training import driver
from keras_efficient.training.progress import SilentProgress
from keras_efficient.training.selection import select
from keras_efficient.training.trial import TrialResult

_CONFIG = [["M", 2, 4], ["D", 0.2, 4], ["S", 10, 4, 8, 8]]
_EPOCHS = 7


@pytest.fixture(scope="module")
def data():
    x_train, y_train, x_val, y_val, x_test, y_test = ke.datasets.load_dataset("digits").arrays()
    return x_train[:96], y_train[:96], x_val[:60], y_val[:60], x_test[:20], y_test[:20]


def _stage(trials=5, halving=None, epochs=_EPOCHS, **changes):
    named = {"batch_size": 32, "samples_per_epoch": 70, "learning_rate": 0.02, "schedule": "cosine"}
    return ke.Stage("float", trials, epochs, halving=halving, **{**named, **changes})


def _train(directory, data, *stages, executor=None, config=_CONFIG, **changes):
    changes = {"seed": 2, "save_seconds": 1000, "verbose": False, **changes}
    return ke.train_network(config, data, stages, directory, executor, **changes)


# The rungs


@pytest.mark.parametrize(
    "halving, epochs, rungs",
    [
        (ke.Halving(5, 2), 50, (5, 10, 20, 40, 50)),
        (ke.Halving(5, 2), 40, (5, 10, 20, 40)),
        (ke.Halving(1, 3), 81, (1, 3, 9, 27, 81)),
        (ke.Halving(4, 3), 5, (4, 5)),
    ],
)
def test_rungs(halving, epochs, rungs):
    assert halving.rungs(epochs) == rungs and ke.Stage("float", 2, epochs, halving=halving).rungs() == rungs


def _histories(*losses, name="val_loss"):
    return {index: {"loss": values, "val_loss": values, name: values} for index, values in enumerate(map(list, losses))}


@pytest.mark.parametrize(
    "losses, rung, factor, kept",
    [
        (([3], [1], [2], [4]), 1, 2, [1, 2]),
        (([3], [1], [2], [4], [0]), 1, 2, [1, 4]),  # 5 // 2
        (([3], [1]), 1, 3, [1]),  # at least one
        (([2], [1], [1], [1]), 1, 2, [1, 2]),  # equals: the lower index
        (([1, 9], [8, 2], [7, 3], [6, 4]), 2, 2, [0, 1]),  # the best epoch so far, not the last
        (([5, 1], [4, 9], [3, 9], [6, 0]), 1, 2, [1, 2]),  # not what came later
        (([1], [None], [np.nan], [9]), 1, 2, [0, 3]),  # what failed never goes on
        (([1], [np.inf], [None], [np.nan]), 1, 2, [0]),
        (([2, None], [3, 1], [4, 4], [5, 5]), 1, 2, [0, 1]),  # it fails later
        (([None], [None]), 1, 2, []),
    ],
)
def test_who_goes_on(losses, rung, factor, kept):
    assert ke.Halving(1, factor).keep(_histories(*losses), rung) == kept


def test_measures():
    histories = _histories([1, 1], [2, 2], [3, 3], [4, 4])
    for index, values in enumerate([[0.1, 0.2], [0.3, 0.1], [0.9, 0.1], [0.2, 0.2]]):
        histories[index]["val_accuracy"] = values
    assert ke.Halving(1, 2, "val_accuracy").keep(histories, 2) == [1, 2]
    assert ke.Halving(1, 2).keep(histories, 2) == [0, 1]
    by_objective = ke.Halving(1, 2, "objective")
    assert by_objective.keep(histories, 2, ("val_accuracy", "max")) == [1, 2]
    assert by_objective.keep(histories, 2, ("val_accuracy", "min")) == [0, 1]
    assert by_objective.climbers(list(histories.values()), 2, ("val_accuracy", "min"))[1] == (2, [0, 3])


def test_several_outputs_halve_by_the_metric_of_one(tmp_path):
    def build():
        x = keras.Input((2,))
        return keras.Model(x, [keras.layers.Dense(1, name=name)(x) for name in "ab"])

    random = np.random.default_rng(0)
    x, targets = random.random((40, 2)), [random.random((40, 1)) for _ in "ab"]
    metrics, objective = {"b": [keras.metrics.MeanAbsoluteError(name="mae")]}, ("val_b_mae", "max")
    stage = ke.Stage("float", 4, 3, batch_size=20, loss=["mse", "mse"], halving=ke.Halving(1, 2, "objective"))
    data = (x, targets, x, targets)
    settings = {"metrics": metrics, "objective": objective, "engine": "keras", "verbose": False}
    result = ke.train_network(build, data, [stage], tmp_path / "run", **settings)
    first = [trial.history["val_b_mae"][0] for trial in result.stages[0]]
    kept = [trial.trial for trial in result.stages[0] if len(trial.history["loss"]) > 1]
    assert kept == sorted(np.argsort(first)[-2:].tolist()) and result.objective == objective
    wrong = ke.Stage("float", 4, 3, loss=["mse", "mse"], halving=ke.Halving(1, 2, "val_accuracy"))
    with pytest.raises(ValueError, match="`halving` must compare by 'val_loss' or 'objective'"):
        ke.train_network(build, data, [wrong], tmp_path / "wrong", **settings)


_LOSSES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, None]), min_size=4, max_size=4)


@settings(deadline=None, max_examples=50)
@given(st.lists(_LOSSES, min_size=1, max_size=9), st.integers(2, 4))
def test_climbers(losses, factor):
    halving = ke.Halving(1, factor)
    climbers = halving.climbers(list(_histories(*losses).values()), 4)
    assert [epochs for epochs, _ in climbers] == list(halving.rungs(4)) and climbers[0][1] == list(range(len(losses)))
    for (rung, before), (_, after) in zip(climbers, climbers[1:], strict=False):
        alive = [index for index in before if None not in losses[index][:rung]]
        count = min(len(alive), max(1, len(before) // factor))
        assert after == sorted(sorted(alive, key=lambda index: (min(losses[index][:rung]), index))[:count])


# Runs


@pytest.fixture(scope="module")
def plain(data, tmp_path_factory):
    """All trials to their end."""
    directory = tmp_path_factory.mktemp("plain") / "run"
    return _train(directory, data, _stage()), directory


@pytest.fixture(scope="module")
def halved(data, tmp_path_factory):
    directory = tmp_path_factory.mktemp("halved") / "run"
    return _train(directory, data, _stage(halving=ke.Halving(1, 2))), directory


def _best(trial, epochs):
    return min(trial.history["val_loss"][:epochs])


def test_the_better_trials_go_on_as_if_they_had_never_paused(plain, halved):
    trials = plain[0].stages[0]
    first = sorted(sorted(range(5), key=lambda i: _best(trials[i], 1))[:2])
    last = min(first, key=lambda i: _best(trials[i], 2))
    selection, directory = halved
    for index, (trial, whole) in enumerate(zip(selection.stages[0], trials, strict=True)):
        epochs = _EPOCHS if index == last else 2 if index in first else 1
        assert trial.history == {name: values[:epochs] for name, values in whole.history.items()}
        assert trial.status == ("finished" if index == last else "stopped")
        assert trial.val_loss == _best(whole, epochs)
    result, checkpoints = contents(directory)
    assert result["stages"][0]["rungs"] == [
        {"epochs": 1, "trials": [0, 1, 2, 3, 4]},
        {"epochs": 2, "trials": first},
        {"epochs": 4, "trials": [last]},
        {"epochs": 7, "trials": [last]},
    ]
    assert result["stages"][0]["halving"] == {"first_epochs": 1, "factor": 2, "measure": "val_loss"}
    name = f"stages/0_float/trial_{last:03d}/min_val_loss.keras"
    assert checkpoints[name] == contents(plain[1])[1][name]
    assert not list(directory.rglob("state.npz"))


def test_a_stopped_trial_has_checkpoints_and_a_reason_but_is_not_chosen(halved, data):
    selection, directory = halved
    stage = json.loads((directory / "result.json").read_text())["stages"][0]
    stopped = next(trial for trial in stage["trials"] if len(trial["history"]["loss"]) == 2)
    assert stopped["reason"] == "Not among the best 1 of 2 trials after 2 epochs"
    model = keras.saving.load_model(directory / stopped["loss_path"])
    correct = model.predict(data[2], verbose=0).argmax(1) == data[3]
    assert correct.mean() == pytest.approx(stopped["val_accuracy"]) and stopped["score"] is None
    assert stage["trials"][stage["chosen"]]["status"] == "finished"
    page = (directory / "report.html").read_text()
    assert "Successive halving: of the trials, 5 to epoch 1, 2 to epoch 2, 1 to epoch 4, 1 to epoch 7." in page
    assert "stopped after epoch 2" in page and selection.best.trial == stage["chosen"]


def test_a_finished_run_is_only_read(halved, data):
    selection, directory = halved
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    assert _train(directory, data, _stage(halving=ke.Halving(1, 2))) == selection
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*")} == before
    for other in (None, ke.Halving(2, 2), ke.Halving(1, 3), ke.Halving(1, 2, "val_accuracy")):
        with pytest.raises(ValueError, match=r"other settings: stages\[0\].halving"):
            _train(directory, data, _stage(halving=other))


class _Crash(BaseException):
    """Nobody catches it."""


class _CrashAtEpoch(SilentProgress):
    def __init__(self, left):
        self.left = left

    def epoch(self, trial, epoch, logs):
        self.left -= 1
        if not self.left:
            raise _Crash


def test_crashes_during_epochs_change_nothing(halved, data, tmp_path, monkeypatch):
    crashes = 0
    for left in range(1, 20):  # every process lives a little longer than the one before
        monkeypatch.setattr(driver, "make_progress", lambda verbose, left=left: _CrashAtEpoch(left))
        try:
            _train(tmp_path / "run", data, _stage(halving=ke.Halving(1, 2)), save_seconds=0)
            break
        except _Crash:
            crashes += 1
    assert crashes >= 3 and contents(tmp_path / "run") == contents(halved[1])


def test_crashes_after_every_file_change_nothing(data, tmp_path, monkeypatch):
    # Two epochs for all, a third for the best one of three.
    stage = _stage(3, ke.Halving(2, 3), epochs=3)
    _train(tmp_path / "whole", data, stage)
    replace = files.os.replace

    def crash_after(count):
        def crash(*paths):
            nonlocal count
            replace(*paths)
            count -= 1
            if not count:
                raise _Crash

        monkeypatch.setattr(files.os, "replace", crash)

    # An uninterrupted run writes the manifest, 3 states, 4 files for each trial at its end, and 4 in the end.
    for count in range(1, 21):
        crash_after(count)
        try:
            _train(tmp_path / "run", data, stage)
            break
        except _Crash:
            continue
    assert count >= 7 and contents(tmp_path / "run") == contents(tmp_path / "whole")
    assert not list((tmp_path / "run").rglob("state.npz"))


class _LosesEveryWorkerOnce(ThreadPoolExecutor):
    """Sends its tasks as another process would get them."""

    def __init__(self):
        super().__init__(1)
        self.seen = []

    def submit(self, function, progress, run_trial, work, data, index):
        self.seen.append((index, work.goal))
        if self.seen.count((index, work.goal)) > 1:
            return super().submit(*pickle.loads(pickle.dumps((function, progress, run_trial, work))), data, index)
        lost = Future()
        lost.set_exception(BrokenExecutor("it died"))
        return lost


def test_executors_give_the_same_result(halved, data, tmp_path):
    with _LosesEveryWorkerOnce() as executor:
        _train(tmp_path / "lost", data, _stage(halving=ke.Halving(1, 2)), executor=executor)
    assert contents(tmp_path / "lost") == contents(halved[1])
    assert not list(tmp_path.rglob("progress.jsonl"))


def test_the_next_stage_starts_from_the_one_that_went_on(data, tmp_path):
    stages = [
        _stage(4, ke.Halving(1, 4), epochs=2),
        ke.Stage("learn_scales", 2, 2, halving=ke.Halving(1), batch_size=32),
    ]
    selection = _train(tmp_path, data, *stages)
    assert [trial.status for trial in selection.stages[0]].count("finished") == 1
    assert [len(trial.history["loss"]) for trial in selection.stages[1]] in ([1, 2], [2, 1])
    assert selection.stages[0][selection.stages[0].chosen].status == "finished"


def test_the_compiled_engine_pauses_as_well(data, tmp_path):
    selections = [
        _train(tmp_path / name, data, _stage(3, halving, epochs=3), engine="compiled", config=_CONFIG)
        for name, halving in (("plain", None), ("halved", ke.Halving(1, 3)))
    ]
    (last,) = (trial for trial in selections[1].stages[0] if trial.status == "finished")
    assert last.history == selections[0].stages[0][last.trial].history


def test_a_trial_that_has_ended_by_itself_takes_part(data, tmp_path):
    # Learning goes wrong from the second epoch on: all trials end before the second rung.
    settings = {"schedule": lambda epoch: 0.02 if epoch == 0 else 5.0, "patience": 1}
    selection = _train(tmp_path, data, _stage(4, ke.Halving(3, 2), **settings), rule="val_loss")
    assert all(trial.status == "finished" for trial in selection.stages[0])
    assert max(len(trial.history["loss"]) for trial in selection.stages[0]) <= 3
    assert selection.best.val_loss == min(trial.val_loss for trial in selection.stages[0])


def test_failures(data, tmp_path):
    stage = _stage(2, ke.Halving(1, 2), learning_rate=1e39, optimizer="sgd", schedule=None)
    with pytest.raises(ValueError, match="All 2 trials of stage 0 .float. failed; the first: The loss is not finite"):
        _train(tmp_path / "all", data, stage)
    # The one that went on fails in the end: the choice falls back on those that were stopped.
    late = {"schedule": lambda epoch: 0.01 if epoch == 0 else 1e39, "optimizer": "sgd"}
    selection = _train(tmp_path / "last", data, _stage(4, ke.Halving(1, 2), **late), rule="val_loss")
    status = [trial.status for trial in selection.stages[0]]
    assert sorted(status) == ["failed", "failed", "stopped", "stopped"]
    stopped = [trial for trial in selection.stages[0] if trial.status == "stopped"]
    assert selection.best.val_loss == min(trial.val_loss for trial in stopped) and selection.best.test_accuracy > 0


def test_the_choice_is_among_those_that_went_to_the_end():
    def trial(index, status, loss, epochs=1):
        return TrialResult(index, 0, status, val_loss=loss, val_accuracy=0.5, history={"loss": [0] * epochs})

    trials = [trial(0, "stopped", 0.1), trial(1, "finished", 0.3), trial(2, "failed", None), trial(3, "finished", 0.2)]
    assert select(trials, "val_loss", 100) == 3
    assert select([trial(0, "stopped", 0.1), trial(1, "stopped", 0.2, 2), trial(2, "failed", None, 3)], "score", 9) == 1
    assert select([SimpleNamespace(val_loss=1, val_accuracy=1)], "score", 9) == 0
    with pytest.raises(ValueError, match="must give the index of a finished trial, 0 to 3. Received: 0"):
        select(trials, lambda results: 0, 100)


# What a pause is made of


def test_a_run_pauses_and_goes_on(plain, data, tmp_path):
    arguments = (_CONFIG, data, [_stage(2)], tmp_path)
    for epochs in (2, 1, 3):
        results = driver.train_until(epochs, *arguments, seed=2)
        assert [result.status for result in results] == ["paused"] * 2
        assert [len(result.history["loss"]) for result in results] == [max(epochs, 2)] * 2
    assert _train(tmp_path, data, _stage(2)).stages[0][1].history == plain[0].stages[0][1].history
    assert [result.status for result in driver.train_until(9, *arguments, seed=2)] == ["finished"] * 2
    with pytest.raises(ValueError, match="`halving` or `callbacks` cannot be paused"):
        driver.train_until(1, _CONFIG, data, [_stage(2, ke.Halving(1))], tmp_path / "other")


# Refusals


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0,), "`first_epochs` must be a positive integer. Received: first_epochs=0"),
        ((1.5,), "`first_epochs` must be a positive integer. Received: first_epochs=1.5"),
        ((1, 1), "`factor` must be at least 2. Received: factor=1"),
        ((1, "2"), "`factor` must be a positive integer. Received: factor='2'"),
        (
            (1, 2, "loss"),
            r"`measure` must be one of 'val_loss', 'val_accuracy', 'objective'. Received: measure='loss'",
        ),
    ],
)
def test_wrong_halvings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ke.Halving(*arguments)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"halving": 5}, r"`halving` must be a keras_efficient.Halving such as .*Received: halving=5"),
        (
            {"halving": ke.Halving(3)},
            "fewer `first_epochs` than the stage has `epochs`. Received: first_epochs=3, epochs=3",
        ),
        (
            {"halving": ke.Halving(1), "callbacks": [keras.callbacks.Callback()]},
            "`halving` cannot be used with `callbacks`",
        ),
        ({"halving": ke.Halving(1), "callbacks": lambda: []}, "`halving` cannot be used with `callbacks`"),
    ],
)
def test_wrong_stages_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ke.Stage("float", 2, 3, **changes)


def _command(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["keras-efficient", "train", *options])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return stopped.value.code


def test_the_command(tmp_path, monkeypatch, capsys):
    (tmp_path / "network.json").write_text(json.dumps(_CONFIG))
    options = ["--network", str(tmp_path / "network.json"), "--trials", "3,1,0", "--epochs", "3,1,0", "--json"]
    assert _command(monkeypatch, *options, "--halving", "2,3", "--out", str(tmp_path / "run")) == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert stages[0]["halving"] == {"first_epochs": 2, "factor": 3, "measure": "val_loss"}
    assert sorted(len(trial["history"]["loss"]) for trial in stages[0]["trials"]) == [2, 2, 3]
    assert stages[1]["halving"] is None and "rungs" not in stages[1]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--halving", "a"], "`--halving` must be whole numbers"),
        (["--halving", "1,2,3"], "`--halving` must be one or two numbers, such as 5 or 5,3. Received: '1,2,3'"),
        (["--halving", "0"], "`first_epochs` must be a positive integer"),
        (["--halving", "60"], "fewer `first_epochs` than the stage has `--epochs`"),
        (["--halving", "5", "--trials", "0,1,1"], "`--halving` is for float trials, and `--trials` leaves them out"),
    ],
)
def test_the_command_refuses(options, message, tmp_path, monkeypatch, capsys):
    assert _command(monkeypatch, *options, "--out", str(tmp_path / "run")) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "run").exists()
