"""Fixtures of all tests."""

import gc
import random
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples every time, and no clock: a test that fails fails on any machine.
settings.register_profile("keras_efficient", deadline=None, derandomize=True)
settings.load_profile("keras_efficient")

# The tests of a file run on one worker: files of few long tests begin first, else the last of them would run alone.
_LONG = ("training/", "kinds/", "pruning/", "test_cli.py", "test_docs.py", "test_readme.py", "test_start.py", "compat/")

_SHARED = Path(__file__).parents[2] / "shared"


def pytest_collectstart(collector):
    """Layers that a file makes for its tables of cases draw their weights from here."""
    if isinstance(collector, pytest.Module):
        random.seed(0)


def pytest_collection_finish():
    """A twentieth of the time went into looking for garbage among what is held to the end anyway."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Keras takes the seeds of layers without one from here: no test depends on luck, or on those before it."""
    random.seed(0)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.nodeid.removeprefix("tests/").startswith(_LONG))


@pytest.fixture(autouse=True, scope="module")
def _compiled_code_is_freed():
    """JAX keeps whatever it has ever compiled: gigabytes after a thousand tests."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()


@pytest.fixture(scope="session")
def reloader():
    """A process that loads Keras files: `Reloader`."""
    from reloading import Reloader  # Keras is imported where it is needed only

    process = Reloader()
    yield process
    process.close()


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """The command `keras-efficient` in this process: its exit code and what it wrote."""
    from keras_efficient.cli import main

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["keras-efficient", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def golden():
    """A function from a name to a file of golden values; skips the test where it is missing."""
    return lambda name: _existing(_SHARED / "golden" / name)


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data; skips the test where it is missing."""
    return _existing(_SHARED / "data")


def _existing(path):
    if not path.exists():
        pytest.skip(f"needs {path.relative_to(_SHARED.parent)} beside the checkout")
    return path
