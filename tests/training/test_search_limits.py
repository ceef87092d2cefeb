"""A search whose candidates must also fit a microcontroller."""

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.export import FirmwareLimits, chips, firmware_estimate
from keras_efficient.export.verify import ToolMissingError
from keras_efficient.report.search import search_summary
from keras_efficient.training.search import SearchSpace, driver

_SPACE = SearchSpace(input_pooling=None, kernel_sizes={"C": [3]}, filters=[3, 4, 5, 6], dense_units=[8], max_layers=2)


@dataclass(frozen=True)
class _NoFilters:
    """Admits candidates with a first layer that has other numbers of filters, and counts what it is asked."""

    filters: tuple = ()
    asked: list = field(default_factory=list, compare=False)

    def check_tools(self):
        pass

    def admits(self, network, input_shape):
        assert input_shape == (8, 8, 1)
        self.asked.append(network)
        return network[0][1] not in self.filters

    def describe(self):
        return {"chip": "imagined", "max_flash": 5_000}


@pytest.fixture(scope="module")
def arrays():
    random = np.random.default_rng(0)
    x, y = random.random((60, 8, 8, 1)).astype("float32"), np.arange(60) % 10
    return x[:40], y[:40], x[40:], y[40:]


@pytest.fixture
def without_training(monkeypatch):
    """Candidates get a result and no training, which takes time and changes nothing here."""

    def results(search, jobs, executor, progress):
        return [replace(job.candidate, val_accuracy=0.5, val_loss=1.0, float_accuracy=0.5, path="x") for job in jobs]

    monkeypatch.setattr(driver, "train_all", results)


def _search(directory, arrays, limits=None, samples=3):
    return ke.training.search_networks(
        arrays,
        700,
        directory,
        space=_SPACE,
        samples=samples,
        epochs=(1, 1),
        seed=5,
        verbose=False,
        references={},
        limits=limits,
    )


def test_candidates_above_a_limit_are_left_out_and_counted(arrays, tmp_path, without_training):
    free = _search(tmp_path / "free", arrays)
    first = free.candidates[0].network[0][1]
    limits = _NoFilters((first,))
    result = _search(tmp_path / "kept", arrays, limits)
    assert len(result.candidates) == 3 and all(each.network[0][1] != first for each in result.candidates)
    left_out = sum(network[0][1] == first for network in limits.asked)
    assert len(limits.asked) == left_out + 3 and result.counts["left_out"] == left_out >= 1
    summary = search_summary(json.loads((tmp_path / "kept/search.json").read_text()))
    assert f"{left_out} drawn and left out by the limits of the imagined (flash 5,000); 3 trained" in summary
    assert "left_out" not in free.counts and not (tmp_path / "free/drawn.json").exists()
    kept = [each.network for each in free.candidates if each.network[0][1] != first]
    assert [each.network for each in result.candidates][: len(kept)] == kept, "the order of the draw is another"


def test_an_interrupted_search_asks_nothing_again(arrays, tmp_path, without_training):
    first = _search(tmp_path / "run", arrays, _NoFilters())
    (tmp_path / "run/search.json").unlink()
    limits = _NoFilters((3, 4, 5, 6, 8))
    again = _search(tmp_path / "run", arrays, limits)
    assert not limits.asked and again.candidates == first.candidates
    with pytest.raises(ValueError, match="holds a run with other settings: limits is"):
        _search(tmp_path / "run", arrays)


def test_limits_that_nothing_keeps(arrays, tmp_path):
    limits = _NoFilters((3, 4, 5, 6, 8))
    with pytest.raises(ValueError, match=r"none of 10 candidates keeps the limits. Received: {'chip': 'imagined'"):
        _search(tmp_path / "run", arrays, limits, samples=1)
    assert len(limits.asked) == 10 and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"chip": "z80", "max_ram": 100}, "`chip` must be one of .* Received: chip='z80'"),
        ({"chip": "atmega328p"}, "`chip` needs `max_flash`, `max_ram` or `max_cycles`. Received: only chip="),
        ({"chip": "atmega328p", "max_ram": 0}, "`max_ram` must be an integer of at least 1. Received: max_ram=0"),
        ({"chip": "cortex-m4", "max_cycles": 9}, "`max_cycles` is for the chip 'atmega328p'.* Received: max_cycles=9"),
    ],
)
def test_wrong_limits(arguments, message):
    with pytest.raises(ValueError, match=message):
        FirmwareLimits(**arguments)


@pytest.mark.parametrize(
    ("limits", "admitted"),
    [
        ({"max_flash": 5000}, True),
        ({"max_flash": 4999}, False),
        ({"max_ram": 400}, True),
        ({"max_ram": 399}, False),
        ({"max_cycles": 90_000}, True),
        ({"max_cycles": 89_999}, False),
        ({"max_flash": 5000, "max_ram": 399}, False),
    ],
)
def test_a_limit_may_be_reached(limits, admitted, monkeypatch):
    numbers = {"flash_bytes": 5000, "ram_bytes": 400, "cycles": 90_000}
    estimate = ke.FirmwareEstimate("atmega328p", "-Os", **numbers, how="compiled and simulated")
    monkeypatch.setattr(firmware_estimate, "estimate_firmware", lambda *arguments: estimate)
    assert FirmwareLimits("atmega328p", **limits).admits([], (8, 8, 1)) is admitted


def test_what_does_not_run_on_the_chip_is_not_admitted(monkeypatch):
    estimate = ke.FirmwareEstimate("atmega328p", "-Os", flash_bytes=3000, ram_bytes=2500, how="compiled")
    monkeypatch.setattr(firmware_estimate, "estimate_firmware", lambda *arguments: estimate)
    assert not FirmwareLimits("atmega328p", max_flash=5000).admits([], (8, 8, 1))


def test_the_command_searches_within_a_chip(command, tmp_path, without_training, monkeypatch):
    try:
        chips.CHIPS["atmega328p"].find_tools()
    except ToolMissingError as error:
        pytest.skip(str(error))
    space = tmp_path / "space.json"
    space.write_text('{"filters": [4, 16], "kernel_sizes": {"C": [3]}, "dense_units": [16], "max_layers": 2}')
    options = ["--max-bytes", 9000, "--samples", 1, "--epochs", "1,1", "--space", space, "--out", "run"]
    code, output, errors = command("search", *options, "--chip", "atmega328p", "--max-ram", 150, "--json")
    assert code == 0, errors
    result = json.loads(output)
    assert result["limits"] == {"chip": "atmega328p", "max_ram": 150} and result["counts"]["left_out"] > 0
    for candidate in result["candidates"]:
        assert ke.estimate_firmware(candidate["network"], "atmega328p", (8, 8, 1)).ram_bytes <= 150
    monkeypatch.setenv("PATH", str(tmp_path))
    again = command("search", *options, "--chip", "atmega328p", "--max-ram", 150, "--json")
    assert again[0] == 0 and json.loads(again[1]) == result, "a finished search needs no compiler"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-ram", 500], "`--max-ram` needs `--chip`. Received: --max-ram 500, and no chip"),
        (["--chip", "cortex-m3"], "`--chip` needs `--max-flash`, `--max-ram` or `--max-cycles`"),
        (["--chip", "cortex-m3", "--max-cycles", 500], "`--max-cycles` is for the chip 'atmega328p'"),
        (["--chip", "cortex-m9", "--max-ram", 500], "`--chip` must be one of"),
    ],
)
def test_wrong_options(options, message, command, tmp_path):
    code, _, errors = command("search", "--max-bytes", 900, "--out", "run", *options)
    assert code == 2 and message in errors and errors.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("chip", ["atmega328p", "cortex-m3"])
def test_limits_cannot_be_checked_without_a_compiler(chip, command, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    space = tmp_path / "space.json"
    space.write_text('{"filters": [4], "kernel_sizes": {"C": [3]}, "dense_units": [16], "max_layers": 2}')
    options = ("--max-bytes", 900, "--space", space, "--out", "run", "--chip", chip, "--max-ram", 500)
    code, _, errors = command("search", *options)
    assert code == 2 and f"the limits of '{chip}' cannot be checked" in errors and "Install: apt-get" in errors
    assert errors.count("\n") == 1 and list(tmp_path.iterdir()) == [space]
