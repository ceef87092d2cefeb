"""The result files of the scripts: complete, private, and never half written."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"


@pytest.fixture(scope="module")
def results():
    specification = importlib.util.spec_from_file_location("measuring.results", SCRIPTS / "measuring/results.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _typed(monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(SCRIPTS / "x.py")])
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")


def test_a_record_says_how_to_repeat_it(results, tmp_path):
    path = results.write_results("speed", {"seconds": 1.5}, [0, 1], directory=tmp_path)
    record = json.loads(path.read_text())
    assert path.name == "speed.json" and os.listdir(tmp_path) == ["speed.json"]
    parts = ["command", "commands", "commit", "data", "date", "machine", "versions", "seeds", "seconds", "figures"]
    assert list(record) == ["name", *parts]
    assert record["name"] == "speed" and record["commands"] == [record["command"]] == ["python scripts/x.py"]
    assert record["date"].endswith("+00:00") and record["seeds"] == [0, 1]
    assert set(record["machine"]) == {"cpu", "cores", "memory_gb"}
    assert record["machine"]["cores"] >= 1 and record["versions"]["numpy"] == np.__version__
    assert record["figures"] == {"seconds": 1.5}


def test_a_record_says_which_code_and_data_it_is_of(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("mnist.npz", "other.npz"):
        (tmp_path / "data" / name).write_bytes(b"abc")
    program = tmp_path / "x.py"
    program.write_text(
        f"import sys\nsys.path.insert(0, {str(SCRIPTS)!r})\nfrom measuring import results\nfrom pathlib import Path\n"
        f"open({str(tmp_path / 'data' / 'mnist.npz')!r}, 'rb').close()\n"
        f"results.write_results('speed', {{}}, directory=Path({str(tmp_path)!r}), continued=True)\n"
    )
    for options in ([], ["--parts", "a"], []):
        subprocess.run([sys.executable, program, "--data-dir", tmp_path / "data", *options], check=True, cwd=ROOT)
    record = json.loads((tmp_path / "speed.json").read_text())
    assert record["commands"] == ["python x.py --data-dir DIR", "python x.py --data-dir DIR --parts a"]
    assert record["data"] == {"mnist.npz": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
    assert record["commit"] is None or re.fullmatch("[0-9a-f]{40}(-dirty)?", record["commit"])


def test_a_quick_run_does_not_overwrite_a_full_one(results, tmp_path):
    full = results.write_results("speed", {"n": 9}, directory=tmp_path)
    quick = results.write_results("speed", {"n": 1}, quick=True, directory=tmp_path)
    assert quick.name == "speed_quick.json"
    assert json.loads(full.read_text())["figures"] == {"n": 9}


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["--quick"], "python scripts/x.py --quick"),
        (["--out", str(SCRIPTS / "out")], "python scripts/x.py --out scripts/out"),
        (["--data-dir=/mnt/private/data"], "python scripts/x.py --data-dir=DIR"),
        (["--data-dir", "../shared/data"], "python scripts/x.py --data-dir DIR"),
    ],
)
def test_the_command_is_relative(results, monkeypatch, words, command):
    monkeypatch.setattr(sys, "argv", [str(SCRIPTS / "x.py"), *words])
    assert results.typed_command() == command


@pytest.mark.parametrize(
    "figures",
    [{"path": "/tmp/x"}, {"note": ["see /home/me/x"]}, {"/mnt/a": 1}, {"log": "file=/var/log"}],
)
def test_absolute_paths_are_refused(results, tmp_path, figures):
    with pytest.raises(ValueError, match="absolute path"):
        results.write_results("speed", figures, directory=tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("figures", [{"path": "runs/x"}, {"unit": "ms/image, 1 / 2"}])
def test_relative_paths_and_ratios_are_fine(results, tmp_path, figures):
    assert results.write_results("speed", figures, directory=tmp_path).exists()


def test_numpy_numbers_become_plain(results, tmp_path):
    figures = {"n": np.int64(3), "mean": np.float32(0.5), "each": np.arange(3)}
    path = results.write_results("speed", figures, directory=tmp_path)
    assert json.loads(path.read_text())["figures"] == {"n": 3, "mean": 0.5, "each": [0, 1, 2]}


@pytest.mark.parametrize(("figure", "error"), [(float("nan"), ValueError), (object(), TypeError), ({1, 2}, TypeError)])
def test_what_json_cannot_hold_leaves_the_old_file(results, tmp_path, figure, error):
    path = results.write_results("speed", {"n": 1}, directory=tmp_path)
    with pytest.raises(error):
        results.write_results("speed", {"n": figure}, directory=tmp_path)
    assert json.loads(path.read_text())["figures"] == {"n": 1}
    assert os.listdir(tmp_path) == ["speed.json"]
