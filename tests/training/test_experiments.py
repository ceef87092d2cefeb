"""Experiments as files: what a YAML file means, the hash of a run, what is run and what is not."""

import hashlib
import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_efficient as ke
from keras_efficient.cli import main
from keras_efficient.training import plan_experiment, run_experiment
from keras_efficient.training.experiments import execution, resolve
from keras_efficient.training.experiments.plan import points
from keras_efficient.training.experiments.resolve import make_stages, settings_hash
from keras_efficient.training.experiments.updates import merge, nested
from keras_efficient.training.experiments.yaml_file import read_experiment

_NETWORK = [["M", 2, 4], ["S", 10, 4, 8, 8]]
_BASE = {
    "data": {"dataset": "digits", "limit": 64},
    "network": _NETWORK,
    "epochs": 1,
    "stages": [{"mode": "float"}],
}


def _plan(**changes):
    return plan_experiment({**_BASE, **changes})


def _settings(**changes):
    """The settings of all runs."""
    return [run.settings for point in _plan(**changes).points for run in point.runs]


def _stage(**changes):
    """The only stage of the only run."""
    ((stage,),) = (settings["stages"] for settings in _settings(**changes))
    return stage


# What a file means


@pytest.mark.parametrize(
    "before, update, after",
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": 2}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": [{"b": 1, "c": 2}, 5]}, {"a": {"0": {"b": 7}}}, {"a": [{"b": 7, "c": 2}, 5]}),
        ({"a": {"grid": [1, 2]}}, {"a": {"b": 3}}, {"a": {"b": 3}}),
        ({"a": {"b": 3}}, {"a": {"grid": [1, 2]}}, {"a": {"grid": [1, 2]}}),
    ],
)
def test_merge(before, update, after):
    kept = deepcopy((before, update))
    assert merge(before, update) == after
    assert (before, update) == kept


def test_dotted_keys_are_written_out_at_all_depths():
    assert nested({"a.b": 1, "a.c.d": 2, "a": {"e": 3}}) == {"a": {"b": 1, "c": {"d": 2}, "e": 3}}
    assert nested({"a": [{"b.c": 1}]}) == {"a": [{"b": {"c": 1}}]}


def test_grid_is_the_product_in_the_order_of_the_file():
    grid = points({"rule": ["score", "val_loss"], "epochs": [5, 10], "seeds": [0, 1], "network": _NETWORK})
    assert [(p["rule"], p["epochs"]) for p in grid] == [("score", 5), ("score", 10), ("val_loss", 5), ("val_loss", 10)]
    assert all(p["seeds"] == [0, 1] and p["network"] == _NETWORK for p in grid)


def test_lists_by_nature_take_the_word_grid_and_hold_grids():
    stages = [{"mode": "float", "epochs": [1, 2]}, {"mode": "learn_scales"}]
    assert [p["stages"][0]["epochs"] for p in points({"stages": stages})] == [1, 2]
    assert [p["stages"] for p in points({"stages": {"grid": [stages[1:], stages]}})] == [
        stages[1:],
        [{"mode": "float", "epochs": 1}, stages[1]],
        [{"mode": "float", "epochs": 2}, stages[1]],
    ]
    network = [["C", {"grid": [4, 8]}, 3, 4, 8, 4]]
    assert [p["network"][0][1] for p in points({"network": network})] == [4, 8]
    assert len(points({"network": {"builder": "a:b", "arguments": {"units": [4, 8]}}})) == 1


def test_settings_beside_the_stages_are_their_defaults():
    stage = _stage(epochs=7, learning_rate=0.1, stages=[{"mode": "float", "epochs": 3}])
    assert stage == {"mode": "float", "epochs": 3, "learning_rate": 0.1}


def test_halving_of_a_stage():
    settings = _stage(epochs=9, halving={"first_epochs": 3, "factor": 3})
    assert settings["halving"] == {"first_epochs": 3, "factor": 3}
    assert make_stages([settings], 160)[0].halving == ke.Halving(3, 3)


def test_variants_and_updates_apply_in_order():
    variants = {
        "~cnn": {"epochs": 5, "learning_rate": 0.1},
        "~both": ["~cnn", {"data.augment": 2}],
    }
    methods = {
        "plain": None,
        "one": "~cnn",
        "last": ["~both", {"epochs": 9}],
        "first": [{"epochs": 9}, "~both"],
        "nested": {"stages.0.epochs": 4, "data": {"augment": [1, 3]}},
    }
    plan = _plan(variants=variants, methods=methods)
    found = [(p.method, p.runs[0].settings["stages"][0]["epochs"], p.runs[0].settings["data"]) for p in plan.points]
    digits = _BASE["data"]
    assert found == [
        ("plain", 1, digits),
        ("one", 5, digits),
        ("last", 9, {**digits, "augment": 2}),
        ("first", 5, {**digits, "augment": 2}),
        ("nested", 4, {**digits, "augment": 1}),
        ("nested", 4, {**digits, "augment": 3}),
    ]


def test_every_seed_is_a_run_and_equal_runs_are_one():
    plan = _plan(seeds=[3, 5], methods={"a": [], "b": [], "c": {"epochs": 2}})
    assert [[run.settings["seed"] for run in point.runs] for point in plan.points] == [[3, 5]] * 3
    assert plan.points[0].runs == plan.points[1].runs and len(plan.runs) == 4
    assert plan.differing() == ["epochs"]


def test_a_yaml_file(tmp_path):
    (tmp_path / "net.json").write_text(json.dumps(_NETWORK))
    path = tmp_path / "study.yaml"
    path.write_text(
        "data: {dataset: digits, data_dir: here}\nnetwork: net.json\nlearning_rate: 1e-3 # a number\n"
        "stages: [{mode: float, epochs: 2}]\nvariants: {~large: {batch_size: 9}}\nmethods: {no: [~large]}\n"
    )
    plan = plan_experiment(path)
    (run,) = plan.runs
    assert plan.storage == Path("runs/study") and plan.points[0].method == "no"
    assert run.settings == {
        "data": {"dataset": "digits", "data_dir": str(tmp_path / "here")},
        "network": _NETWORK,
        "stages": [{"mode": "float", "epochs": 2, "learning_rate": 0.001, "batch_size": 9}],
        "seed": 0,
    }
    assert plan_experiment(path, tmp_path / "out").storage == tmp_path / "out"
    path.write_text(path.read_text() + "storage: kept\n")
    assert plan_experiment(path).storage == tmp_path / "kept"


def test_an_optimizer_with_settings_is_known_again():
    sgd = {"class_name": "sgd", "config": {"momentum": 0.9}}
    first, second = (make_stages([_stage(optimizer=sgd)], 160)[0].describe() for _ in range(2))
    assert first == second and "'momentum': 0.9" in str(first)


@pytest.mark.parametrize("text, value", [("1e-3", 1e-3), ("-.5", -0.5), ("10", 10), ("yes", "yes"), ("~", None)])
def test_yaml_values(text, value, tmp_path):
    (tmp_path / "a.yaml").write_text(f"epochs: {text}")
    assert read_experiment(tmp_path / "a.yaml")[0] == {"epochs": value}


def test_yaml_values_that_stay_text(tmp_path):
    (tmp_path / "a.yaml").write_text("a: [2020-01-01, 010, ~cnn]")
    assert read_experiment(tmp_path / "a.yaml")[0] == {"a": ["2020-01-01", "010", "~cnn"]}


def test_the_example_is_valid():
    example = Path(__file__).parents[2] / "scripts/experiments/digits.yaml"
    plan = plan_experiment(example)
    assert [point.method for point in plan.points] == ["plain", "long", "elastic", "sgd", "sgd", "filters", "filters"]
    assert len(plan.runs) == 21


# The hash

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def _shuffled(value, generator):
    if isinstance(value, list):
        return [_shuffled(item, generator) for item in value]
    if not isinstance(value, dict):
        return value
    items = [(key, _shuffled(item, generator)) for key, item in value.items()]
    generator.shuffle(items)
    return dict(items)


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.text(max_size=3), _JSON, max_size=5), st.randoms(use_true_random=False))
def test_hash_does_not_see_the_order_of_keys(value, generator):
    assert settings_hash(_shuffled(value, generator)) == settings_hash(value)
    assert settings_hash({**value, "one more key": 1}) != settings_hash(value)


@settings(deadline=None, max_examples=20)
@given(st.randoms(use_true_random=False))
def test_runs_do_not_see_the_order_of_keys(generator):
    study = {**_BASE, "batch_size": 8, "methods": {"a": {"data": {"augment": 1}, "epochs": 2}}, "rule": "val_loss"}
    assert plan_experiment(_shuffled(study, generator)).runs[0].sha256 == plan_experiment(study).runs[0].sha256


def test_hash_of_numbers():
    assert settings_hash({"a": [1, -0.0, 2.5]}) == settings_hash({"a": [1.0, 0, 2.5]})
    assert len({settings_hash({"a": value}) for value in (1, True, "1", None, 1.5, [1])}) == 6


def test_the_hash_stays_from_version_to_version():
    (run,) = _plan().runs
    text = (
        '{"data":{"dataset":"digits","limit":64},"network":[["M",2,4],["S",10,4,8,8]],"seed":0,'
        '"stages":[{"epochs":1,"mode":"float"}]}'
    )
    assert run.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert run.folder.name == run.sha256[:16] == "08fa1c7ef8d4efea"


@pytest.mark.parametrize(
    "changes",
    [
        {"metric": "test_accuracy"},
        {"storage": "elsewhere"},
        {"methods": {"a name": []}},
        {"variants": {"~unused": {"epochs": 3}}},
        {"seeds": [0]},
        {"rule": "score"},
        {"rule": None, "engine": None},
        {"engine": "auto"},
        {"learning_rate": 0.005, "optimizer": "adam", "weight_decay": None},
        {"data": {"limit": 64, "dataset": "digits", "augment": 0, "data_dir": None}},
        {"epochs": 5, "stages": [{"mode": "float", "epochs": 1, "trials": 1}]},
        {"network": tuple(map(tuple, _NETWORK))},
    ],
)
def test_what_means_the_same_has_the_same_hash(changes):
    assert _plan(**changes).runs[0].sha256 == _plan().runs[0].sha256


def test_a_network_file_is_its_content(tmp_path):
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"network": _NETWORK, "input_shape": [8, 8, 1]}))
    assert _plan(network=str(path)).runs[0].sha256 == _plan().runs[0].sha256


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [1]},
        {"rule": "val_loss"},
        {"engine": "compiled"},
        {"engine": "keras"},
        {"epochs": 2},
        {"batch_size": 1024},
        {"optimizer": {"class_name": "sgd"}},
        {"network": [["S", 10, 4, 8, 8]]},
        {"data": {"dataset": "digits"}},
        {"data": {**_BASE["data"], "split_seed": 0}},
        {"data": {**_BASE["data"], "data_dir": "a"}},
        {"stages": [{"mode": "float", "trials": 2}]},
    ],
)
def test_what_changes_the_result_changes_the_hash(changes):
    assert _plan(**changes).runs[0].sha256 != _plan().runs[0].sha256


# Refusals


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"lerning_rate": 1}, "`lerning_rate` is not a setting. Did you mean `learning_rate`"),
        ({"data": {"dataset": "digits", "xyz": 1}}, "`data.xyz` is not a setting. The settings there: dataset"),
        ({"data.augment.affine.rotate": 1}, "`data.augment.affine.rotate` is not a setting"),
        ({"stages": [{"mode": "float", "epoch": 1}]}, "`stages[0].epoch` is not a setting"),
        ({"stages": [{"mode": "float", "callbacks": []}]}, "`stages[0].callbacks` is not a setting"),
        ({"mode": "float"}, "`mode` is not a setting"),
        ({"network": {"build": "a:b"}}, "`network.build` is not a setting. Did you mean `builder`"),
        ({"variants": {"~a": {"epoch": 1}}}, "`variants.~a.epoch` is not a setting"),
        ({"methods": {"m": [{}, {"data": {"augmnt": 1}}]}}, "`methods.m[1].data.augmnt` is not a setting"),
        ({"methods": {"m": {"metric": "val_loss"}}}, "`methods.m.metric`: `metric` holds for the whole file"),
        ({"data": None}, "`data` must name a data set"),
        ({"data": "digits"}, "`data` must name a data set"),
        ({"data": {"dataset": "imagenet"}}, "`data`: `dataset` must be one of 'digits'"),
        ({"data.limit": 0}, "`limit` must be an integer of at least 1"),
        ({"data.augment": "two"}, "`augment` must be an integer"),
        ({"data.augment": {"sigma": 2}}, "`augment.copies` is missing"),
        ({"data.augment": {"copies": 1, "kernel_size": 4}}, "`kernel_size` must be odd"),
        ({"data.data_dir": 3}, "`data_dir` must be a folder"),
        ({"network": None}, "`network` must be a description, a JSON file"),
        ({"network": 5}, "`network` must be a description, a JSON file"),
        ({"network": ["a.json", "b.json"]}, "for choices write {grid: ['a.json', 'b.json']}"),
        ({"network": {"builder": "json"}}, "`builder` must be 'module:function'"),
        ({"network": {"builder": "json:dumps", "arguments": [1]}}, "`arguments` must be names and values"),
        ({"stages": []}, "`stages` must be a list such as"),
        ({"stages": {"mode": "float"}}, "`stages` must be a list such as"),
        ({"stages": [{"mode": "flaot"}]}, "`stages[0]`: "),
        ({"stages": [{"trials": 1}]}, "`stages[0].mode` is missing"),
        ({"epochs": None}, "`stages[0].epochs` is missing"),
        (
            {"stages": [{"mode": "float", "epochs": 2}], "methods": {"m": {"epochs": 3}}},
            "`methods.m`: `epochs` beside `stages` has no effect",
        ),
        ({"epochs": "many"}, "`stages[0]`: `epochs` must be a positive integer"),
        ({"learning_rate": "fast"}, "`learning_rate` must be a positive number"),
        ({"optimizer": "adamm"}, "adamm"),
        ({"optimizer": {"class_name": 3}}, "`optimizer` must be a name or"),
        ({"optimizer": {"class_name": "sgd", "config": {"x": 1}}}, "`stages[0]`: "),
        ({"loss": "no_such_loss"}, "no_such_loss"),
        ({"schedule": 3}, "`schedule` must be a name"),
        ({"halving": 3}, "`stages[0]`: `halving` must be settings such as {first_epochs: 5, factor: 2}. Received: 3"),
        ({"halving": {"factor": 3}}, "`halving` must be settings such as"),
        ({"halving": {"first_epoch": 3}}, "`halving.first_epoch` is not a setting. Did you mean `first_epochs`"),
        ({"halving": {"first_epochs": 1}}, "fewer `first_epochs` than the stage has `epochs`"),
        ({"epochs": []}, "`epochs` must be a list of choices, at least one"),
        ({"network": {"grid": 3}}, "`network` must be a list of choices"),
        ({"metric": "accuracy"}, "`metric` must be one of 'val_accuracy'"),
        ({"metric": ["val_loss"]}, "`metric` must be one of 'val_accuracy'"),
        ({"rule": "luck"}, "`rule` must be one of"),
        ({"seeds": 3}, "`seeds` must be a list of different whole numbers"),
        ({"seeds": []}, "`seeds` must be a list of different whole numbers"),
        ({"seeds": [1, 1]}, "`seeds` must be a list of different whole numbers"),
        ({"seeds": [-1]}, "`seeds` must be a list of different whole numbers"),
        ({"engine": "steam"}, "`engine` must be one of"),
        ({"storage": 3}, "`storage` must be a folder"),
        ({"variants": ["~a"]}, "`variants` must map names such as ~cnn"),
        ({"variants": {"a": {}}}, "the name of a variant starts with ~, such as `~a`"),
        ({"variants": {"~a": [3]}}, "`variants.~a[0]` must be a list of variants and updates"),
        ({"variants": {"~a": ["~b"], "~b": "~a"}}, "the variant uses itself: ~b -> ~a -> ~b"),
        (
            {"variants": {"~c": "~d", "~d": "~a", "~a": "~b", "~b": "~a"}},
            "`variants.~b`: the variant uses itself: ~a -> ~b -> ~a",
        ),
        ({"methods": {"m": ["~cnn"]}}, "`methods.m[0]`: there is no variant '~cnn'. The variants of the file: none"),
        (
            {"methods": {"m": "cnn"}, "variants": {"~cnn": {}}},
            "there is no variant 'cnn'. The variants of the file: ~cnn",
        ),
        ({"methods": {"m": [[]]}}, "`methods.m[0]` must be a list of variants and updates"),
        ({"methods": []}, "`methods` must map each method's name"),
        ({"methods": {"m": {"epochs": 0}}}, "Received: epochs=0 (method 'm')"),
        ({"methods": {"m": {"stages.3.epochs": 1}}}, "there is no item 3 (from 0) in a list of 1"),
        ({"a..b": 1}, "with dots only between names"),
        ({"data": {3: 1}}, "the keys of `experiment.data` must be text"),
        ({"epochs": float("nan")}, "`experiment.epochs` must be text, a finite number"),
        ({"epochs": {1, 2}}, "`experiment.epochs` must be text, a finite number"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ValueError) as refused:
        _plan(**changes)
    assert message in str(refused.value)


_MANY = list(range(1, 1001))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"seeds": list(range(10_001))}, "`seeds` must be at most 10,000. Received: 10,001"),
        ({"batch_size": _MANY, "patience": _MANY}, "stand for more than 10,000 combinations"),
        ({"batch_size": _MANY, "seeds": list(range(11))}, "stands for more than 10,000 runs"),
        ({"network": [["S", 10, 4, 8, 8]] * 9_000, "seeds": list(range(9_000))}, "more than 50,000,000 characters"),
        (
            {"variants": {f"~{n + 1}": [f"~{n}"] * 9 for n in range(9)} | {"~0": {}}},
            "stands for more than 1,000 updates",
        ),
        ({"a." * 200 + "b": 1}, "with dots only between names"),
        (
            {"search": {"configurations": 1, "max_epochs": 2, "space": {"learning_rate": list(range(1, 1_002))}}},
            "must list at most 1,000 choices. Received: 1,001",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_more_than_anybody_trains_is_refused_first(changes, message, monkeypatch):
    monkeypatch.setattr(resolve, "settings_hash", lambda settings: "no hash was needed")
    with pytest.raises(ValueError) as refused:
        _plan(**changes)
    assert message in str(refused.value)


def test_depth_of_a_mapping():
    deep = {"a": 1}
    for _ in range(150):
        deep = {"a": deep}
    with pytest.raises(ValueError, match="holds more than 100 lists or objects in one another"):
        _plan(**deep)


@pytest.mark.parametrize(
    "network, message",
    [
        ({"builder": "no_such_module:f"}, "`no_such_module:f` cannot be imported: ModuleNotFoundError"),
        ({"builder": "json:no_such"}, "`json:no_such` cannot be imported: AttributeError"),
        ({"builder": "json:__name__"}, "must be a function"),
        ({"builder": "json:dumps", "arguments": {}}, "cannot take the arguments {}"),
    ],
)
@pytest.mark.parametrize("in_a_search", [False, True])
def test_a_builder_is_checked_before_anything_is_written(network, message, in_a_search, tmp_path):
    study = {**_BASE, "network": network}
    if in_a_search:
        pytest.importorskip("optuna")
        choices = {"space": {"network.builder": ["json:dumps", network["builder"]]}}
        study["network"] = {"builder": "json:dumps", "arguments": network.get("arguments", {"obj": 1})}
        study["search"] = {"configurations": 1, "max_epochs": 2, **choices}
    with pytest.raises(ValueError) as refused:
        run_experiment(study, tmp_path / "out", verbose=False)
    assert message in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_plan_imports_nothing(tmp_path):
    (tmp_path / "planted_module.py").write_text("raise SystemExit('code ran')")
    study = {**_BASE, "network": {"builder": "planted_module:f"}}
    (tmp_path / "study.yaml").write_text(json.dumps(study))
    (run,) = plan_experiment(tmp_path / "study.yaml").runs
    assert run.settings["network"]["builder"] == "planted_module:f"


def _yaml(**changes):
    return json.dumps({**_BASE, **changes})  # JSON is YAML


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "there is no experiment at study.yaml"),
        ("", "must hold settings such as"),
        ("a: [1", "study.yaml is not YAML: expected ',' or ']', but got '<stream end>' in line 1, column 6"),
        ("a: 1\na: 2", "the key 'a' stands twice in line 2, column 1"),
        ("a: !!python/name:os.system x", "study.yaml is not YAML: could not determine a constructor"),
        ("a: &a [*a]", "`study.yaml.a[0]` holds itself"),
        (_yaml(epoch=3), "study: `epoch` is not a setting. Did you mean `epochs`?"),
        (_yaml(network="missing.json"), "there is no network description at"),
        (_yaml(network=[["X", 1]]), "`network`: item 1 of 1"),
        (_yaml(network={"grid": [_NETWORK, [["X", 1]]]}), "`network`: item 1 of 1"),
        (_yaml(network="large.json"), "the file describes a network for inputs of (28, 28, 1), the data has (8, 8, 1)"),
        (_yaml(data={"dataset": "mnist", "data_dir": "empty"}), "mnist.npz"),
        (_yaml(data={"dataset": "digits", "validation": 5000}), "`validation` must be an integer from 1 to"),
    ],
)
def test_the_command_refuses_in_one_line_and_writes_nothing(text, message, tmp_path, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "large.json").write_text(json.dumps({"network": _NETWORK, "input_shape": [28, 28, 1]}))
    if text is not None:
        (tmp_path / "study.yaml").write_text(text)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["keras-efficient", "experiment", "study.yaml"])
    with pytest.raises(SystemExit) as stopped:
        main()
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and message in error
    assert error.startswith("keras-efficient: ") and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


# Running


def make_model(units):
    """A builder for the experiments below."""
    import keras

    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(units, "softmax")])


@pytest.fixture(scope="module")
def study():
    return {**_BASE, "batch_size": 32, "seeds": [0, 1], "methods": {"plain": [], "hot": {"learning_rate": 1e39}}}


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory):
    storage = tmp_path_factory.mktemp("experiment") / "storage"
    return run_experiment(study, storage, verbose=False), storage


@pytest.fixture
def copy(finished, tmp_path):
    """A folder with the finished experiment, to be changed."""
    return shutil.copytree(finished[1], tmp_path / "storage")


@pytest.fixture
def trained(monkeypatch):
    """The folders that `train_network` is called for."""
    folders = []

    def train_network(config, data, stages, directory, **settings):
        folders.append(directory.parent.name)
        return ke.train_network(config, data, stages, directory, **settings)

    monkeypatch.setattr(execution, "train_network", train_network)
    return folders


def _times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_leaves_a_folder_for_each_run_and_a_row_for_each_point(study, finished):
    found, storage = finished
    plan = plan_experiment(study, storage)
    assert sorted(path.name for path in (storage / "runs").iterdir()) == sorted(r.sha256[:16] for r in plan.runs)
    plain, hot = found.rows
    results = [json.loads((run.folder / "training/result.json").read_text()) for run in plan.points[0].runs]
    accuracies = [result["best"]["val_accuracy"] for result in results]
    assert [result["seed"] for result in results] == [0, 1] and results[0]["dataset"]["train"] == 64
    assert accuracies[0] != accuracies[1]
    assert (plain["mean"], plain["sd"]) == (pytest.approx(mean(accuracies)), pytest.approx(stdev(accuracies)))
    assert (plain["min"], plain["max"], plain["failed"]) == (min(accuracies), max(accuracies), 0)
    assert plain["total_bytes"] == ke.estimate_storage(_NETWORK, (8, 8, 1)).total_bytes
    assert plain["settings"] == {"learning_rate": None} and hot["settings"] == {"learning_rate": 1e39}
    for run in plan.runs:
        stored = json.loads((run.folder / "settings.json").read_text())
        assert stored["settings"] == run.settings and stored["sha256"] == run.sha256


def test_a_run_that_failed_is_recorded_and_stops_no_other(finished):
    found, storage = finished
    hot = found.rows[1]
    assert (hot["mean"], hot["sd"], hot["min"], hot["failed"], hot["total_bytes"]) == (None, None, None, 2, None)
    for run in hot["runs"]:
        assert run["status"] == "failed" and "loss is not finite" in run["reason"]
        assert json.loads((storage / run["path"] / "failure.json").read_text())["reason"] == run["reason"]
    assert found.finished == 2


def test_experiment_json(finished):
    found, storage = finished
    text = (storage / "experiment.json").read_text()
    stored = json.loads(text)
    assert stored.pop("finished_date") and stored == found.to_json()
    assert stored["format"] == "keras_efficient experiment 1" and stored["metric"] == "val_accuracy"
    assert str(storage) not in text
    assert all((storage / run["path"]).is_dir() for row in stored["rows"] for run in row["runs"])


def test_the_table(finished):
    lines = str(finished[0]).splitlines()
    assert lines[0].split()[:4] == ["method", "learning_rate", "val_accuracy", "mean"] and len(lines) == 4
    assert lines[2].split()[0] == "plain" and f"{100 * finished[0].rows[0]['mean']:.2f} %" in lines[2]
    assert lines[3].split()[:3] == ["hot", "1e+39", "–"]


def test_again_trains_and_changes_nothing(study, finished, copy, trained):
    before = _times(copy)
    assert run_experiment(study, copy, verbose=False).rows == finished[0].rows
    assert all(json.loads((copy / "runs" / name / "failure.json").read_text()) for name in trained)
    assert _times(copy) == before


def test_a_longer_file_runs_only_what_is_new(study, copy, trained):
    methods = {"built": {"network": {"builder": f"{__name__}:make_model", "arguments": {"units": 10}}}}
    longer = {**study, "metric": "test_accuracy", "seeds": [0], "methods": {**methods, "renamed": []}}
    before = _times(copy / "runs")
    found = run_experiment(longer, copy, verbose=False)
    assert len(trained) == 1 and trained[0] == found.rows[0]["runs"][0]["path"].removeprefix("runs/")
    assert [row["method"] for row in found.rows] == ["built", "renamed"]
    assert all(row["mean"] > 0 and row["sd"] is None for row in found.rows)
    after = _times(copy / "runs")
    assert {path: after[path] for path in before} == before
    best = json.loads((copy / found.rows[1]["runs"][0]["path"] / "training/result.json").read_text())["best"]
    assert found.rows[1]["mean"] == best["test_accuracy"]


def test_resumes_within_a_run(study, copy, trained):
    study = {**study, "seeds": [0], "methods": {"plain": [], "two": {"trials": 2}}}
    whole = run_experiment(study, copy, verbose=False)
    _, run = plan_experiment(study, copy).runs
    for name in ("result.json", "best.keras", "report.html", "stages/0_float/trial_001/trial.json"):
        (run.folder / "training" / name).unlink()
    assert execution.status(run) == "unfinished"
    kept = run.folder / "training/stages/0_float/trial_000"
    before, trained[:] = _times(kept), []
    found = run_experiment(study, copy, verbose=False)
    assert trained == [run.sha256[:16]] and _times(kept) == before
    assert [row["mean"] for row in found.rows] == [row["mean"] for row in whole.rows]


def test_a_run_is_trained_as_its_settings_say(study, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(execution, "train_network", lambda *arguments, **named: calls.append((arguments, named)))
    data = {"dataset": "digits", "limit": 70, "split_seed": 4, "augment": {"copies": 2, "affine": {"rotation": 5}}}
    changes = {"data": data, "batch_size": None, "rule": "val_loss", "engine": "compiled", "seeds": [6], "patience": 3}
    with pytest.raises(FileNotFoundError):  # nothing is left behind to be collected
        run_experiment({**study, **changes, "methods": None}, tmp_path, verbose=False)
    (((network, arrays, stages, directory), named),) = calls
    images = ke.datasets.load_dataset("digits", seed=4)
    x, y = ke.datasets.augment(images.x_train[:70], images.y_train[:70], 2, 6, affine=ke.datasets.Affine(rotation=5))
    for found, wanted in zip(arrays, (x, y, *images.arrays()[2:]), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert network == _NETWORK and directory.parent.parent == tmp_path / "runs"
    assert stages == [ke.Stage("float", 1, 1, batch_size=4, patience=3)]
    assert named == {"executor": None, "rule": "val_loss", "seed": 6, "verbose": False, "engine": "compiled"}


def test_an_interruption_keeps_what_is_done(study, copy, monkeypatch):
    def stop(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(execution, "train_network", stop)
    longer = {**study, "methods": {"plain": [], "more": {"epochs": 2}}}
    before = (copy / "experiment.json").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        run_experiment(longer, copy, verbose=False)
    plan = plan_experiment(longer, copy)
    assert [execution.status(run) for run in plan.runs] == ["done", "done", "unfinished", "missing"]
    assert (copy / "experiment.json").read_bytes() == before


def test_what_would_stop_every_run_is_raised(study, tmp_path, monkeypatch):
    def full(*arguments, **settings):
        raise OSError("no space left")

    monkeypatch.setattr(execution, "train_network", full)
    with pytest.raises(OSError, match="no space left"):
        run_experiment(study, tmp_path, verbose=False)


def test_a_failure_is_forgotten_when_the_run_succeeds(study, copy, monkeypatch):
    def fail(config, data, stages, directory, **settings):
        raise RuntimeError(f"an error of the builder, in {directory}")

    longer = {**study, "seeds": [5], "methods": {"plain": []}}
    with monkeypatch.context() as patch:
        patch.setattr(execution, "train_network", fail)
        (row,) = run_experiment(longer, copy, verbose=False).rows
        assert row["runs"][0]["reason"] == "RuntimeError: an error of the builder, in training"
    (row,) = run_experiment(longer, copy, verbose=False).rows
    assert row["failed"] == 0 and not list((copy / row["runs"][0]["path"]).glob("failure.json"))


def test_an_executor_takes_the_runs(study, copy, trained):
    with ThreadPoolExecutor(1) as executor:
        found = run_experiment({**study, "seeds": [0, 7, 8], "methods": {"plain": []}}, copy, executor)
    assert len(trained) == 2 and found.rows[0]["failed"] == 0


def test_a_folder_of_other_settings_is_left_alone(study, copy):
    (run, *_) = plan_experiment(study, copy).runs
    (run.folder / "training/result.json").unlink()
    (run.folder / "settings.json").write_text('{"sha256": "other"}')
    before = _times(copy)
    with pytest.raises(ValueError, match="holds a run with other settings"):
        run_experiment(study, copy, verbose=False)
    assert _times(copy) == before


@pytest.mark.parametrize(
    "text",
    ["[1]", "{}", '{"best": 3}', '{"best": {"val_accuracy": "x"}}', '{"best": {"val_accuracy": 1' + 400 * "0" + "}}"],
)
def test_a_result_that_no_run_wrote_is_damaged(text, study, copy):
    (run, *_) = plan_experiment(study, copy).runs
    (run.folder / "training/result.json").write_text(text)
    with pytest.raises(ValueError, match=f"{run.folder.name}' is damaged: it holds what no run writes.* Delete it"):
        run_experiment(study, copy, verbose=False)


def test_the_command_lists_runs_and_shows_the_table(study, copy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(json.dumps({**study, "seeds": [0, 8], "storage": "storage"}))

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["keras-efficient", "experiment", "study.yaml", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, capsys.readouterr().out

    before = _times(tmp_path)
    code, table = command("--list")
    assert code == 0 and [line.split()[1] for line in table.splitlines()[2:]] == [
        "done",
        "missing",
        "failed",
        "missing",
    ]
    code, text = command("--list", "--json")
    runs = json.loads(text)
    assert [run["status"] for run in runs] == ["done", "missing", "failed", "missing"]
    assert runs[1]["settings"]["seed"] == 8 and runs[1]["path"] == f"runs/{runs[1]['sha256'][:16]}"
    assert _times(tmp_path) == before
    (tmp_path / "study.yaml").write_text(json.dumps({**study, "methods": {"plain": []}}))
    code, text = command("--out", "storage", "--json")
    assert code == 0 and json.loads(text)["rows"][0]["failed"] == 0
    code, text = command("--out", "storage")
    assert code == 0 and text.splitlines()[2].split()[0] == "plain" and "storage/experiment.json" in text
    (tmp_path / "study.yaml").write_text(json.dumps({**study, "methods": {"hot": {"learning_rate": 1e39}}}))
    assert command("--out", "storage")[0] == 1
