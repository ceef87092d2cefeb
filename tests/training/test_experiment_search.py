"""`search` of an experiment: Optuna draws, every configuration is priced, some are trained; a killed search goes on."""

import json
import shutil
import sys
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from samples import result_without_clocks

import keras_efficient as ke
from keras_efficient.training import plan_experiment, process_pool, run_experiment
from keras_efficient.training.experiments import execution

pytest.importorskip("optuna", reason="needs Optuna: pip install 'keras_efficient[optuna]'")

_SEARCH = {
    "configurations": 5,
    "max_epochs": 4,
    "factor": 4,
    "parallel": 2,
    "max_bytes": 100,
    "space": {
        "learning_rate": {"log_uniform": [1e-3, 0.3]},
        "weight_decay": [None, 0.01],
        "network.0.1": {"integers": [2, 3]},
    },
}
_STUDY = {
    "data": {"dataset": "digits", "limit": 64, "validation": 60},
    "network": [["M", 2, 4], ["S", 10, 4, 8, 8]],
    "batch_size": 32,
    "stages": [{"mode": "float"}],
    "search": _SEARCH,
}


def _with(**search):
    return {**_STUDY, "search": {**_SEARCH, **search}}


def _rows(found):
    return found.rows[0]["runs"][0]["search"]["configurations"]


# Plans


def test_the_examples_plan():
    example = Path(__file__).parents[2] / "scripts/experiments/digits_search.yaml"
    settings = [run.search.settings for run in plan_experiment(example).runs]
    assert [each.halving.rungs(each.max_epochs) for each in settings] == [(1, 3, 9, 27)] * 2


def test_a_configuration_is_the_run_of_a_file_that_states_its_values():
    (run,) = plan_experiment(_STUDY, "runs").runs
    values = {"learning_rate": 0.02, "weight_decay": None, "network.0.1": 3}
    network = [["M", 3, 4], _STUDY["network"][1]]
    stated = {**_STUDY, "search": None, "learning_rate": 0.02, "network": network, "epochs": 4}
    assert plan_experiment(stated, "runs").runs[0] == run.search.run(values)


def test_what_changes_the_hash_of_a_search():
    def hashes(*changes):
        return {plan_experiment(_with(**change)).runs[0].sha256 for change in changes}

    space = _SEARCH["space"]
    same = hashes({}, {"first_epochs": 1}, {"sampler": None}, {"space": dict(reversed(space.items()))})
    other = [
        {"sampler": "random"},
        {"max_bytes": 90},
        {"configurations": 8},
        {"space": {**space, "rule": ["val_loss"]}},
    ]
    assert len(same) == 1 and len(same | hashes(*other)) == 5


def test_methods_and_grids_have_searches_of_their_own():
    methods = {"wide": [], "plain": {"search": None, "epochs": 2}, "both": {"search.factor": [4, 3]}}
    plan = plan_experiment({**_STUDY, "methods": methods, "seeds": [0, 1]})
    assert [[run.search is not None for run in point.runs] for point in plan.points] == [
        [True] * 2,
        [False] * 2,
        [True] * 2,
        [True] * 2,
    ]
    assert plan.points[2].runs == plan.points[0].runs


def test_without_optuna_one_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"`search` needs Optuna: pip install 'keras_efficient\[optuna\]'"):
        plan_experiment(_STUDY)
    files = Path(ke.__file__).parent.rglob("*.py")
    assert not [path for path in files if "\nimport optuna" in path.read_text(encoding="utf-8")]


_DOMAIN = "must be a list of choices, {uniform: [low, high]}"


@pytest.mark.parametrize(
    "search, message",
    [
        ({"max_epochs": None}, "`search` must be settings such as {configurations: 40"),
        ({"max_epochs": 0}, "`search`: `max_epochs` must be a positive integer. Received: max_epochs=0"),
        ({"factor": 1}, "`search`: `factor` must be at least 2. Received: factor=1"),
        ({"first_epochs": 5}, "`first_epochs` must not be above `max_epochs`. Received: first_epochs=5, max_epochs=4"),
        ({"measure": "test_accuracy"}, "`measure` must be one of"),
        ({"sampler": "luck"}, "`sampler` must be one of 'tpe', 'random'. Received: sampler='luck'"),
        ({"max_bytes": -1}, "`max_bytes` must be a number of at least 0. Received: max_bytes=-1"),
        ({"rounds": 3}, "`search.rounds` is not a setting"),
        ({"space": None}, f"`search.space` {_DOMAIN}"),
        ({"space": {"learning_rate": []}}, f"`search.space.learning_rate` {_DOMAIN}"),
        ({"space": {"learning_rate": {"log_uniform": [0, 1]}}}, f"`search.space.learning_rate` {_DOMAIN}"),
        ({"space": {"learning_rate": {"uniform": [1, 0.5]}}}, "the lower first. Received: {'uniform': [1, 0.5]}"),
        ({"space": {"network.0.1": {"integers": [1, 2.5]}}}, f"`search.space.network.0.1` {_DOMAIN}"),
        (
            {"space": {"lerning_rate": [1]}},
            "`search.space.lerning_rate` is not a setting. Did you mean `learning_rate`",
        ),
        ({"space": {"seeds": [1, 2]}}, "`search.space.seeds` is not a setting"),
        ({"space": {"stages.0.epochs": [1, 2]}}, "`search.space.stages.0.epochs` changes nothing: the stages, or the"),
        ({"space": {"learning_rate": [0.1, -1, 1]}}, "`learning_rate` must be a positive number"),
        ({"space": {"network.7.1": [0.1, 1]}}, "there is no item 7"),
    ],
)
def test_refusals(search, message):
    with pytest.raises(ValueError) as refused:
        plan_experiment(_with(**search))
    assert message in str(refused.value)


def test_halving_of_the_first_stage_is_refused():
    with pytest.raises(ValueError, match="`search` stops configurations early by itself"):
        plan_experiment({**_STUDY, "stages": [{"mode": "float", "halving": {"first_epochs": 1}}]})


# Running


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    storage = tmp_path_factory.mktemp("search") / "storage"
    return run_experiment(_STUDY, storage, verbose=False), storage


def _contents(storage):
    """Everything that a search left, without clocks."""
    paths = [path for path in storage.rglob("*.json") if path.name not in ("state.json", "manifest.json")]
    return {path.relative_to(storage): result_without_clocks(path.parent, path.name) for path in paths}


def test_the_better_configurations_go_on(finished):
    found, storage = finished
    rows, best = _rows(found), found.rows[0]["runs"][0]["search"]["best"]
    trained = [row for row in rows if row["status"] != "refused"]
    assert {row["status"]: row["epochs"] for row in rows} == {"refused": 0, "stopped": 1, "finished": 4}
    first = [json.loads((storage / row["path"] / "rungs.json").read_text())["1"]["val_loss"] for row in trained]
    for index, row in enumerate(trained):  # a single one on a rung is never stopped
        assert row["status"] == "finished" or min(first[: index + 1]) < first[index]
    assert rows[best]["val_loss"] == min(row["val_loss"] for row in rows if row["status"] == "finished")
    result = json.loads((storage / rows[best]["path"] / "training/result.json").read_text())
    assert found.rows[0]["mean"] == result["best"]["val_accuracy"]
    assert str(found).splitlines()[-5].split()[1] == "best" and "refused" in str(found).splitlines()[-1]


def test_what_is_above_the_limit_is_never_trained(finished):
    found, storage = finished
    for row in _rows(found):
        network = [["M", row["values"]["network.0.1"], 4], _STUDY["network"][1]]
        assert row["total_bytes"] == ke.estimate_storage(network, (8, 8, 1)).total_bytes
        assert (row["total_bytes"] > 100) == (row["status"] == "refused") == (not (storage / row["path"]).exists())
    assert "bytes are above the limit of 100" in next(row["reason"] for row in _rows(found) if row["reason"])


def test_a_configuration_that_paused_is_the_run_that_never_did(finished, tmp_path):
    row = next(row for row in _rows(finished[0]) if row["status"] == "finished")
    alone = plan_experiment(_STUDY, tmp_path).runs[0].search.run(row["values"])
    execution.execute(alone)
    paused = finished[1] / row["path"] / "training"
    assert result_without_clocks(alone.folder / "training") == result_without_clocks(paused)


def test_what_is_there_is_only_read(finished, tmp_path, monkeypatch):
    found, storage = finished
    copy = shutil.copytree(storage, tmp_path / "copy")
    monkeypatch.setattr(execution, "train_network", None)
    monkeypatch.setattr(execution, "train_until", None)
    assert run_experiment(_STUDY, copy, verbose=False).rows == found.rows
    (copy / found.rows[0]["runs"][0]["path"] / "search.json").unlink()  # made again without any training
    assert run_experiment(_STUDY, copy, verbose=False).rows == found.rows
    assert _contents(copy) == _contents(storage)


class _Stop(BaseException):
    """Nobody catches it."""


def test_a_killed_search_goes_on(finished, tmp_path, monkeypatch):
    """It dies after each training that it does, on a rung or at an end."""
    trained = []

    def dying(train):
        def function(*arguments, **settings):
            train(*arguments, **settings)
            trained.append(train)
            raise _Stop

        return function

    pauses, ends = execution.train_until, execution.train_network
    for name, function in (("train_until", pauses), ("train_network", ends)):
        with monkeypatch.context() as patch, pytest.raises(_Stop):
            patch.setattr(execution, name, dying(function))
            run_experiment(_STUDY, tmp_path, verbose=False)
    assert trained == [pauses, ends]
    run_experiment(_STUDY, tmp_path, verbose=False)
    assert _contents(tmp_path) == _contents(finished[1])


class _LosesWorkers(ThreadPoolExecutor):
    """Loses the worker of each task so many times."""

    def __init__(self, times):
        super().__init__(1)
        self.times, self.seen = times, []

    def submit(self, function, *arguments):
        self.seen.append(arguments)
        if self.seen.count(arguments) > self.times:
            return super().submit(function, *arguments)
        lost = Future()
        lost.set_exception(BrokenExecutor("it died"))
        return lost


def test_workers_that_die_change_nothing(finished, tmp_path):
    with _LosesWorkers(1) as executor:
        run_experiment(_STUDY, tmp_path, executor, verbose=False)
    assert _contents(tmp_path) == _contents(finished[1])
    assert not list(tmp_path.rglob("progress.jsonl"))
    plain = {**_STUDY, "search": None, "epochs": 1, "seeds": [0, 1]}
    with _LosesWorkers(9) as executor, pytest.raises(ChildProcessError, match="The worker of run [0-9a-f]{16} died 4"):
        run_experiment(plain, tmp_path / "other", executor)


def make_model(units):
    """A builder for the experiment below."""
    raise RuntimeError(f"no model has {units} units")


def test_failures(tmp_path):
    found = run_experiment(_with(space={"learning_rate": [0.01, 1e39]}, max_bytes=None), tmp_path, verbose=False)
    assert {row["values"]["learning_rate"]: row["status"] for row in _rows(found)} == {0.01: "finished", 1e39: "failed"}
    assert all("loss is not finite" in row["reason"] for row in _rows(found) if row["status"] == "failed")
    network = {"builder": f"{__name__}:make_model", "arguments": {}}
    for limit, reason in ((None, "RuntimeError"), (100, "the bytes are not known")):
        search = {**_SEARCH, "space": {"network.arguments.units": [0, -1]}, "max_bytes": limit}
        (run,) = run_experiment({**_STUDY, "network": network, "search": search}, tmp_path, verbose=False).rows[0][
            "runs"
        ]
        expected = f"No configuration of 5 came to its end; the first that could not: {reason}: no model has "
        assert run["status"] == "failed" and run["reason"].startswith(expected)


_DEADLY = """
import os, signal
import keras

def make_model(seen):
    if not os.path.exists(seen):
        open(seen, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
"""


def test_a_killed_process_is_replaced(tmp_path):
    (tmp_path / "deadly_models.py").write_text(_DEADLY)
    network = {"builder": "deadly_models:make_model", "arguments": {"seen": str(tmp_path / "seen")}}
    study = {**_STUDY, "search": None, "epochs": 1, "seeds": [0, 1], "network": network}
    (tmp_path / "study.yaml").write_text(json.dumps(study))
    with process_pool(1) as pool:
        found = run_experiment(tmp_path / "study.yaml", tmp_path / "runs", pool, verbose=False)
    assert (tmp_path / "seen").exists() and found.rows[0]["failed"] == 0
