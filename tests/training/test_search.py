"""The architecture search: enumeration, prices, sample, front, and a small search end to end."""

import json
import math
import random
import shutil
import sys
from collections import Counter
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_efficient as ke
from keras_efficient.cli import main
from keras_efficient.command_line.search import search_arguments
from keras_efficient.descriptions import read_description
from keras_efficient.report.search import search_summary
from keras_efficient.training import search
from keras_efficient.training.run import Run
from keras_efficient.training.search import SearchSpace, driver
from keras_efficient.training.search.brief_training import train_job
from keras_efficient.training.search.candidates import some_candidates
from keras_efficient.training.search.driver import _job
from keras_efficient.training.search.mutation import mutants
from keras_efficient.training.search.settings import Search

_SPACE = SearchSpace(
    input_pooling=None, kernel_sizes={"C": [3], "DSC": [3]}, filters=[4, 6], dense_units=[8], max_layers=2
)
_REFERENCES = {"tiny": [["C", 4, 5, 4, 8, 4], ["S", 10, 4, 8, 8]]}


@pytest.fixture(scope="module")
def study():
    return list(search.candidates(SearchSpace(), 10))


def test_the_study_has_182957_candidates(study):
    assert len(study) == len(set(study)) == SearchSpace().size() == 182_957
    bits = (4, 8, 4)
    best_of_the_study = [("C", 12, 3, 3, 1, 1, *bits), ("C", 6, 3, 3, 1, 1, *bits), ("M", 2, 4)]
    ends = [("A", 2, 4)], [("D", 0.1, 4), ("S", 10, 4, 8, 16)]
    found = set(study)
    for body in (
        [*best_of_the_study, ("C", 10, 3, 3, 1, 1, *bits)],
        [("F", 16, *bits), ("F", 32, *bits)],
        [("DSC", 4, 5, 5, 1, 1, *bits), ("M", 2, 4), ("F", 16, *bits), ("F", 16, *bits)],
        [("C", 32, 1, 1, 1, 1, *bits), ("F", 32, *bits)],
    ):
        assert (*ends[0], *body, *ends[1]) in found
    for body in (
        [("F", 16, *bits)],
        [("F", 16, *bits), ("C", 4, 1, 1, 1, 1, *bits)],
        [("DSC", 4, 1, 1, 1, 1, *bits), ("F", 16, *bits)],
        [("M", 2, 4), ("C", 4, 1, 1, 1, 1, *bits), ("F", 16, *bits)],
    ):
        assert (*ends[0], *body, *ends[1]) not in found


def test_the_best_network_of_the_study_has_its_bytes(study):
    """2,004.5 bytes below 2 KB (research/quant2kb.md section 7), with the arithmetic that was used there."""
    totals = {sum(ke.storage.compute_storage(network, (28, 28, 1))) for network in study if _is_their_best(network)}
    assert 2004.5 in totals


def _is_their_best(network):
    return [item[0] for item in network] == ["A", "C", "C", "M", "C", "D", "S"] and [
        item[1] for item in network if item[0] == "C"
    ] == [12, 6, 10]


@pytest.mark.parametrize("shape", [(28, 28, 1), (8, 8, 1), (32, 24, 3), (13,)])
def test_prices_are_those_of_the_estimate(shape):
    networks = list(search.candidates(SearchSpace.for_inputs(shape), 10))
    for network in random.Random(0).sample(networks, min(150, len(networks))):
        _check_price(network, shape)


@settings(max_examples=40)
@given(st.data())
def test_prices_are_those_of_the_estimate_in_other_spaces(data):
    sizes = st.lists(st.integers(1, 6), min_size=1, max_size=2, unique=True)
    space = SearchSpace(
        input_pooling=data.draw(st.none() | st.integers(1, 3)),
        kernel_sizes=data.draw(st.dictionaries(st.sampled_from(["C", "CN", "DSC", "T"]), sizes))
        | data.draw(st.just({}) | st.just({"R": (3,)})),
        filters=data.draw(sizes),
        dense_units=data.draw(sizes),
        min_layers=1,
        pool_sizes=data.draw(st.just(()) | sizes),
        pool_letter=data.draw(st.sampled_from(["A", "M"])),
        dropout=data.draw(st.none() | st.just(0.1)),
        kernel_bits=data.draw(st.integers(1, 8) | st.just((2, 5))),
        activation_bits=data.draw(st.integers(1, 16) | st.just((3, 4))),
    )
    networks = list(search.candidates(space, 3))
    assert len(networks) == space.size() == len(set(networks))
    _check_price(data.draw(st.sampled_from(networks)), (9, 7, 2))


def test_a_space_too_large_to_count_through_is_drawn_from():
    space, shape = SearchSpace.wide((28, 28, 1)), (28, 28, 1)
    with pytest.raises(ValueError, match="must hold 1 to 3,000,000 candidates"):
        next(search.candidates(space, 10))
    networks = list(some_candidates(space, 10, seed=1, count=2000))
    assert networks == list(some_candidates(space, 10, seed=1, count=2000)) and len(set(networks)) == len(networks)
    letters = [[item[0] for item in network] for network in networks]
    convolutions = Counter(sum(letter in ("C", "DSC", "T", "R") for letter in each) for each in letters)
    assert set(convolutions) == set(range(5)) and {"T", "R"} <= set().union(*letters)
    assert {item[1] for network in networks for item in network if item[0] == "C"} == set(range(3, 33))
    mixed = [len({item[-1] for item in network if item[0] in ("C", "DSC", "F")}) > 1 for network in networks]
    assert sum(mixed) > 500
    for network in networks[::40]:
        _check_price(network, shape)


def test_prices_know_whether_pixels_still_arrive_one_by_one():
    pool, drop, last = ("M", 2, 4), ("D", 0.1, 4), ("S", 10, 4, 8, 16)
    wide, wider = ("C", 1, 1, 1, 1, 1, 4, 8, 4), ("Q", 16)
    for network in ((drop, pool, last), (wide, drop, wider, pool, last), (("Q", 4), ("A", 2, 4), drop, wide, last)):
        _check_price(network, (28, 28, 1))


def _check_price(network, shape):
    price = search.price_network(network, shape)
    try:
        report = ke.estimate_storage(network, shape)
    except ValueError as error:
        assert price is None and "nothing is left" in str(error)
        return
    assert price.total_bytes == report.total_bytes
    assert price == (report.weight_bytes, report.activation_bytes, report.parameters, report.mult_adds)


def test_price_space_drops_what_does_not_fit(study):
    some = study[:: len(study) // 400]
    reports = [search.price_network(network, (28, 28, 1)) for network in some]
    priced = search.price_space(some, (28, 28, 1), 2048)
    assert priced.invalid == reports.count(None) > 0
    assert priced.too_large == sum(report is not None and report.total_bytes > 2048 for report in reports) > 0
    assert len(priced.networks) == len(priced.prices) == len(some) - priced.invalid - priced.too_large
    assert all(price.total_bytes <= 2048 for price in priced.prices)
    assert priced.smallest_bytes == min(price.total_bytes for price in priced.prices)


def test_the_sample_is_about_uniform_in_log_bytes():
    sizes = np.exp(np.linspace(math.log(100), math.log(6400), 40_000) ** 2 / math.log(6400))
    weights = search.log_uniform_weights(sizes)
    sample = search.draw(weights, 3000, seed=1)
    assert len(set(sample.tolist())) == 3000
    drawn, _ = np.histogram(np.log(sizes[sample]), bins=6)
    everything, _ = np.histogram(np.log(sizes), bins=6)
    assert everything.max() > 1.35 * everything.min()
    assert drawn.max() < 1.2 * drawn.min()


def test_the_draw_is_reproducible_and_follows_the_weights():
    weights = np.array([1.0, 2, 4, 8] * 50)
    first = search.draw(weights, 20, seed=3)
    assert first.tolist() == search.draw(weights, 20, seed=3).tolist() != search.draw(weights, 20, seed=4).tolist()
    assert search.draw(weights, 50, seed=3)[:20].tolist() == first.tolist()
    assert sorted(search.draw(weights, 1000, seed=0).tolist()) == list(range(200))
    firsts = np.bincount([search.draw(weights[:4], 1, seed)[0] for seed in range(3000)])
    assert np.abs(firsts / 3000 - weights[:4] / 15).max() < 0.03


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5)), max_size=12))
def test_the_front_is_what_nothing_dominates(points):
    sizes, accuracies = [p[0] for p in points], [p[1] for p in points]
    front = search.pareto_front(sizes, accuracies)

    def dominated(point):
        return any(o[0] <= point[0] and o[1] >= point[1] and o != point for o in points)

    assert sorted(front) == [index for index, point in enumerate(points) if not dominated(point)]
    assert [sizes[index] for index in front] == sorted(sizes[index] for index in front)
    best = search.best_within(4, sizes, accuracies)
    fitting = [index for index in range(len(points)) if sizes[index] <= 4]
    assert best == (min(fitting, key=lambda i: (-accuracies[i], sizes[i], i)) if fitting else None)


@pytest.fixture(scope="module")
def data():
    x_train, y_train, x_val, y_val, _, _ = ke.datasets.load_dataset("digits").arrays()
    # Whoever looked at these test samples would fail.
    return x_train[:300], y_train[:300], x_val[:100], y_val[:100], np.full((4, 8, 8, 1), 9.0), np.zeros(4, int)


def _search(directory, arrays, **changes):
    settings = {"space": _SPACE, "samples": 3, "epochs": (1, 1), "seed": 5, "verbose": False, "references": {}}
    return ke.training.search_networks(arrays, 600, directory, **{**settings, **changes})


@pytest.fixture(scope="module")
def found(data, tmp_path_factory):
    directory = tmp_path_factory.mktemp("search") / "digits"
    result = _search(directory, data, references=_REFERENCES)
    return result, directory


def test_leaves_the_files_of_a_search(found, data):
    result, directory = found
    assert len(result.candidates) == 3 and [reference.name for reference in result.references] == ["tiny"]
    content = json.loads((directory / "search.json").read_text())
    counts = content["counts"]
    assert counts["candidates"] == counts["invalid"] + counts["too_large"] + counts["fitting"] == _SPACE.size()
    assert [entry["bytes"] for entry in content["best_within"]] == [512, 600]
    page = (directory / "search.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and "tiny" in page and "http" not in page.replace("http-equiv", "")
    assert str(directory) not in (directory / "search.json").read_text()
    for candidate in (*result.candidates, *result.references):
        storage = ke.estimate_storage(candidate.network, (8, 8, 1))
        assert candidate.total_bytes == storage.total_bytes and candidate.parameters == storage.parameters
    model = keras.saving.load_model(result.best.path)
    accuracy = (model.predict(data[2], verbose=0).argmax(1) == data[3]).mean()
    assert result.best.val_accuracy == pytest.approx(accuracy)
    assert {layer.mode for layer in ke.quantization.quantized_layers(model)} == {"learn_scales"}


def test_a_candidate_trains_as_a_run_does(found, data, tmp_path):
    result, _ = found
    stages = [ke.Stage(mode, 1, 1, batch_size=9) for mode in ("float", "learn_scales")]
    network = result.best.network
    run = ke.train_network(network, data[:4], stages, tmp_path, rule="val_accuracy", seed=5, verbose=False)
    floats, quantized = (stage[0].max_accuracy for stage in run.stages)
    assert result.best.float_accuracy == floats["val_accuracy"]
    assert (result.best.val_accuracy, result.best.val_loss) == (quantized["val_accuracy"], quantized["val_loss"])


def test_ranks_by_quantized_validation_accuracy(found):
    result, _ = found
    assert result.best.val_accuracy == max(candidate.val_accuracy for candidate in result.candidates)
    assert result.best in result.front
    assert result.best_within[600] == result.best
    assert all(candidate.total_bytes <= 600 for candidate in result.candidates)


def test_the_winner_trains(found, data, tmp_path):
    result, _ = found
    description = read_description(result.network_path)
    assert list(description) == result.best.network and description.input_shape == (8, 8, 1)
    stage = ke.Stage("float", 1, 1, batch_size=100)
    assert ke.train_network(description, data[:4], [stage], tmp_path / "run", verbose=False).best.val_accuracy > 0


def test_a_finished_search_is_only_read(found, data):
    result, directory = found
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    again = _search(directory, data, references=_REFERENCES)
    assert again == result
    with pytest.raises(ValueError, match="holds a run with other settings: seed is 5 there and 6 here"):
        _search(directory, data, references=_REFERENCES, seed=6)
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*")} == before


def test_an_interrupted_search_continues(found, data, tmp_path):
    _, directory = found
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    for name in ("search.json", "network.json", "candidates/0001.json", "candidates/0002.json"):
        (copy / name).unlink()
    shutil.rmtree(copy / "candidates/0001")
    shutil.rmtree(copy / "candidates/0002/stages/1_learn_scales")
    kept = [copy / "candidates/0000.json", copy / "candidates/0002/stages/0_float/trial_000/trial.json"]
    before = [path.stat().st_mtime_ns for path in kept]
    # Another thread may train what is missing: the seeds are the same there.
    with ThreadPoolExecutor(1) as executor:
        _search(copy, data, references=_REFERENCES, executor=executor)
    assert _without_clocks(copy) == _without_clocks(directory)
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert (copy / "network.json").read_bytes() == (directory / "network.json").read_bytes()


def _without_clocks(directory):
    """search.json without clocks."""
    content = json.loads((directory / "search.json").read_text())
    for record in (*content["candidates"], *content["references"]):
        del record["train_seconds"]
    return {key: value for key, value in content.items() if "seconds" not in key and "date" not in key}


class _LosesEveryWorkerOnce(ThreadPoolExecutor):
    def __init__(self, times=1):
        super().__init__(1)
        self.times, self.lost = times, Counter()

    def submit(self, function, progress, train, search, job):
        self.lost[job.place] += 1
        if self.lost[job.place] > self.times:
            return super().submit(function, progress, train, search, job)
        future = Future()
        future.set_exception(BrokenExecutor("the worker died"))
        return future


def test_a_candidate_whose_worker_dies_is_trained_again(found, data, tmp_path):
    _, directory = found
    copy = shutil.copytree(directory, tmp_path / "copy")
    for name in ("search.json", "candidates/0001.json"):
        (copy / name).unlink()
    with pytest.raises(ChildProcessError, match="The worker of candidate 1 died 4 times: the worker died"):
        _search(copy, data, references=_REFERENCES, executor=_LosesEveryWorkerOnce(4))
    with _LosesEveryWorkerOnce() as executor:
        _search(copy, data, references=_REFERENCES, executor=executor)
    assert _without_clocks(copy) == _without_clocks(directory) and not list(copy.rglob("*progress.jsonl"))


def test_a_candidate_that_fails_is_kept_with_its_reason(data, tmp_path, monkeypatch):
    train = Run.all_stages

    def fails_once(run, *arguments):
        if run.directory.name == "0001":
            raise ArithmeticError("it was\ntoo hard")
        return train(run, *arguments)

    monkeypatch.setattr(Run, "all_stages", fails_once)
    result = _search(tmp_path / "one", data, samples=2)
    assert result.candidates[1].status == "failed" and result.candidates[1].val_accuracy is None
    assert result.candidates[1].reason == "ArithmeticError: it was too hard"
    assert result.best == result.candidates[0] and result.front == (result.best,)
    assert result.counts["failed"] == 1
    monkeypatch.setattr(Run, "all_stages", _raise(ArithmeticError("no")))
    with pytest.raises(ValueError, match="All 2 candidates failed; the first: ArithmeticError: no"):
        _search(tmp_path / "all", data, samples=2)
    monkeypatch.setattr(Run, "all_stages", _raise(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        _search(tmp_path / "disk", data, samples=2)
    assert not list((tmp_path / "disk").rglob("candidates/*.json"))


def _raise(error):
    def function(*arguments, **settings):
        raise error

    return function


def test_a_loss_that_is_not_finite_is_the_reason(data, tmp_path):
    broken = (data[0] * 1e30, *data[1:4])
    with pytest.raises(ValueError, match="The loss is not finite"):
        _search(tmp_path / "x", broken, samples=1)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"samples": 0}, "`samples` must be a positive integer"),
        ({"epochs": (1,)}, "`epochs` must be two numbers"),
        ({"epochs": (1, 0)}, "`epochs` must be a positive integer"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"seed": -1}, "`seed` must be"),
        ({"engine": "steam"}, "`engine` must be one of"),
        ({"mutants": -1}, "`mutants` must be"),
        ({"halving": 0}, "`halving` must be a positive integer"),
        ({"seeds": 0}, "`seeds` must be a positive integer"),
        ({"references": {"x": [["X"]]}}, "item 1 of 1"),
        ({"space": SearchSpace(kernel_sizes={"C": [9]}, min_layers=2, dense_units=[])}, "none has valid shapes"),
        ({"network": [["F", 90, 8, 8, 8], ["S", 10, 8, 8, 8]]}, "`network` must take at most max_bytes"),
    ],
)
def test_wrong_arguments_touch_nothing(changes, message, data, tmp_path):
    with pytest.raises(ValueError, match=message):
        _search(tmp_path / "x", data, **changes)
    assert not (tmp_path / "x").exists()


def test_a_network_of_ones_own_is_a_candidate(data, tmp_path):
    own = [["M", 2, 4], ["S", 10, 4, 8, 8]]
    space = SearchSpace(input_pooling=None, kernel_sizes={"C": [3], "R": [3]}, filters=range(3, 99), max_layers=3)
    space = space.with_changes({"kernel_bits": [2, 3, 4], "activation_bits": [3, 4]})
    result = _search(tmp_path / "own", data, network=own, space=space, samples=1, references=_REFERENCES)
    first, second = result.candidates
    assert (first.name, first.network, first.status) == ("own network", own, "finished")
    assert second.name == "candidate 0" and result.references[0].name == "tiny" and result.counts["drawn"] == 2
    assert SearchSpace(**json.loads((tmp_path / "own/search.json").read_text())["space"]) == space
    with pytest.raises(ValueError, match="network"):
        _search(tmp_path / "own", data, space=space, samples=1)


@pytest.fixture
def imagined(monkeypatch):
    """Trainings that are only counted: an accuracy from bytes, epochs and seed."""
    jobs = []

    def results(search, given, executor, progress):
        jobs.extend(given)
        return [replace(job.candidate, val_loss=1.0, float_accuracy=0.5, **_imagined(job)) for job in given]

    monkeypatch.setattr(driver, "train_all", results)
    return jobs


def _imagined(job):
    accuracy = 0.5 + job.candidate.total_bytes / 2000 + job.stages[0].epochs / 100 + (job.seed - 7) / 1000
    return {"val_accuracy": accuracy, "path": job.place}


def test_rungs_mutants_and_finalists(data, tmp_path, imagined):
    settings = {"network": [["M", 2, 4], ["S", 10, 4, 8, 8]], "references": _REFERENCES, "samples": 12}
    result = _search(tmp_path / "x", data, **settings, mutants=28, epochs=(5, 2), halving=1, seeds=3)
    stages = Counter((len(Path(job.place).parts), job.stages[0].epochs, job.stages[1].epochs) for job in imagined)
    finalists = [candidate for candidate in result.candidates if candidate.rung == 3]
    # 12 + 28 + 2, then 10 + 2, then 2 + 2; the finalists with 3 other seeds each
    assert stages == {(2, 1, 1): 42, (3, 4, 2): 12, (3, 5, 2): 4 + 3 * (len(finalists) + 1)}
    assert Counter(candidate.rung for candidate in result.candidates)[0] == 30
    assert {job.seed for job in imagined} == {5, 6, 7, 8} and result.counts["drawn"] == 41
    own = result.candidates[0]
    assert own in finalists and result.references[0].rung == 3 and all(each in finalists for each in result.front)
    assert own.val_accuracy == pytest.approx(0.5 + own.total_bytes / 2000 + 0.05)
    assert (
        own.spread == pytest.approx(0.001)
        and len(own.val_accuracies) == 3
        and own.path.endswith("x/seed_1/candidates/own")
    )
    assert result.best == max(finalists, key=lambda each: each.val_accuracy)
    content = json.loads((tmp_path / "x/search.json").read_text())
    text = search_summary(content)
    assert f"41 trained, 11, then 3 of them for longer, {len(finalists)} with 3 other seeds" in text
    assert "± 0.10 %" in text and "± 0.10 %" in (tmp_path / "x/search.html").read_text()
    assert len({str(candidate.network) for candidate in result.candidates}) == 41
    with pytest.raises(ValueError, match="mutants"):
        _search(tmp_path / "x", data, **settings, epochs=(5, 2), halving=1, seeds=3)


def test_what_fails_does_not_go_on(data, tmp_path, imagined, monkeypatch):
    train = driver.train_all
    worst = {"status": "failed", "reason": "no", "val_accuracy": None}
    results = lambda search, jobs, *others: [  # noqa: E731
        replace(found, **worst if found.name in ("own network", "candidate 0") else {})
        for found in train(search, jobs, *others)
    ]
    monkeypatch.setattr(driver, "train_all", results)
    own = [["M", 2, 4], ["S", 10, 4, 8, 8]]
    result = _search(tmp_path / "x", data, network=own, samples=8, mutants=2, epochs=(2, 2), halving=1, seeds=2)
    first, second, *_ = result.candidates
    assert (first.status, first.spread) == ("failed", None) and (second.status, second.rung) == ("failed", 0)
    assert result.best.rung == 2 and result.counts["failed"] == 2


def test_mutants_are_near_and_within_the_space():
    space, own = SearchSpace.wide((8, 8, 1)), tuple(map(tuple, ke.networks.DIGITS))
    fits = lambda network: (price := search.price_network(network, (8, 8, 1))) and price.total_bytes < 1600  # noqa: E731
    found = mutants([own], space, 200, "0", fits)
    assert len(set(found)) == 200 and all(map(fits, found)) and found == mutants([own], space, 200, "0", fits)
    same = [network for network in found if len(network) == len(own)]
    changed = Counter(sum(a != b for a, b in zip(network, own, strict=True)) for network in same)
    assert changed[1] > len(same) / 3 and {len(network) for network in found} >= {len(own) - 1, len(own) + 1}
    letters = {item[0] for network in found for item in network}
    assert letters >= {"C", "M", "S", "D"} and letters & {"R", "T", "DSC", "F"}
    assert all(network[-1][:2] == ("S", 10) for network in found)
    assert not mutants([own], space, 3, "0", lambda network: False)


def test_texts_and_batches(data, tmp_path):
    x_train, y_train, x_val, y_val = data[:4]
    names = np.array([f"digit {number}" for number in range(10)])
    batches = [(x_train[i : i + 50, ..., 0], names[y_train[i : i + 50]]) for i in range(0, 300, 50)]
    result = _search(tmp_path / "texts", (batches, (x_val, names[y_val])), samples=1)
    assert result.best.val_accuracy == _search(tmp_path / "numbers", data, samples=1).best.val_accuracy
    assert json.loads((tmp_path / "texts/search.json").read_text())["labels"] == names.tolist()


def test_a_search_decides_its_engine_once(data, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.warns(UserWarning, match="^Keras trains, slower than the compiled engine: no C compiler is installed"):
        prepared = Search.prepare(data, 500, tmp_path, _SPACE, 1, (1, 1), None, None, 0, "auto")
    assert prepared.engine == prepared.manifest()["engine"] == "keras"


def test_a_worker_without_the_engine_of_the_search_fails_its_candidate(data, tmp_path, monkeypatch):
    prepared = Search.prepare(data, 500, tmp_path, _SPACE, 1, (1, 1), None, None, 0, "keras")
    network = _REFERENCES["tiny"]
    job = _job("candidates/0000", "tiny", network, ke.estimate_storage(network, (8, 8, 1)))
    monkeypatch.setenv("PATH", "/nowhere")
    found = train_job(replace(prepared, engine="compiled"), job)
    assert found.status == "failed" and "which this worker does not have: no C compiler" in found.reason
    assert not (tmp_path / "candidates/0000").exists()


def test_a_limit_that_nothing_fits_names_the_smallest(data, tmp_path):
    smallest = min(
        search.price_network(n, (8, 8, 1)).total_bytes for n in search.candidates(_SPACE, 10) if n[0][2] == 3
    )
    with pytest.raises(ValueError, match=f"the smallest needs {smallest:g} bytes. Received: max_bytes=20"):
        ke.training.search_networks(data, 20, tmp_path / "x", space=_SPACE)
    for limit in (0, -5, float("nan"), "many"):
        with pytest.raises(ValueError, match="max_bytes must be"):
            ke.training.search_networks(data, limit, tmp_path / "x")
    with pytest.raises(TypeError, match="`space` must be"):
        ke.training.search_networks(data, 500, tmp_path / "x", space={"filters": [4]})
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"filters": [4, 4]}, "filters must not repeat"),
        ({"filters": 4}, "filters must be a list"),
        ({"kernel_sizes": {"M": [3]}}, "a key of kernel_sizes must be one of C, CN, DSC, T, R"),
        ({"kernel_sizes": {"R": [5]}}, r"kernel_sizes\[.R.\] must be"),
        ({"kernel_bits": [4, 4]}, "kernel_bits must be one width or different ones"),
        ({"kernel_sizes": [3]}, "kernel_sizes must be like"),
        ({"min_layers": 4}, "min_layers must not be above max_layers"),
        ({"pool_letter": "P"}, "pool_letter must be one of A, M"),
        ({"kernel_bits": 0}, "kernel_bits must be 1 to 16"),
        ({"dropout": 1.5}, "dropout"),
        ({"input_pooling": 0}, "input_pooling must be at least 1"),
        ({"layers": 2}, r"a search space has no \['layers'\]"),
    ],
)
def test_space_files(changes, message, tmp_path):
    path = tmp_path / "space.json"
    path.write_text(json.dumps(changes))
    with pytest.raises(ValueError, match=message):
        search.read_space(path)
    path.write_text('{"filters": [4], "kernel_sizes": {"C": [3]}, "dense_units": [], "max_layers": 2}')
    assert search.read_space(path).size() == 3
    assert search.read_space(path, SearchSpace.for_inputs((8, 8, 1))).input_pooling is None


def test_the_command_knows_the_wide_space():
    arguments = search_arguments(900, "digits", None, Path("wide"), 1, "1,1", None, None, 0, "auto")
    assert arguments["space"] == SearchSpace.wide((8, 8, 1)) and arguments["space"].size() > 3_000_000


def test_the_command_searches_and_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.json").write_text('{"filters": [4], "kernel_sizes": {"C": [3]}, "max_layers": 2}')
    (tmp_path / "own.json").write_text('[["M", 2, 4], ["S", 10, 4, 8, 8]]')
    options = ["--max-bytes", "900", "--space", "space.json", "--samples", "1", "--epochs", "1,1", "--out", "found"]
    options += ["--network", "own.json", "--mutants", "1", "--halving", "1", "--seeds", "2"]
    text = _command(monkeypatch, capsys, "search", *options).out
    assert "candidates" in text and "DIGITS: 1,506 bytes" in text and "found/network.json" in text
    content = json.loads(_command(monkeypatch, capsys, "search", *options, "--json").out)
    assert content["format"] == "keras_efficient search 1" and content["candidates"][0]["name"] == "own network"
    assert len(content["candidates"]) == 3 and len(content["candidates"][0]["val_accuracies"]) == 2
    assert "total_bytes" in _command(monkeypatch, capsys, "storage", "--network", "found/network.json", "--json").out


def _command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["keras-efficient", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    printed = capsys.readouterr()
    assert stopped.value.code == 0, printed.err
    return printed


@pytest.mark.parametrize(
    "options, message",
    [
        ([], "max-bytes"),
        (["--max-bytes", "0"], "`--max-bytes` must be positive"),
        (["--max-bytes", "nan"], "`--max-bytes` must be finite"),
        (["--max-bytes", "5"], "the smallest needs"),
        (["--max-bytes", "900", "--epochs", "5"], "`--epochs` must be two"),
        (["--max-bytes", "900", "--epochs", "5,0"], "`--epochs` must be two"),
        (["--max-bytes", "900", "--samples", "0"], "`--samples` must be a positive"),
        (["--max-bytes", "900", "--batch-size", "-1"], "`--batch-size` must be a positive"),
        (["--max-bytes", "900", "--seed", "-1"], "`--seed` must be at least 0"),
        (["--max-bytes", "900", "--workers", "0"], "`--workers`"),
        (["--max-bytes", "900", "--space", "missing.json"], "there is no search space at missing.json"),
        (["--max-bytes", "900", "--space", "list.json"], "list.json must hold an object"),
        (["--max-bytes", "900", "--space", "text.json"], "text.json"),
        (["--max-bytes", "900", "--dataset", "imagenet"], "imagenet"),
        (["--max-bytes", "900", "--out", "taken"], "holds other files; nothing was touched"),
    ],
)
def test_bad_options_give_one_line_and_code_2(options, message, tmp_path, monkeypatch, capsys):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/thesis.txt").write_text("mine")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "text.json").write_text("no JSON")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["keras-efficient", "search", *options])
    with pytest.raises(SystemExit) as stopped:
        main()
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and message in error
    assert error.startswith("keras-efficient: ") and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
