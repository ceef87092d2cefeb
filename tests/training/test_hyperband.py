"""Hyperband over the settings of an experiment: brackets, draws, and runs that pause and go on."""

import json
import shutil
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor

import numpy as np
import pytest
from samples import result_without_clocks

from keras_efficient.training import plan_experiment, process_pool, run_experiment
from keras_efficient.training.experiments import execution
from keras_efficient.training.experiments.hyperband import Hyperband
from keras_efficient.training.experiments.space import Domain, read_space

_SEARCH = {
    "method": "hyperband",
    "max_epochs": 4,
    "factor": 4,
    "space": {
        "learning_rate": {"log_uniform": [1e-3, 0.3]},
        "weight_decay": [None, 0.01],
        "network.0.1": {"integers": [2, 4]},
    },
}
_STUDY = {
    "data": {"dataset": "digits", "limit": 64, "validation": 60},
    "network": [["M", 2, 4], ["S", 10, 4, 8, 8]],
    "batch_size": 32,
    "stages": [{"mode": "float"}],
    "search": _SEARCH,
}


def _plan(storage="runs", **search):
    return plan_experiment({**_STUDY, "search": {**_SEARCH, **search}}, storage)


# The schedule


@pytest.mark.parametrize(
    "hyperband, brackets",
    [
        (
            Hyperband(81, 3),  # table 1 of the paper
            [(81, (1, 3, 9, 27, 81)), (34, (3, 9, 27, 81)), (15, (9, 27, 81)), (8, (27, 81)), (5, (81,))],
        ),
        (Hyperband(4, 2), [(4, (1, 2, 4)), (3, (2, 4)), (3, (4,))]),
        (Hyperband(50, 3, min_epochs=5), [(9, (5, 16, 50)), (5, (16, 50)), (3, (50,))]),
        (Hyperband(10, 3, min_epochs=10), [(1, (10,))]),
        (Hyperband(26, 3), [(9, (2, 8, 26)), (5, (8, 26)), (3, (26,))]),
    ],
)
def test_brackets(hyperband, brackets):
    assert [(bracket.configurations, bracket.rungs) for bracket in hyperband.brackets()] == brackets


def test_who_goes_on():
    assert Hyperband(9, 3).keep({0: 3.0, 1: 1.0, 2: 2.0, 4: 1.0, 5: 0.5, 7: np.inf}) == [1, 5]
    assert Hyperband(9, 3).keep({3: 2.0, 4: 1.0}) == [4] and Hyperband(9, 3).keep({0: np.inf}) == []


# The draws


def test_domains():
    generator = np.random.default_rng(0)
    draws = [Domain.read("x", {"log_uniform": [1e-4, 1e-1]}).draw(generator) for _ in range(300)]
    assert 1e-4 <= min(draws) < 2e-4 and 0.05 < max(draws) <= 1e-1
    assert 70 < sum(draw < 1e-3 for draw in draws) < 130  # about a third
    assert {Domain.read("x", {"integers": [2, 4]}).draw(generator) for _ in range(50)} == {2, 3, 4}
    assert {Domain.read("x", [None, "sgd"]).draw(generator) for _ in range(30)} == {None, "sgd"}
    assert all(2 <= Domain.read("x", {"uniform": [2, 3.5]}).draw(generator) <= 3.5 for _ in range(30))
    assert list(read_space({"b": [1], "a": {"c": {"uniform": [0, 1]}, "b": [2]}})) == ["a.b", "a.c", "b"]


def test_configurations_are_drawn_from_the_seed_and_all_different():
    plan, again = _plan(), _plan()
    assert plan == again and len(plan.runs) == 1
    (run,) = plan.runs
    brackets = run.search.brackets
    assert [(rungs, len(drawn)) for rungs, drawn in brackets] == [((1, 4), 4), ((4,), 2)]
    for _, drawn in brackets:
        assert len({each.run.sha256 for each in drawn}) == len(drawn)
    each = brackets[0][1][0]
    assert set(each.values) == set(_SEARCH["space"]) and "search" not in each.run.settings
    stage = each.run.settings["stages"][0]
    assert stage["learning_rate"] == each.values["learning_rate"] and stage["epochs"] == 4
    assert each.run.settings["network"][0][1] == each.values["network.0.1"]
    seeds = plan_experiment({**_STUDY, "seeds": [0, 1]}, "runs").runs
    assert seeds[0] == run
    first, second = (each.search.brackets[0][1][0] for each in seeds)
    assert first.values != second.values and second.run.settings["seed"] == 1


def test_a_configuration_is_the_run_of_a_file_that_states_its_values():
    each = _plan().runs[0].search.brackets[0][1][2]
    stated = {name: value for name, value in _STUDY.items() if name != "search"} | each.values
    stated["network"] = [["M", stated.pop("network.0.1"), 4], _STUDY["network"][1]]
    stated["stages"] = [{"mode": "float", "epochs": 4}]
    assert plan_experiment(stated, "runs").runs[0] == each.run


def test_a_small_space_is_tried_as_a_whole():
    (run,) = _plan(space={"weight_decay": [None, 0.01]}).runs
    assert [len(drawn) for _, drawn in run.search.brackets] == [2, 2] and len(run.trainings) == 2


def test_what_changes_the_hash_of_a_search():
    (run,) = _plan().runs
    same = [{"method": None}, {"min_epochs": 1}, {"space": dict(reversed(_SEARCH["space"].items()))}]
    assert {_plan(**changes).runs[0].sha256 for changes in same} == {run.sha256}
    other = [{"factor": 2}, {"measure": "val_accuracy"}, {"space": {**_SEARCH["space"], "weight_decay": [0.1]}}]
    assert len({run.sha256, *(_plan(**changes).runs[0].sha256 for changes in other)}) == 4


def test_methods_and_grids_have_searches_of_their_own():
    methods = {"wide": [], "plain": {"search": None, "epochs": 2}, "both": {"search.factor": [4, 3]}}
    plan = plan_experiment({**_STUDY, "methods": methods})
    assert [run.search is not None for point in plan.points for run in point.runs] == [True, False, True, True]
    assert plan.points[2].runs[0] == plan.points[0].runs[0]


@pytest.mark.parametrize(
    "search, message",
    [
        ({"max_epochs": None}, "`search` must be settings such as {method: hyperband"),
        ({"max_epochs": 0}, "`search`: `max_epochs` must be a positive integer. Received: max_epochs=0"),
        ({"factor": 1}, "`search`: `factor` must be at least 2. Received: factor=1"),
        ({"min_epochs": 5}, "`min_epochs` must not be above `max_epochs`. Received: min_epochs=5, max_epochs=4"),
        ({"measure": "test_accuracy"}, "`measure` must be one of"),
        ({"method": "luck"}, "`search.method` must be one of hyperband. Received: 'luck'"),
        ({"rounds": 3}, "`search.rounds` is not a setting"),
        ({"space": None}, "`search.space` must map settings to a list of choices"),
        ({"space": {}}, "`search.space` must map settings to a list of choices"),
        ({"space": {"learning_rate": 0.1}}, "`search.space.learning_rate` must be a list of choices"),
        (
            {"space": {"learning_rate": {"normal": [0, 1]}}},
            "`search.space.learning_rate` must be a list of choices, {uniform: [low, high]}",
        ),
        ({"space": {"learning_rate": {}}}, "`search.space.learning_rate` must be a list of choices"),
        (
            {"space": {"learning_rate": {"log_uniform": [0, 1]}}},
            "`search.space.learning_rate.log_uniform` must be two pos",
        ),
        (
            {"space": {"learning_rate": {"uniform": [1, 0.5]}}},
            "must be two numbers, the lower first. Received: [1, 0.5]",
        ),
        ({"space": {"network.0.1": {"integers": [1, 2.5]}}}, "must be two whole numbers, the lower first"),
        (
            {"space": {"lerning_rate": [1]}},
            "`search.space.lerning_rate` is not a setting. Did you mean `learning_rate`",
        ),
        ({"space": {"seeds": [1, 2]}}, "`search.space.seeds` is not a setting"),
        ({"space": {"epochs": [1, 2]}}, "`search.space.epochs`: the epochs of the first stage are those of the rungs"),
        ({"space": {"learning_rate": [0.1, -1]}}, "`learning_rate` must be a positive number"),
        ({"space": {"network.7.1": [0.1, -1]}}, "there is no item 7"),
    ],
)
def test_refusals(search, message):
    with pytest.raises(ValueError) as refused:
        _plan(**search)
    assert message in str(refused.value)


def test_more_refusals():
    with pytest.raises(ValueError, match="`search` must be settings such as .*Received: search='hyperband'"):
        plan_experiment({**_STUDY, "search": "hyperband"})
    stages = [{"mode": "float", "learning_rate": 0.1}]
    with pytest.raises(
        ValueError, match="`search.space.learning_rate` changes nothing: the stages state it themselves"
    ):
        plan_experiment({**_STUDY, "stages": stages})
    stages = [{"mode": "float", "halving": {"first_epochs": 1}}]
    with pytest.raises(ValueError, match="`search` stops configurations early by itself"):
        plan_experiment({**_STUDY, "stages": stages})


# Running


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    storage = tmp_path_factory.mktemp("search") / "storage"
    return run_experiment(_STUDY, storage, verbose=False), storage


def _contents(storage):
    """Everything that a search left, without clocks."""

    def without_clocks(value):
        if isinstance(value, dict):
            return {k: without_clocks(v) for k, v in value.items() if "seconds" not in k and "date" not in k}
        return [without_clocks(v) for v in value] if isinstance(value, list) else value

    names = ("experiment.json", "search.json", "rungs.json", "result.json", "settings.json", "trial.json")
    paths = [path for path in storage.rglob("*.json") if path.name in names]
    return {path.relative_to(storage).as_posix(): without_clocks(json.loads(path.read_text())) for path in paths}


def test_the_better_configurations_go_on(finished):
    found, storage = finished
    search = found.rows[0]["runs"][0]["search"]
    rows = search["configurations"]
    assert [row["bracket"] for row in rows] == [0] * 4 + [1] * 2
    # By hand, from what each run wrote down when it paused.
    last = min(range(4), key=lambda i: _rung(storage, rows[i], 1))
    epochs = [4 if i == last else 1 for i in range(4)] + [4, 4]
    assert [row["epochs"] for row in rows] == epochs
    assert [row["status"] for row in rows] == ["finished" if count == 4 else "stopped" for count in epochs]
    ends = [i for i in range(6) if epochs[i] == 4]
    assert search["best"] == min(ends, key=lambda i: rows[i]["val_loss"])
    result = json.loads((storage / rows[search["best"]]["path"] / "training/result.json").read_text())
    assert found.rows[0]["mean"] == result["best"]["val_accuracy"]
    assert rows[search["best"]]["val_loss"] == result["best"]["val_loss"]


def _rung(storage, row, epochs):
    return json.loads((storage / row["path"] / "rungs.json").read_text())[str(epochs)]["val_loss"]


def test_a_configuration_that_paused_is_the_run_that_never_did(finished, tmp_path):
    found, storage = finished
    search = found.rows[0]["runs"][0]["search"]
    (run,) = plan_experiment(_STUDY, tmp_path).runs
    index = next(i for i, row in enumerate(search["configurations"]) if row["status"] == "finished")
    alone = run.search.brackets[0][1][index].run
    execution.execute(alone)
    paused = storage / "runs" / alone.folder.name / "training"
    assert result_without_clocks(alone.folder / "training") == result_without_clocks(paused)


def test_the_table_lists_all_configurations(finished):
    lines = str(finished[0]).splitlines()
    start = lines.index("experiment, seed 0:")
    assert lines[start + 1].split()[:5] == ["run", "status", "learning_rate", "network.0.1", "weight_decay"]
    words = [line.split()[1] for line in lines[start + 3 :]]
    assert words[0] == "best" and sorted(words)[1:] == sorted(words[1:]) and len(words) == 6
    assert list(dict.fromkeys(words)) == ["best", "finished", "stopped"]


def test_a_finished_search_is_only_read(finished, tmp_path, monkeypatch):
    found, storage = finished
    monkeypatch.setattr(execution, "train_network", None)
    monkeypatch.setattr(execution, "train_until", None)
    before = {path: path.stat().st_mtime_ns for path in storage.rglob("*")}
    assert run_experiment(_STUDY, storage, verbose=False).rows == found.rows
    assert {path: path.stat().st_mtime_ns for path in storage.rglob("*")} == before
    copy = shutil.copytree(storage, tmp_path / "copy")
    (copy / found.rows[0]["runs"][0]["path"] / "search.json").unlink()  # made again without any training
    assert run_experiment(_STUDY, copy, verbose=False).rows[0]["mean"] == found.rows[0]["mean"]
    assert _contents(copy) == _contents(storage)


class _Stop(BaseException):
    """Nobody catches it."""


def test_interrupted_between_rungs(finished, tmp_path, monkeypatch):
    """A process dies after it has trained one configuration to a rung, the next one at the end of another."""
    pauses, ends = execution.train_until, execution.train_network

    def dying(train):
        def function(*arguments, **settings):
            train(*arguments, **settings)
            trained.append(train)
            raise _Stop

        return function

    trained = []
    monkeypatch.setattr(execution, "train_until", dying(pauses))
    monkeypatch.setattr(execution, "train_network", dying(ends))
    for name, function in (("train_until", pauses), ("train_network", ends)):
        with pytest.raises(_Stop):
            run_experiment(_STUDY, tmp_path, verbose=False)
        monkeypatch.setattr(execution, name, function)
    assert trained == [pauses, ends]
    run_experiment(_STUDY, tmp_path, verbose=False)
    assert _contents(tmp_path) == _contents(finished[1])


class _LosesEveryWorkerOnce(ThreadPoolExecutor):
    def __init__(self):
        super().__init__(1)
        self.seen = []

    def submit(self, function, *arguments):
        self.seen.append(arguments)
        if self.seen.count(arguments) > 1:
            return super().submit(function, *arguments)
        lost = Future()
        lost.set_exception(BrokenExecutor("it died"))
        return lost


def test_workers_that_die_change_nothing(finished, tmp_path):
    with _LosesEveryWorkerOnce() as executor:
        run_experiment(_STUDY, tmp_path, executor, verbose=False)
    assert _contents(tmp_path) == _contents(finished[1])
    assert not list(tmp_path.rglob("progress.jsonl"))
    with _LosesEveryWorkerOnce() as executor:
        executor.seen = _Never()
        with pytest.raises(ChildProcessError, match="The worker of run [0-9a-f]{16} died 4 times: it died"):
            run_experiment({**_STUDY, "search": None, "epochs": 1, "seeds": [0, 1]}, tmp_path / "other", executor)


class _Never(list):
    def count(self, value):
        return 0


def make_model(units):
    """A builder for the experiment below."""
    import keras

    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(units, "softmax")])


def test_failures(tmp_path):
    space = {"learning_rate": [0.01, 1e39]}
    found = run_experiment({**_STUDY, "search": {**_SEARCH, "space": space}}, tmp_path, verbose=False)
    rows = found.rows[0]["runs"][0]["search"]["configurations"]
    assert {row["values"]["learning_rate"]: row["status"] for row in rows} == {0.01: "finished", 1e39: "failed"}
    assert all("loss is not finite" in row["reason"] for row in rows if row["status"] == "failed")
    assert rows[found.rows[0]["runs"][0]["search"]["best"]]["values"] == {"learning_rate": 0.01}
    space = {"learning_rate": [1e38, 1e39], "network.arguments.units": [10]}
    builder = {"builder": f"{__name__}:make_model", "arguments": {}}
    found = run_experiment(
        {**_STUDY, "network": builder, "search": {**_SEARCH, "space": space}}, tmp_path, verbose=False
    )
    (run,) = found.rows[0]["runs"]
    assert run["status"] == "failed" and found.finished == 0
    assert run["reason"].startswith("No configuration of 4 came to its end; the first that failed: All 1 trials failed")


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
    study = {name: value for name, value in _STUDY.items() if name != "search"}
    network = {"builder": "deadly_models:make_model", "arguments": {"seen": str(tmp_path / "seen")}}
    (tmp_path / "study.yaml").write_text(json.dumps({**study, "epochs": 1, "seeds": [0, 1], "network": network}))
    with process_pool(1) as pool:
        found = run_experiment(tmp_path / "study.yaml", tmp_path / "runs", pool, verbose=False)
    assert (tmp_path / "seen").exists() and found.rows[0]["failed"] == 0
