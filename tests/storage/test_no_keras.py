"""descriptions and storage are pure Python and numpy: everyone may use them, on any machine."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import keras_efficient.descriptions
import keras_efficient.storage

PACKAGE = Path(keras_efficient.storage.__file__).parent.parent
ROOMS = ("kinds", "reading", "descriptions", "storage")
MODULES = sorted(path for room in ROOMS for path in PACKAGE.glob(f"{room}/**/*.py"))
ALLOWED = {
    "kinds": {"kinds"},
    "reading": {"kinds", "reading"},
    "descriptions": {"descriptions", "kinds"},
    "storage": {"descriptions", "storage", "kinds", "reading"},
}

IMPORT_WITHOUT_THE_PACKAGE = """
import sys, types
package = types.ModuleType("keras_efficient")
package.__path__ = [sys.argv[1]]
sys.modules["keras_efficient"] = package
import keras_efficient.descriptions, keras_efficient.storage
keras_efficient.storage.estimate_storage([("S", 10, 4, 8, 8)])
print(sorted({"keras", "tensorflow", "torch", "jax"} & set(sys.modules)))
"""


def imported_names(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_are_numpy_the_standard_library_and_what_the_arrows_allow(path):
    own = path.relative_to(PACKAGE).parts[0]
    for name in imported_names(path):
        top, *rest = name.split(".")
        if top == "keras_efficient":
            assert rest[0] in {*ALLOWED[own], "checks", "markup", "outside_files"}, f"{path} imports {name}"
        else:
            assert top == "numpy" or top in sys.stdlib_module_names, f"{path} imports {name}"


def test_a_fresh_interpreter_prices_a_network_without_keras():
    command = [sys.executable, "-c", IMPORT_WITHOUT_THE_PACKAGE, str(PACKAGE)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
