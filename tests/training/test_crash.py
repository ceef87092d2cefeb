"""What is left after a crash: the run ends as it would have, or one message names the file at fault."""

import errno
import hashlib
import os
import resource
import shutil

import keras
import numpy as np
import pytest

import keras_efficient as ke
from check_crashes import check_whole, contents
from keras_efficient import files
from keras_efficient.files import is_temporary, make_temporary_folder
from keras_efficient.folders import LOCK, locked
from keras_efficient.training import driver
from keras_efficient.training.progress import SilentProgress

_CONFIG = [["C", 3, 3, 4, 8, 4], ["M", 2, 4], ["D", 0.3, 4], ["S", 10, 4, 8, 8]]


class _Crash(BaseException):
    """Nobody catches it."""


class _Crasher(SilentProgress):
    """Raises a `_Crash` when a trial of a stage ends an epoch; counts epochs."""

    def __init__(self, at=None):
        self.at, self.epochs = at, []

    def stage(self, number, *rest):
        self.number = number - 1

    def epoch(self, trial, epoch, logs):
        place = (self.number, trial, epoch)
        self.epochs.append(place)
        if place == self.at:
            raise _Crash


@pytest.fixture(scope="module")
def data():
    x_train, y_train, x_val, y_val, x_test, y_test = ke.datasets.load_dataset("digits").arrays()
    return x_train[:200], y_train[:200], x_val[:100], y_val[:100], x_test[:50], y_test[:50]


def _stages(**settings):
    return [ke.Stage(mode, 2, 4, batch_size=64, **settings) for mode in ("float", "freeze_scales")]


def _train(directory, data, progress=None, **changes):
    arguments = {"config": _CONFIG, "stages": _stages(), "seed": 1, "save_seconds": 0, **changes}
    with pytest.MonkeyPatch.context() as patch:
        if progress is not None:
            patch.setattr(driver, "make_progress", lambda verbose: progress)
        return ke.train_network(data=data, directory=directory, verbose=False, **arguments)


def _crash(directory, data, at, **changes):
    with pytest.raises(_Crash):
        _train(directory, data, _Crasher(at), **changes)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    directory = tmp_path_factory.mktemp("whole") / "run"
    _train(directory, data)
    return directory


@pytest.fixture(scope="module")
def crashed(data, tmp_path_factory):
    """A run that stopped in the middle of the first trial of its second stage."""
    directory = tmp_path_factory.mktemp("crashed") / "run"
    _crash(directory, data, at=(1, 0, 3))
    return directory


@pytest.fixture
def copy(crashed, tmp_path):
    return shutil.copytree(crashed, tmp_path / "run")


def _snapshot(directory):
    return {path: hashlib.sha256(path.read_bytes()).digest() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("at", [(0, 1, 3), (1, 0, 4)])
def test_a_trial_goes_on_as_if_it_had_never_stopped(whole, data, tmp_path, at):
    _crash(tmp_path / "run", data, at)
    check_whole(tmp_path / "run")
    rest = _Crasher()
    _train(tmp_path / "run", data, rest)
    assert contents(tmp_path / "run") == contents(whole)
    # The epoch whose end was not saved is the only one that is repeated.
    assert rest.epochs[0] == at
    assert not list(tmp_path.rglob("state*")) and not list(tmp_path.rglob("*.tmp*"))


def test_the_best_weights_outlast_several_crashes(data, tmp_path):
    # The first two epochs are the best ones: the rest has far too high a learning rate.
    changes = {"stages": _stages(schedule=lambda epoch: 0.01 if epoch < 2 else 1.0)[:1]}
    selection = _train(tmp_path / "whole", data, **changes)
    assert selection.stages[0][0].epoch <= 2
    for epoch in (1, 3, 4):
        _crash(tmp_path / "run", data, at=(0, 0, epoch), **changes)
    _train(tmp_path / "run", data, **changes)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_all_variables_of_the_model_and_the_optimizer_are_kept(data, tmp_path):
    def builder():
        inputs = keras.Input((8, 8, 1))
        x = keras.layers.BatchNormalization()(ke.ConvQ(3, 3, activation="relu")(inputs))
        x = keras.layers.GaussianNoise(0.1)(keras.layers.Dropout(0.2)(keras.layers.Flatten()(x)))
        return keras.Model(inputs, ke.DenseQ(10, "softmax")(x))

    optimizer = keras.optimizers.SGD(momentum=0.9, use_ema=True, ema_momentum=0.9)
    changes = {"config": builder, "stages": _stages(optimizer=optimizer)[1:]}
    _train(tmp_path / "whole", data, **changes)
    _crash(tmp_path / "run", data, at=(0, 1, 3), **changes)
    _train(tmp_path / "run", data, **changes)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_states_are_saved_every_so_often(data, tmp_path):
    _crash(tmp_path / "run", data, at=(0, 0, 4), save_seconds=1000)
    assert not list(tmp_path.rglob("state.npz"))
    with pytest.raises(ValueError, match="`save_seconds` must be zero or a positive number. Received: save_seconds=-1"):
        _train(tmp_path / "other", data, save_seconds=-1)


def test_a_trial_with_callbacks_starts_again(data, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.seen = 0

        def on_epoch_end(self, epoch, logs=None):
            self.seen += 1
            self.model.stop_training = self.seen == 3

    changes = {"stages": _stages(callbacks=lambda: [Stop()])[:1]}
    _train(tmp_path / "whole", data, **changes)
    _crash(tmp_path / "run", data, at=(0, 0, 2), **changes)
    assert not list(tmp_path.rglob("state.npz"))
    _train(tmp_path / "run", data, **changes)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_leftovers_of_finished_trials_are_removed(whole, data, copy):
    trial = copy / "stages/0_float/trial_000"
    for name in ("state.npz", "progress.jsonl"):
        (trial / name).write_text("left behind")
    for folder in (copy, trial, trial.parent):
        (make_temporary_folder(folder) / "half.keras").write_text("half")
    mine = [copy / "notes.tmp.txt", copy / "mine/progress.jsonl", copy / "old.tmp.d/result.tmp.json"]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    _train(copy, data)
    assert contents(copy) == contents(whole)
    assert not any((trial / name).exists() for name in ("state.npz", "progress.jsonl"))
    assert not [path for path in copy.rglob("*") if is_temporary(path) or path.name == LOCK]
    assert all(path.read_text() == "mine" for path in mine)


def test_a_finished_run_is_tidied_up(whole, data, tmp_path):
    directory = shutil.copytree(whole, tmp_path / "run")
    (directory / LOCK).write_text("of a process that was killed")
    half = make_temporary_folder(directory)
    _train(directory, data)
    assert not half.exists() and not (directory / LOCK).exists()


def test_a_second_process_says_who_is_at_work(copy, data):
    with (
        locked(copy),
        pytest.raises(BlockingIOError, match=rf"'{copy}' is in use by process {os.getpid()} on .* since "),
    ):
        _train(copy, data)


_STATE = "stages/1_freeze_scales/trial_000/state.npz"
_CHOSEN = "CHOSEN/min_val_loss.keras"
_DAMAGED = {
    "stages/0_float/trial_000/trial.json": "Delete it, and the trial runs again",
    "stages/0_float/choice.json": "Delete it, and the choice is made again",
    _STATE: "Delete it, and the trial starts again at its first epoch",
    _CHOSEN: "Delete trial.json beside it, and the trial runs again",
    "LAST/validation.npz": "Delete trial.json beside it, and the trial runs again",
}


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path):
    path.write_bytes(b"")


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize(
    "name, spoil", [*zip(_DAMAGED, (_cut, _empty, _cut, _cut, _flip), strict=True), (_STATE, _flip), (_CHOSEN, _flip)]
)
def test_a_damaged_file_is_named_and_the_advice_helps(whole, data, copy, name, spoil):
    path = copy / name.replace("CHOSEN", _chosen(copy)).replace("LAST", "stages/1_freeze_scales/trial_000")
    if "LAST" in name:  # needed when all trials are there
        _train(copy, data)
        for end in ("result.json", "best.keras"):
            (copy / end).unlink()
    spoil(path)
    before = _snapshot(copy)
    with pytest.raises(ValueError, match="is damaged: ") as raised:
        _train(copy, data)
    assert f"'{path}' is damaged" in str(raised.value) and _DAMAGED[name] in str(raised.value)
    assert _snapshot(copy) == before
    path.unlink()
    if "beside" in _DAMAGED[name]:
        path.with_name("trial.json").unlink()
    _train(copy, data)
    assert contents(copy) == contents(whole)


def _chosen(directory):
    number = files.read_json(directory / "stages/0_float/choice.json")["chosen"]
    return f"stages/0_float/trial_{number:03d}"


@pytest.mark.parametrize("content", ['{"format": "keras_effi', "[]", ""])
def test_a_damaged_manifest_is_named(data, copy, content):
    (copy / "manifest.json").write_text(content)
    before = _snapshot(copy)
    with pytest.raises(ValueError, match="manifest.json' is damaged: .*use another directory"):
        _train(copy, data)
    assert _snapshot(copy) == before


def test_a_damaged_result_is_named_and_written_again(whole, data, tmp_path):
    copy = shutil.copytree(whole, tmp_path / "run")
    _cut(copy / "result.json")
    with pytest.raises(ValueError, match="result.json' is damaged: .*Delete it, and the same call writes it again"):
        _train(copy, data)
    (copy / "result.json").unlink()
    _train(copy, data)
    assert contents(copy) == contents(whole)


def test_a_missing_checkpoint_and_foreign_files_are_named(data, copy):
    for name in ("trial_001/trial.json", "trial_001/min_val_loss.keras"):
        (copy / "stages/0_float" / name).rename(copy / "stages/0_float" / f"{name}.away")
    _crash(copy, data, at=(0, 1, 3))
    # The state of another trial, and a record with other fields.
    own = copy / "stages/0_float/trial_001/state.npz"
    kept = own.read_bytes()
    shutil.copy(copy / _STATE, own)
    with pytest.raises(ValueError, match="trial_001/state.npz' is damaged: it is of a trial with seed"):
        _train(copy, data)
    own.write_bytes(kept)
    (copy / "stages/0_float/trial_000/trial.json").write_text('{"trial": 0, "lucky": 1}')
    with pytest.raises(ValueError, match="trial_000/trial.json' is damaged: .*lucky"):
        _train(copy, data)


def test_a_lost_checkpoint_is_named(data, copy):
    path = copy / _chosen(copy) / "min_val_loss.keras"
    path.unlink()
    with pytest.raises(ValueError, match=r"min_val_loss.keras' is missing. Delete trial.json beside it"):
        _train(copy, data)


def test_another_choice_is_refused(data, copy):
    chosen = files.read_json(copy / "stages/0_float/choice.json")["chosen"]
    files.write_json(copy / "stages/0_float/choice.json", {"chosen": 1 - chosen})
    with pytest.raises(ValueError, match=f"choice.json' says .* but now the rule chooses trial {chosen}"):
        _train(copy, data)


@pytest.mark.parametrize("key, value", [("precision", "mixed_float16"), ("backend", "abacus")])
def test_other_surroundings_are_refused(data, copy, key, value):
    manifest = files.read_json(copy / "manifest.json")
    files.write_json(copy / "manifest.json", {**manifest, key: value})
    with pytest.raises(ValueError, match=f"holds a run with other settings: {key} is '{value}' there"):
        _train(copy, data)
    del manifest["versions"]["numpy"]
    files.write_json(copy / "manifest.json", manifest)
    with pytest.raises(ValueError, match="versions.numpy is None there and '"):
        _train(copy, data)


def test_schedules_of_the_same_name_are_told_apart(data, tmp_path):
    _train(tmp_path, data, stages=_stages(schedule=lambda epoch: 0.01)[:1])
    with pytest.raises(ValueError, match=r"stages\[0\].learning_rates\[0\] is 0.01 there and 0.02 here"):
        _train(tmp_path, data, stages=_stages(schedule=lambda epoch: 0.02)[:1])


class _FullDisk:
    """Lets some files be written, then none, as a disk that runs full in the middle of a file."""

    def __init__(self, patch, files_that_fit):
        self.left, self.fsync = files_that_fit, files.os.fsync
        patch.setattr(files.os, "fsync", self)

    def __call__(self, descriptor):
        if self.left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.left -= 1
        return self.fsync(descriptor)


@pytest.mark.parametrize("written", [0, 6, 16, 45])
def test_a_full_disk_keeps_what_is_there(whole, data, tmp_path, written):
    directory = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        _FullDisk(patch, written)
        with pytest.raises(OSError, match=r"cannot be written \(No space left on device\); what was there") as raised:
            _train(directory, data)
    assert raised.value.errno == errno.ENOSPC and raised.value.filename.startswith(str(directory))
    check_whole(directory)
    assert not list(filter(is_temporary, directory.rglob("*")))
    _train(directory, data)
    assert contents(directory) == contents(whole)


@pytest.mark.parametrize("name", ["best.keras", "state.npz", "record.json"])
def test_the_system_refuses_in_the_middle_of_a_file(tmp_path, name):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64)])
    writers = {
        "best.keras": model.save,
        "state.npz": lambda path: np.savez(path, a=np.zeros(10_000)),
        "record.json": lambda path: path.write_text("0" * 50_000),
    }
    path = tmp_path / name
    path.write_text("the last good state")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot be written \(File too large\)") as raised:
            files.write_atomically(path, writers[name])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.filename == str(path)
    assert path.read_text() == "the last good state" and list(tmp_path.iterdir()) == [path]
