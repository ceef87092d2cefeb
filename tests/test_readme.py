"""What the README shows runs, and its tables are those of results/."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_README = (_ROOT / "README.md").read_text(encoding="utf-8")
_BLOCKS = re.findall(r"```python\n(.*?)```", _README, flags=re.DOTALL)


def test_the_first_block_starts_with_make_demo():
    assert re.search(r"```\w*\n(.*?)```", _README, flags=re.DOTALL).group(1).startswith("make demo")


def test_the_example_is_the_script():
    (example,) = _BLOCKS
    assert example.strip() == (_ROOT / "scripts/own_model.py").read_text().split('"""\n\n', 1)[1].strip()
    assert len([line for line in example.splitlines() if line.strip()]) <= 15


def test_the_script_for_a_model_of_ones_own_runs(tmp_path):
    script = re.sub(r"epochs=\d+", "epochs=1", _BLOCKS[0])
    (tmp_path / "mine.py").write_text(script)
    done = subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "firmware/network.c").exists() and "weights + activations" in done.stdout


def test_the_commands_for_a_table_run(tmp_path, command):
    rows = "".join(f"{row % 7},{row % 5},{'on' if row % 7 > 3 else 'off'}\n" for row in range(70))
    (tmp_path / "washer.csv").write_text("load,spin,state\n" + rows)
    lines = re.findall(r"^keras-efficient (.*)$", _README, flags=re.MULTILINE)
    assert len(lines) == 2
    for line, short in zip(lines, (["--trials", "1,1,1", "--epochs", "1,1,1"], []), strict=True):
        code, output, errors = command(*line.split(), *short)
        assert code == 0, errors
    assert "C on this computer" in output and (tmp_path / "washer_c/network.c").exists()


@pytest.mark.parametrize("script", ["readme_tables", "reproduction_page"])
def test_tables_are_those_of_the_results(script):
    command = [sys.executable, f"scripts/{script}.py", "--check"]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_script_to_copy_runs(tmp_path):
    script = (_ROOT / "scripts/select_trials.py").read_text(encoding="utf-8")
    (tmp_path / "mine.py").write_text(re.sub(r"epochs=\d+", "epochs=1", script))
    done = subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1506.0 bytes" in done.stdout and (tmp_path / "runs/select_trials/report.html").exists()
