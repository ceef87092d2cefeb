"""The pages of docs/: their Python and their commands run, and the API pages name all that is public."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_efficient as ke
import measure_tour

_ROOT = Path(__file__).parents[1]
_DOCS = _ROOT / "docs"
# tests/compat/test_tfmot_parity.py runs the page about tfmot, which need not be there; companions have a test below.
_PAGES = sorted(path.stem for path in _DOCS.glob("*.md") if path.stem not in ("from_tfmot", "companions"))
# What `ke.` reaches, and the modules in there that have doors of their own.
_ROOMS = [getattr(ke, name) for name in ke.__all__ if inspect.ismodule(getattr(ke, name))]
_ROOMS += [ke.compat.tfmot, ke.compat.tinybig, ke.training.pruning]
_IN_A_CLONE = ("make ", ".venv/")


def _blocks(page):
    """(language, text) of the blocks that run, in the order of the page."""
    text = (_DOCS / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(r"^```(python|sh)\n(.*?)```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", _PAGES)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    variables = {}
    for number, (language, block) in enumerate(_blocks(page), start=1):
        if language == "python":
            exec(compile(block, f"{page}.md, block {number}", "exec"), variables)
            continue
        for line in block.splitlines():
            if line.startswith(_IN_A_CLONE) or ("litert" in line and keras.backend.backend() != "tensorflow"):
                continue
            program, *arguments = line.split()
            assert program == "keras-efficient"
            code, _, errors = command(*arguments)
            assert code == 0, errors


_COMPANIONS = [block for language, block in _blocks("companions") if language == "python"]


@pytest.mark.parametrize("number", range(1, len(_COMPANIONS)))
def test_companions_work(number, tmp_path, monkeypatch):
    """Each block after the first one, where the package that it names is installed."""
    first, block = _COMPANIONS[0], _COMPANIONS[number]
    for package in re.findall(r"# pip install (\w+)", block):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    variables = {}
    exec(compile(first + block, f"companions.md, block {number + 1}", "exec"), variables)
    if "study" in variables:
        assert {"COMPLETE", "PRUNED"} == {trial.state.name for trial in variables["study"].trials}


def test_the_tour_can_be_followed(tmp_path, command):
    first, *steps = measure_tour.steps()
    assert first.text == "make demo"
    for step in steps:
        if step.name:
            (tmp_path / step.name).write_text(step.text)
            continue
        program, *arguments = step.text.split()
        assert program == ".venv/bin/keras-efficient"
        short = ["--trials", "1,1,1", "--epochs", "1,1,1"] if arguments[0] == "train" else []
        code, _, errors = command(*arguments, *short)
        assert code == 0, errors
    assert (tmp_path / "firmware/network.c").exists()


def test_the_figures_are_those_of_the_results():
    command = [sys.executable, "scripts/docs_tables.py", "--check"]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pictures_can_be_drawn(tmp_path):
    done = subprocess.run(
        [sys.executable, "scripts/storage_pictures.py", "--out", tmp_path], cwd=_ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in (_DOCS / "pictures").glob("*.svg")}
    assert drawn == set(re.findall(r"\(pictures/(.*?)\)", (_DOCS / "storage.md").read_text(encoding="utf-8")))


def _documented():
    """The objects that the API pages and the other pages show."""
    pages = "\n".join(path.read_text(encoding="utf-8") for path in _DOCS.rglob("*.md"))
    return {name: _found(name) for name in re.findall(r"^::: ([\w.]+)$", pages, re.MULTILINE)}


def _found(name):
    """The object of a dotted name, also where a function hides its module; None if there is none."""
    place, _, last = name.rpartition(".")
    try:
        module = importlib.import_module(place)
    except ModuleNotFoundError:
        return getattr(_found(place), last, None)
    return getattr(module, last, None)


def test_what_the_pages_show_exists():
    assert [name for name, found in _documented().items() if found is None] == []


@pytest.mark.parametrize("module", [ke, *_ROOMS], ids=lambda module: module.__name__)
def test_every_public_name_has_its_place(module):
    shown = {id(found) for found in _documented().values()}
    public = {name: getattr(module, name) for name in module.__all__ if name != "__version__"}
    assert [name for name, found in public.items() if id(found) not in shown and not inspect.ismodule(found)] == []
