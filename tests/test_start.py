"""What `import keras_efficient` and the bare command do."""

import json
import os
import subprocess
import sys

import pytest

import keras_efficient as ke

_UNUSED = ("matplotlib", "sklearn", "yaml", "typer", "PIL", "ray")
_LATE = ("keras_efficient.export", "keras_efficient.report", "keras_efficient.training.driver", "keras_efficient.cli")
# Keras brings some of these itself where they are installed, so they are made impossible to import.
_IMPORT = f"""
import json, sys
sys.modules.update(dict.fromkeys({_UNUSED}))
import keras
brought = set(sys.modules)
import keras_efficient
print(json.dumps(sorted(set(sys.modules) - brought)))
"""
_REGISTERED = """
import json, pkgutil
import keras, keras_efficient
registered = set(keras.saving.get_custom_objects())
for module in pkgutil.walk_packages(keras_efficient.__path__, "keras_efficient."):
    if "__main__" not in module.name:
        try:
            __import__(module.name)
        except ModuleNotFoundError as error:  # an extra that is not installed
            assert not error.name.startswith("keras_efficient"), error
print(json.dumps([sorted(registered), sorted(keras.saving.get_custom_objects())]))
"""


def _python(*arguments):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_needs_neither_plots_nor_data_sets_nor_the_command():
    imported = json.loads(_python("-c", _IMPORT))
    assert "keras_efficient.layers" in imported
    assert not [name for name in imported if name.split(".")[0] == "rich" or name.startswith(_LATE)]


def test_all_that_is_registered_is_so_after_the_import():
    after_import, after_all = json.loads(_python("-c", _REGISTERED))
    assert after_import == after_all
    assert {"keras_efficient>AttentionTransfer", "keras_efficient>RandomBases"} <= set(after_import)


def test_late_names_are_found_and_listed():
    assert set(ke.__all__) <= set(dir(ke))
    assert set(ke.training.__all__) <= set(dir(ke.training))
    for package in (ke, ke.training):
        assert [name for name in package.__all__ if not hasattr(package, name)] == []
        with pytest.raises(AttributeError, match=f"'{package.__name__}' has no attribute 'nonsense'"):
            _ = package.nonsense
    assert ke.train_network is ke.training.train_network
    assert ke.training.pruning.one_shot is ke.training.one_shot


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_command_alone_shows_its_help(arguments, command):
    code, output, errors = command(*arguments)
    assert (code, errors) == (0, "")
    assert "Usage:" in output and "storage" in output


def test_the_command_says_its_version(command):
    assert command("--version") == (0, f"{ke.__version__}\n", "")


def test_the_package_runs_as_the_command():
    assert _python("-m", "keras_efficient", "--version") == f"{ke.__version__}\n"


def test_help_needs_no_plots_of_a_notebook_and_no_data_sets():
    blocked = "import sys; sys.modules.update(dict.fromkeys(['matplotlib.pyplot', 'sklearn']))"
    code = f"{blocked}; from keras_efficient.cli import main; sys.argv[1:] = ['--help']; main()"
    assert "Usage:" in _python("-c", code)
