"""The guided tours in notebooks/: they run from an empty folder, and are committed with what they print and draw."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

_FOLDER = Path(__file__).parents[1] / "notebooks"
_TOURS = sorted(path.stem for path in _FOLDER.glob("*.ipynb"))
_LARGEST_FILE = 200_000
# Folders of a machine: /home/..., /tmp/..., C:\..., and so on.
_ABSOLUTE_PATH = re.compile(r"(?<![\w./])/(?:home|mnt|opt|private|root|srv|tmp|Users|usr|var|work)/|\b[A-Z]:\\\\?\w")


def _read(name):
    return nbformat.read(_FOLDER / f"{name}.ipynb", as_version=4)


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _outputs(notebook):
    return [output for cell in _code(notebook) for output in cell.outputs]


@pytest.mark.scripts
@pytest.mark.parametrize("name", _TOURS)
def test_a_notebook_runs(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")  # compiles in half the time
    notebook = _read(name)
    # The kernel inherits the environment of the tests, so also their KERAS_BACKEND.
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.execute()  # raises on the first cell that fails
    assert not [output for output in _outputs(notebook) if output.output_type == "error"]


@pytest.mark.parametrize("name", _TOURS)
def test_a_notebook_is_committed_as_it_ran(name):
    notebook = _read(name)
    assert [cell.execution_count for cell in _code(notebook)] == list(range(1, len(_code(notebook)) + 1))
    kinds = {output.output_type for output in _outputs(notebook)}
    assert "stream" in kinds and "display_data" in kinds and "error" not in kinds
    assert not [output for output in _outputs(notebook) if output.get("name") == "stderr"]
    assert (_FOLDER / f"{name}.ipynb").stat().st_size <= _LARGEST_FILE


@pytest.mark.parametrize("name", _TOURS)
def test_no_output_holds_a_path_of_the_machine(name):
    for output in _outputs(_read(name)):
        text = json.dumps({kind: data for kind, data in output.get("data", {}).items() if not kind.startswith("image")})
        assert not _ABSOLUTE_PATH.search(output.get("text", "") + text)


def test_the_readmes_name_every_notebook():
    listed = re.findall(r"\]\((\w+)\.ipynb\)", (_FOLDER / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == _TOURS and len(_TOURS) == 7
    assert "](notebooks/README.md)" in (_FOLDER.parent / "README.md").read_text(encoding="utf-8")
