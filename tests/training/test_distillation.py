"""Labels softened by trained networks."""

import json
import shutil
from contextlib import nullcontext

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.training import process_pool
from keras_efficient.training.data import TrainingData
from keras_efficient.training.distillation import distilled

NETWORK = [("S", 3, 4, 8, 8)]


def data(samples=64):
    random = np.random.default_rng(0)
    x = random.random((samples, 4, 4, 1), dtype="float32")
    return x, random.integers(0, 3, samples), x[:32], random.integers(0, 3, 32)


def parts(x, y, x_val, y_val):
    return TrainingData.of_parts([(x, y, None), (x_val, y_val, None)])


def stages(distillation=0.5, **settings):
    return [
        ke.Stage("float", 2, 2, batch_size=8),
        ke.Stage("learn_scales", 1, 2, batch_size=8, distillation=distillation, **settings),
    ]


def teacher(path, seed, classes=3, shape=(4, 4, 1)):
    keras.utils.set_random_seed(seed)
    model = ke.build_network([("S", classes, 4, 8, 8)], shape)
    model.save(path)
    return model


def test_labels_are_the_mean_of_the_teachers_beside_the_truth(tmp_path):
    files = [tmp_path / "a.keras", tmp_path / "b.keras"]
    models = [teacher(path, seed) for seed, path in enumerate(files)]
    plain = parts(*data())
    soft = distilled(plain, 0.25, files)
    answers = np.mean([model.predict(plain.x_train, verbose=0) for model in models], axis=0)
    np.testing.assert_allclose(soft.y_train, 0.75 * np.eye(3)[plain.y_train] + 0.25 * answers, atol=1e-6)
    np.testing.assert_array_equal(soft.y_val.argmax(axis=1), plain.y_val)
    assert set(np.unique(soft.y_val)) == {0, 1} and soft.x_train is plain.x_train


def test_one_hot_labels_stay_rows(tmp_path):
    teacher(tmp_path / "a.keras", 0)
    x, y, x_val, y_val = data()
    rows = parts(x, np.eye(3)[y], x_val, np.eye(3)[y_val])
    np.testing.assert_allclose(
        distilled(rows, 0.5, [tmp_path / "a.keras"]).y_train,
        distilled(parts(*data()), 0.5, [tmp_path / "a.keras"]).y_train,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose float trials teach the next stage."""
    directory = tmp_path_factory.mktemp("distillation") / "run"
    return ke.train_network(NETWORK, data(), stages(), directory, verbose=False), directory


def test_float_trials_teach_the_next_stage(run, tmp_path):
    selection, directory = run
    files = sorted(directory.glob("stages/0_float/trial_*/min_val_loss.keras"))
    assert len(files) == 2
    named = ke.train_network(NETWORK, data(), stages(teachers=files), tmp_path / "named", verbose=False)
    plain = ke.train_network(NETWORK, data(), stages(None), tmp_path / "plain", verbose=False)
    histories = [each.stages[1].trials[0].history for each in (selection, named, plain)]
    assert histories[0] == histories[1]
    assert histories[0]["loss"] != histories[2]["loss"]
    # Validation is never softened: what differs is the network.
    assert selection.stages[0].trials[0].history == plain.stages[0].trials[0].history


def test_interrupted_and_spread_runs_give_the_same(run, tmp_path):
    selection, directory = run
    whole = selection.stages[1].trials[0].history
    for executor in (None, process_pool(1)):
        again = tmp_path / type(executor).__name__
        shutil.copytree(directory, again)
        (again / "result.json").unlink()
        (again / "stages/1_learn_scales/trial_000/trial.json").unlink()
        with executor or nullcontext():
            found = ke.train_network(NETWORK, data(), stages(), again, executor, verbose=False)
        # A worker has fewer threads, which groups sums in another way.
        tolerance = 0 if executor is None else 1e-4
        np.testing.assert_allclose(found.stages[1].trials[0].history["val_loss"], whole["val_loss"], rtol=tolerance)
        assert not (again / "shared_soft_data").exists()


def test_teachers_are_known_by_what_they_hold(tmp_path):
    path = tmp_path / "teacher.keras"
    teacher(path, 0)
    ke.train_network(NETWORK, data(), stages(teachers=path), tmp_path / "run", verbose=False)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert str(tmp_path) not in json.dumps(manifest)
    teacher(path, 1)
    with pytest.raises(ValueError, match=r"other settings: stages\[1\]\.teachers"):
        ke.train_network(NETWORK, data(), stages(teachers=path), tmp_path / "run", verbose=False)


@pytest.mark.parametrize("share", [-0.1, 1.5, "half", True, float("nan")])
def test_wrong_shares_are_refused(share):
    with pytest.raises(ValueError, match="`distillation` must be a number from 0 to 1"):
        ke.Stage("float", 1, 1, distillation=share)


def test_wrong_teachers_are_refused(tmp_path):
    teacher(tmp_path / "a.keras", 0)
    with pytest.raises(ValueError, match="together with a `distillation` above 0"):
        ke.Stage("float", 1, 1, teachers=tmp_path / "a.keras")
    with pytest.raises(ValueError, match="does not exist"):
        ke.Stage("float", 1, 1, distillation=0.5, teachers=[tmp_path / "b.keras"])
    with pytest.raises(ValueError, match="no float stage before it"):
        ke.train_network(NETWORK, data(), stages()[1:], tmp_path / "run", verbose=False)
    assert not (tmp_path / "run").exists()
    teacher(tmp_path / "two.keras", 0, classes=2)
    with pytest.raises(ValueError, match="knows 2 classes, but the labels have 3"):
        distilled(parts(*data()), 0.5, [tmp_path / "two.keras"])
    teacher(tmp_path / "large.keras", 0, shape=(5, 5, 1))
    with pytest.raises(ValueError, match="does not take samples of shape"):
        distilled(parts(*data()), 0.5, [tmp_path / "large.keras"])
