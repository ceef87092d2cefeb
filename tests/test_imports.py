"""The arrows of the design: which package may import which, no imports in a circle, what a file keeps to itself."""

import ast
import re
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1] / "keras_efficient"
# Every package may import itself and the ones listed; `descriptions`, `kinds`, `reading` and the modules
# that lie directly in keras_efficient (files, outside_files ...) may be imported by all.
_MODULES = {"checks", "files", "folders", "lazy_names", "markup", "programs", "startup", "type_aliases", "version"}
_OUTSIDE = {"outside_files", "outside_models", "outside_yaml"}
_EVERYONE = {"descriptions", "kinds", "reading", *_MODULES, *_OUTSIDE}
_ALLOWED = {
    "kinds": set(),
    "reading": set(),
    "copies": set(),
    "descriptions": set(),
    "storage": set(),
    "datasets": set(),
    "ops": set(),
    "layers": {"ops"},
    "quantization": {"ops", "layers", "copies", "storage"},
    "pruning": {"ops", "layers", "copies", "quantization"},
    "networks": {"ops", "layers", "copies", "quantization", "storage"},
    "report": {"storage"},
    "export": {"ops", "layers", "copies", "quantization", "networks", "storage"},
    "training": {"ops", "layers", "copies", "quantization", "pruning", "networks", "storage", "report", "datasets"},
}
_ALLOWED["command_line"] = {*_ALLOWED, "command_line"}


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _own_packages(path):
    return {name.split(".")[1] for name in _imports(path) if name.startswith("keras_efficient.")}


@pytest.mark.parametrize("package", _ALLOWED)
def test_imports_run_one_way(package):
    files = list((_ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        strangers = _own_packages(path) - _ALLOWED[package] - _EVERYONE - {package}
        assert not strangers, f"{path.relative_to(_ROOT)} imports {strangers}"


def test_every_package_is_listed():
    packages = {path.parent.name for path in _ROOT.glob("*/__init__.py")}
    assert packages == {*_ALLOWED, "compat"}


@pytest.mark.parametrize("package", ["kinds", "reading", "descriptions", "storage", "report"])
def test_packages_without_keras(package):
    for path in (_ROOT / package).rglob("*.py"):
        roots = {name.split(".")[0] for name in _imports(path)}
        assert not roots & {"keras", "tensorflow", "jax", "torch"}, path.name


def test_nothing_but_the_package_and_the_command_imports_compat():
    for path in _ROOT.rglob("*.py"):
        if "compat" not in path.parts and path.name not in ("__init__.py", "cli.py"):
            assert "compat" not in _own_packages(path), path.name


def test_one_module_only_imports_tfmot():
    for path in _ROOT.rglob("*.py"):
        tfmot = {name.split(".")[0] for name in _imports(path)} & {"tensorflow_model_optimization", "tf_keras"}
        assert not tfmot or path == _ROOT / "compat" / "tfmot" / "importing.py", path


def _modules():
    paths = {path: path.relative_to(_ROOT.parent).with_suffix("").parts for path in _ROOT.rglob("*.py")}
    return {".".join(parts[: len(parts) - (parts[-1] == "__init__")]): path for path, parts in paths.items()}


def _imported_modules(path, modules):
    """The modules of this package that the file names, also in functions and for a type checker: each of
    these imports could be at the top of the file. What a module's packages import is not its import."""
    for name in _imports(path):
        while name and name not in modules:
            name = name.rpartition(".")[0]
        if name:
            yield name


def test_no_imports_run_in_a_circle():
    modules = _modules()
    imported = {name: set(_imported_modules(path, modules)) - {name} for name, path in modules.items()}
    assert sum(map(len, imported.values())) > len(modules)
    TopologicalSorter(imported).prepare()  # a CycleError names the circle


def test_functions_that_only_their_own_file_uses_begin_with_an_underscore():
    """The border of private and public is the same in every room: who reads a file knows what he may change."""
    places = [_ROOT, *(_ROOT.parent / name for name in ("tests", "scripts", "docs", "pyproject.toml"))]
    paths = [path for place in places for path in ([place] if place.is_file() else place.rglob("*.[pm][yd]"))]
    words = {path: set(re.findall(r"\w+", path.read_text(encoding="utf-8"))) for path in paths}
    files_with = Counter(word for found in words.values() for word in found)
    own, taken = [], []
    for path in _ROOT.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        own += [f"{path}: {name}" for name in names if name[0] != "_" and files_with[name] == 1]
        origins = (name.rpartition(".") for name in _imports(path))
        taken += [
            f"{path}: {name}" for module, _, name in origins if re.match("_[^_]", name) and "keras_efficient" in module
        ]
    assert not own, own
    assert not taken, f"private names of other files: {taken}"
