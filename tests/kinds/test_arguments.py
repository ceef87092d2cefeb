"""Paths, flags, counts and arrays are checked in one place: a wrong one is refused in words, wherever it is given."""

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.compat import tinybig


def _model():
    model = keras.Sequential([keras.Input((4,)), ke.DenseQ(3)])
    ke.set_mode(model, "freeze_scales")
    return model


PATHS = {
    "export_c": lambda path: ke.export_c(_model(), path),
    "export_litert": lambda path: ke.export_litert(_model(), path),
    "verify_c": lambda path: ke.export.verify_c(_model(), path, np.zeros((1, 4), np.uint8)),
    "read_coordinates": ke.export.read_coordinates,
    "read_description": ke.descriptions.read_description,
    "load_2019": ke.compat.load_2019,
    "load_network": tinybig.load_network,
}
FLAGS = {
    "signed": lambda value: ke.ActivationQ(signed=value),
    "softmax": lambda value: ke.build_network([("S", 2, 4, 8, 8)], (4,), softmax=value),
    "fold_batch_norm": lambda value: ke.quantize_model(_model(), fold_batch_norm=value),
    "sparse": lambda value: ke.export_c(_model(), "nowhere", sparse=value),
    "layer_wise": lambda value: ke.RandomBases("sgd", 4, layer_wise=value),
}
COUNTS = {
    "size": [ke.ops.dct_matrix, ke.ops.riffle_order, ke.ops.random_order],
    "count": [lambda value: ke.ops.hashed_words(0, 0, value)],
    "dimensions": [lambda value: ke.ops.strided_project(np.ones(8, "float32"), value)],
    "n": [lambda value: ke.ops.strided_expand(np.ones(3, "float32"), value)],
    "order": [lambda value: ke.ops.taylor_moments(np.ones((1, 3), "float32"), value)],
    "seed": [lambda value: ke.ops.hashed_signs(value, 0, 4), lambda value: ke.ops.hashed_words(value, 0, 4)],
    "salt": [lambda value: ke.ops.hashed_uniform(0, value, 4)],
    "step": [lambda value: ke.pruning.update_masks(_model(), value)],
    "depth": [lambda value: ke.networks.wide_resnet(value, 1)],
}


@pytest.mark.parametrize("value", [3, None, ["out"]])
@pytest.mark.parametrize("name", PATHS)
def test_what_is_no_path_is_refused(name, value):
    with pytest.raises(TypeError, match=r"`(path|directory)` must be a path: .*Received: "):
        PATHS[name](value)


@pytest.mark.parametrize("value", ["yes", 2, None])
@pytest.mark.parametrize("name", FLAGS)
def test_what_is_no_flag_is_refused(name, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"`{name}` must be True or False. Received: {name}="):
        FLAGS[name](value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [1.5, "3", True, [3]])
@pytest.mark.parametrize(("name", "call"), [(name, call) for name, calls in COUNTS.items() for call in calls])
def test_what_is_no_count_is_refused(name, call, value):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer.*Received: {name}="):
        call(value)


@pytest.mark.parametrize("order", [[0, 0, 1], [0.0, 1.0, 2.0], [1, 2, 3], [[0, 1, 2]]])
def test_what_is_no_permutation_is_refused(order):
    with pytest.raises(ValueError, match="`order` must hold every integer from 0 to N - 1, once. Received: "):
        ke.ops.permute(np.ones(3, "float32"), np.array(order))


X = np.zeros((8, 4), "float32")


@pytest.mark.parametrize(
    "x",
    [X.astype(str), X + 1j, X.astype("datetime64[s]"), np.ma.masked_equal(X, 0), X.astype(object)],
    ids=["text", "complex", "dates", "masked", "objects"],
)
def test_samples_that_are_no_real_numbers_are_refused(x, tmp_path):
    y = np.arange(8) % 2
    for call in (
        lambda: ke.quantize_model(_model(), x=x),
        lambda: ke.calibrate(_model(), x=x),
        lambda: ke.train_network([("S", 2, 4, 8, 8)], (x, y, x, y), [ke.Stage("float", 1, 1)], tmp_path / "run"),
    ):
        with pytest.raises(ValueError, match="`x` must hold real numbers. Received: "):
            call()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("executor", [3, "ray"])
def test_what_runs_nothing_is_refused_before_a_file_is_written(executor, tmp_path):
    data, stages = (X, np.arange(8) % 2) * 2, [ke.Stage("float", 1, 1)]
    with pytest.raises(TypeError, match="`executor` must be None, or have `submit`"):
        ke.train_network([("S", 2, 4, 8, 8)], data, stages, tmp_path / "run", executor)
    assert not (tmp_path / "run").exists()


def test_an_array_in_the_place_of_another_argument_is_told_by_its_shape():
    x = np.zeros((64, 15), "float32")
    model = _model()
    for call in (
        lambda: ke.quantize_model(model, x),
        lambda: ke.calibrate(model, x),
        lambda: ke.export.verify_c(model, x, x),
        lambda: ke.prune_model(x, ke.ConstantSparsity(0.5)),
    ):
        with pytest.raises(
            (TypeError, ValueError), match=r"Received: .*ndarray of float32, shape \(64, 15\)"
        ) as caught:
            call()
        assert len(str(caught.value)) < 400
