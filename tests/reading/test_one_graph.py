"""Models are read by `reading` and copied by `copies`: nothing else walks their layers."""

import ast
from pathlib import Path

import keras_efficient as ke

PACKAGE = Path(ke.__file__).parent
# Models of tf_keras are no models of Keras: `reading` knows nothing of them.
ROOMS = ("reading", "copies", "compat")
# In these rooms no model is ever seen: what has `layers` there is a report, a drawing or a description.
WITHOUT_MODELS = ("descriptions", "storage")
PACKAGES = ("keras", "keras_efficient")
# What has `layers` and is no model.
OTHERS = {"export/firmware.py": ("network",), "export/integer/reading.py": ("found",)}
WALKS = {"clone_model", "get_layer", "_flatten_layers"}


def walks(path):
    """Where a file asks a model for its layers, or lets Keras copy it."""
    name = path.relative_to(PACKAGE).as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = set()
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute):
            names = {node.attr}
            owner = node.value.id if isinstance(node.value, ast.Name) else None
            if (
                node.attr == "layers"
                and not name.startswith(WITHOUT_MODELS)
                and owner not in (*PACKAGES, *OTHERS.get(name, ()))
            ):
                yield f"{name}:{node.lineno} .layers"
        yield from (f"{name}:{node.lineno} {each}" for each in names & WALKS)


def test_nothing_else_walks_the_layers_of_a_model():
    files = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in ROOMS]
    assert not [walk for path in files for walk in walks(path)]


def test_the_walks_of_this_package_are_found():
    assert list(walks(PACKAGE / "copies" / "rebuild.py")) and list(walks(PACKAGE / "reading" / "keras_private.py"))
