"""The command `keras-efficient`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from samples import result_without_clocks

import keras_efficient as ke
from keras_efficient.cli import app
from keras_efficient.files import make_temporary_folder
from keras_efficient.folders import locked
from keras_efficient.networks import MNIST_2KB
from keras_efficient.report.result import FORMAT

_COMMAND = str(Path(sys.executable).parent / "keras-efficient")
_SHORT = ["--trials", "2,1,1", "--epochs", "4,2,2", "--seed", "1"]
_NETWORK = [["C", 4, 3, 4, 8, 4], ["M", 2, 4], ["S", 10, 4, 8, 8]]


def _run(*arguments, cwd):
    # Importing JAX in this process sets a log level, which the command would inherit.
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run([_COMMAND, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "network.json"
    path.write_text(json.dumps(_NETWORK))
    return path


def test_train_runs_once_and_its_page_comes_back(tmp_path, network, command):
    arguments = ["train", "--network", network, *_SHORT, "--out", "run"]
    done = _run(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "weights + activations" in done.stdout and "test" in done.stdout
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    code, output, _ = command(*arguments, "--json")
    assert code == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == before
    assert json.loads(output)["best"] == result_without_clocks(tmp_path / "run")["best"]
    (tmp_path / "run/report.html").unlink()
    killed = make_temporary_folder(tmp_path / "run")
    assert command("report", "run")[0] == 0 and not killed.exists()
    assert (tmp_path / "run/report.html").read_bytes() == _page_of(tmp_path / "run")


def _page_of(directory):
    from keras_efficient.report import load_result
    from keras_efficient.report.page import render

    return render(load_result(directory)).encode()


def test_workers_give_the_same_result(tmp_path, network, command):
    for out, extra in (("one", []), ("two", ["--workers", "2"])):  # float only: two processes start slowly
        code, _, errors = command("train", "--network", network, *_SHORT, "--trials", "2,0,0", "--out", out, *extra)
        assert code == 0, errors
    one, two = result_without_clocks(tmp_path / "one"), result_without_clocks(tmp_path / "two")
    assert one["stages"][0]["trials"][1]["seed"] == two["stages"][0]["trials"][1]["seed"]
    assert one["best"]["val_accuracy"] == pytest.approx(two["best"]["val_accuracy"], abs=0.02)


def test_storage_prints_a_table_and_json(tmp_path, command):
    path = tmp_path / "study.json"
    path.write_text(json.dumps(MNIST_2KB))
    code, output, errors = command("storage", "--network", path)
    assert code == 0 and "1947" in output and errors == ""
    assert output.startswith(f"{path} names no input shape: that of MNIST is taken, --input-shape 28,28,1\n")
    report = json.loads(command("storage", "--network", path, "--json")[1])
    assert (report["weight_bytes"], report["activation_bytes"], report["total_bytes"]) == (1512.5, 434.5, 1947.0)
    row = json.loads(command("storage", "--network", path, "--order", "row", "--json")[1])
    assert row["activation_bytes"] == 457.5
    wide = json.loads(command("storage", "--network", path, "--input-shape", "28,40,1", "--json")[1])
    assert wide["activation_bytes"] > 434.5


def test_storage_shows_what_the_firmware_takes(network, command, tmp_path, monkeypatch):
    arguments = ("storage", "--network", network, "--input-shape", "8,8,1", "--chip", "cortex-m4")
    code, output, errors = command(*arguments)
    assert code == 0 and errors == "" and "\n\ncortex-m4, -O2: " in output
    firmware = json.loads(command(*arguments, "--json")[1])["firmware"]
    assert firmware == ke.estimate_firmware(_NETWORK, "cortex-m4", (8, 8, 1)).to_dict()
    assert "firmware" not in json.loads(command(*arguments[:-2], "--json")[1])
    monkeypatch.setenv("PATH", str(tmp_path))
    code, output, _ = command(*arguments)
    assert code == 0 and "not compiled: arm-none-eabi-gcc not found. Install:" in output


@pytest.mark.parametrize("name", ["", *(command.callback.__name__ for command in app.registered_commands)])
def test_help_shows_an_example(name, command):
    code, output, _ = command(*filter(None, [name]), "--help")
    assert code == 0 and "Usage:" in output
    assert not name or f"Example: keras-efficient {name}" in " ".join(output.split())


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["train", "--dataset", "imagenet"], "imagenet"),
        (["train", "--trials", "1,2"], "`--trials` must be three numbers"),
        (["train", "--epochs", "a,b,c"], "`--epochs` must be whole numbers"),
        (["train", "--trials", "0,0,0"], "`--trials` must leave at least one stage"),
        (["train", "--trials=-1,1,1"], "`--trials` must be a positive integer"),
        (["train", "--batch-size", "0"], "`--batch-size` must be a positive integer"),
        (["train", "--augment=-1"], "`--augment` must be zero or positive"),
        (["train", "--workers", "0"], "`--workers` must be at least 1"),
        (["train", "--rule", "luck"], "`--rule` must be one of"),
        (["train", "--network", "missing.json"], "missing.json"),
        (["train", "--network", "wrong.json"], "item 1 of 1"),
        (["train", "--network", "large.json"], "describes a network for inputs of shape"),
        (["train", "--out", "taken"], "holds other files; nothing was touched"),
        (["train", "--dataset", "mnist", "--data-dir", "empty"], "mnist.npz"),
        (["train", "--no-such-option"], "--no-such-option"),
        (["train", "--seed", "abc"], "--seed"),
        (["train", "--network", "seven.json"], "the network has 7 outputs"),
        (["storage", "--network", "text.json"], "text.json"),
        (["storage", "--order", "diagonal"], "order"),
        (["storage", "--input-bits", "40"], "`--input-bits`"),
        (["storage", "--chip", "z80"], "`--chip` must be one of 'atmega328p'"),
        (["storage", "--input-shape", "28,28"], "`--input-shape` must be (rows"),
        (["report", "nowhere"], "nowhere"),
        (["report", "nested"], "must be a JSON file"),
        (["report", "changed"], "`result` must hold what a run writes"),
        (
            ["search", "--max-bytes", "1000", "--space", "nested/result.json"],
            "result.json is no search space: it holds",
        ),
        (["report"], "directory"),
        (["fly"], "fly"),
    ],
)
def test_bad_input_gives_one_line_and_code_2(arguments, message, tmp_path, command):
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/thesis.txt").write_text("mine")
    (tmp_path / "seven.json").write_text('[["S", 7, 4, 8, 8]]')
    (tmp_path / "wrong.json").write_text('[["X", 1]]')
    (tmp_path / "text.json").write_text("no JSON")
    (tmp_path / "large.json").write_text(json.dumps({"network": _NETWORK, "input_shape": [28, 28, 1]}))
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested/result.json").write_text("[" * 100_000)
    (tmp_path / "changed").mkdir()
    (tmp_path / "changed/result.json").write_text(
        json.dumps({"format": FORMAT, "best": {}, "stages": [], "storage": 3})
    )
    before = sorted(tmp_path.rglob("*"))
    code, _, error = command(*arguments)
    assert code == 2
    assert message in error
    assert error.startswith("keras-efficient: ") and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_second_process_in_the_same_folder_is_refused(tmp_path, network, command):
    with locked(tmp_path / "run"):
        done = _run("train", "--network", network, *_SHORT, "--out", "run", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "'run' is in use by process" in done.stderr


def test_a_process_says_nothing_but_the_line(tmp_path):
    done = _run("train", "--trials", "1,2", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("keras-efficient: `--trials`") and done.stderr.count("\n") == 1
