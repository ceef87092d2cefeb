"""`train --data`: what a table becomes before it is trained on."""

import json
import warnings

import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.command_line.table_options import read_task

RANDOM = np.random.default_rng(0)


@pytest.fixture
def task(tmp_path):
    """The task of a table: of targets as a CSV with two columns of numbers, of arrays as .npz."""

    def read(content, network=None, loss=None):
        if isinstance(content, dict):
            path = tmp_path / "t.npz"
            np.savez(path, **content)
        else:
            path = tmp_path / "t.csv"
            rows = [f"{row}.5,7,{target}" for row, target in enumerate(content)]
            path.write_text("\n".join(["a,b,target", *rows]))
        if network is not None:
            (tmp_path / "n.json").write_text(json.dumps(network))
        return read_task(path, None, 0, network and tmp_path / "n.json", loss)

    return read


def targets(task):
    return np.concatenate([task.data.y_train, task.data.y_val, task.data.y_test])


@pytest.mark.parametrize(
    ("column", "loss", "used", "last", "values"),
    [
        ([0.25, 1.5] * 10, None, "mse", ["S", 1, 8, 8, 16], {0.25, 1.5}),
        ([0, 1] * 10, None, None, ["S", 2, 8, 8, 16], {0, 1}),
        ([3, 5, 12] * 10, None, None, ["S", 3, 8, 8, 16], {"3", "5", "12"}),
        (["on", "off"] * 10, None, None, ["S", 2, 8, 8, 16], {"on", "off"}),
        (["on", "off"] * 10, "binary_crossentropy", "binary_crossentropy", ["S", 1, 8, 8, 16], {"on", "off"}),
        ([0.0, 1.0] * 10, "binary_crossentropy", "binary_crossentropy", ["S", 1, 8, 8, 16], {0, 1}),
        ([3, 5, 12] * 10, "mae", "mae", ["S", 1, 8, 8, 16], {3.0, 5.0, 12.0}),
    ],
)
def test_targets_decide_loss_and_outputs(task, column, loss, used, last, values):
    found = task(column, loss=loss)
    assert (found.loss, found.network[-1]) == (used, last)
    assert set(targets(found).tolist()) == values


def test_rows_of_targets_have_as_many_outputs(task):
    x, rows = RANDOM.normal(size=(20, 3)), RANDOM.normal(size=(20, 2))
    regression = task({"x": x, "y": rows})
    assert (regression.loss, regression.network[-1][:2]) == ("mse", ["S", 2])
    several = task({"x": x, "y": (rows > 0).astype(int)}, loss="binary_crossentropy")
    assert several.network[-1][:2] == ["S", 2] and targets(several).shape == (20, 2)


@pytest.mark.parametrize("shape", [(3,), (20, 3), (9, 8, 3)])
def test_inputs_are_normalized_and_rounded_to_bytes(task, shape):
    x = RANDOM.normal(size=(60, *shape)) * [1, 10, 0] + [5, -100, 0.1]
    network = [["F", 4, 8, 8, 8], ["S", 2, 8, 8, 8]]
    found = task({"x": x, "y": np.arange(60) % 2}, network=network)
    assert found.network[2:] == network and found.network[0]["config"]["variance"][2] == 1  # a constant stays small
    model = ke.build_network(found.network, shape, "learn_scales")
    normalized = np.asarray(model.layers[1](found.data.x_train)).reshape(-1, 3)
    np.testing.assert_allclose(normalized.mean(axis=0), [0, 0, 0], atol=1e-4)
    np.testing.assert_allclose(normalized.std(axis=0), [1, 1, 0], atol=1e-4)
    assert ke.estimate_storage(model).input_bits == 8 and model.layers[2].signed
    default = task({"x": x, "y": np.arange(60) % 2})
    ke.build_network(default.network, shape)


def test_images_of_bytes_are_those_of_the_data_sets(task):
    x = RANDOM.integers(0, 256, (40, 8, 8)).astype("uint8")
    found = task({"x": x, "y": np.arange(40) % 4})
    assert found.data.x_train.shape[1:] == (8, 8, 1) and found.network[0][0] == "C"
    assert set(np.unique(found.data.x_train * 256)) <= set(range(256)) and found.data.x_train.max() < 1


def test_targets_far_from_one_are_told(task):
    with pytest.warns(UserWarning, match="the targets of .* are about 2,12.: training takes long"):
        task([1500.5, 2500.5] * 10)
    with pytest.warns(UserWarning, match="are 21 different whole numbers: each counts as a class. For a regression"):
        task([row % 21 for row in range(84)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task([150, 250] * 10)  # classes


@pytest.mark.parametrize(
    ("column", "loss", "message"),
    [
        (["on", "off"] * 10, "mse", "the loss compares numbers, and the targets of .* are texts. Received: 'o"),
        (range(20), None, "or numbers with `--loss mse`. Received: 20 different values in 20 rows"),
        ([1] * 20, None, "two or more classes .* Received: 1 different values"),
        ([0.5, 1.5] * 10, "sparse_categorical_crossentropy", "must be two or more classes"),
    ],
)
def test_targets_that_do_not_fit_are_refused(task, column, loss, message):
    with pytest.raises(ValueError, match=message):
        task(column, loss=loss)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "t.csv", "--dataset", "digits"], "Only one of `--data` and `--dataset`"),
        (["--data", "t.csv", "--data-dir", "data"], "Only one of `--data` and `--data-dir`"),
        (["--target", "a"], "`--target` is a column of `--data FILE.csv`"),
        (["--data", "missing.csv"], "there is no table at missing.csv"),
        (["--data", "t.csv", "--target", "c"], "must be a column of t.csv: a, b. Received: --target='c'"),
        (["--data", "t.csv", "--loss", "luck"], "`--loss` must be the name of a Keras loss"),
        (["--data", "t.csv", "--augment", "1"], "`images` must have the shape"),
        (["--data", "gap.csv"], r"row 2 of gap.csv \(line 3\) has no value in the column 'b'"),
    ],
)
def test_wrong_options_end_in_one_line(tmp_path, command, arguments, message):
    (tmp_path / "t.csv").write_text("a,b\n" + "1,0\n2,1\n" * 10)
    (tmp_path / "gap.csv").write_text("a,b\n1,0\n1,\n")
    code, output, errors = command("train", *arguments)
    assert (code, output) == (2, "") and errors.count("\n") == 1
    with pytest.raises(ValueError, match=message):
        raise ValueError(errors)
    assert not (tmp_path / "runs").exists()
