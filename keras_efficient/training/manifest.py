"""What the directory of a run holds: its settings, data and versions, by which it is known, and the choices it made."""

import importlib
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from keras_efficient.files import damaged, read_json, remove_temporary, write_json
from keras_efficient.folders import is_unused, locked
from keras_efficient.training.engines import KERAS_ENGINE
from keras_efficient.training.measures import ACCURACY, Measures
from keras_efficient.training.progress import PROGRESS
from keras_efficient.training.stage import Stage, as_json
from keras_efficient.training.state import STATE
from keras_efficient.training.trial import RECORD
from keras_efficient.version import __version__

FORMAT = "keras_efficient run 1"
_NAME, _CHOICE = "manifest.json", "choice.json"


def describe_measures(measures: Measures) -> dict:
    """Metrics, objective and rule as JSON values."""
    metrics = [ACCURACY] if measures.accuracy else []
    others, rule = as_json(measures.metrics), measures.rule
    return {
        "metrics": others if isinstance(others, dict) else [*metrics, *others],
        "objective": list(measures.objective),
        "rule": rule if isinstance(rule, str) else getattr(rule, "__qualname__", type(rule).__qualname__),
    }


def package_versions() -> dict:
    backend = keras.backend.backend()
    return {
        "keras_efficient": __version__,
        "keras": keras.__version__,
        backend: importlib.import_module(backend).__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


@contextmanager
def opened(directory: Path, manifest: dict) -> Iterator[None]:
    """Hold `directory` for the block, as that of the run with this manifest: a new one, or one that goes on.

    A ValueError if it holds something else, or a run with other settings (nothing is touched then); a BlockingIOError
    if another process is at work there.
    """
    check_directory(directory, manifest)  # before a folder is made
    with locked(directory):
        if not check_directory(directory, manifest):  # nor has another process just made it
            write_json(directory / _NAME, manifest)
        yield


def check_directory(directory: Path, manifest: dict) -> bool:
    """Whether `directory` is the run's already; a ValueError if it cannot become that."""
    found = _read_manifest(directory)
    if found is not None:
        earlier = describe_measures(Measures())  # of a run from before there was a choice
        found = {**{name: value for name, value in earlier.items() if name in manifest}, **found}
        difference = _first_difference(found, manifest, "")
        if difference is not None:
            raise ValueError(
                f"'{directory}' holds a run with other settings: {difference}. Use another directory, "
                "or the settings of that run to continue it; nothing was touched"
            )
        return True
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"`directory` must be a directory. Received: '{directory}', a file")
    if not is_unused(directory):
        raise ValueError(
            f"`directory` must be new, empty or an unfinished run. Received: '{directory}', "
            "which holds other files; nothing was touched"
        )
    return False


def engine_of(directory: Path) -> str | None:
    """The engine of the run that a directory holds; None where there is no run."""
    found = _read_manifest(directory)
    return None if found is None else found["engine"]


def _read_manifest(directory):
    """The manifest of a directory, complete with what runs of earlier versions do not say; None where there is none."""
    path = directory / _NAME
    if not path.exists():
        return None
    advice = "It says what the run is; without it, use another directory."
    found = read_json(path, advice)
    if not isinstance(found, dict):
        raise damaged(path, "it holds no settings", advice)
    found = {"engine": KERAS_ENGINE, "precision": "float32", **found}
    if isinstance(found.get("stages"), list):
        defaults = Stage.describe_defaults()
        found["stages"] = [{**defaults, **stage} if isinstance(stage, dict) else stage for stage in found["stages"]]
    return found


def keep_choice(directory: Path, chosen: int) -> None:
    """Write down the choice of a finished stage; a ValueError if there is another one: a rule or a trial was changed
    in between."""
    path = directory / _CHOICE
    if not path.exists():
        write_json(path, {"chosen": chosen})
        return
    before = read_json(path, "Delete it, and the choice is made again.")
    if before != {"chosen": chosen}:
        raise ValueError(
            f"'{path}' says {before}, but now the rule chooses trial {chosen}: the rule or a trial of the stage has "
            "changed. Delete it and the folders of the later stages to go on from the new choice"
        )


def remove_leftovers(trials: Iterable[Path]) -> None:
    """Delete what trials leave in their folders and those of their stages: half-written files, lines of workers, states
    of finished ones."""
    folders = [folder for folder in trials if folder.is_dir()]
    for stage in {folder.parent for folder in folders}:
        remove_temporary(stage)
    for folder in folders:
        remove_temporary(folder)
        (folder / PROGRESS).unlink(missing_ok=True)
        if (folder / RECORD).exists():
            (folder / STATE).unlink(missing_ok=True)


def _first_difference(found, wanted, place):
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = dict.fromkeys([*found, *wanted])
        pairs = [(f"{place}.{key}" if place else key, found.get(key), wanted.get(key)) for key in keys]
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        numbered = enumerate(zip(found, wanted, strict=True))
        pairs = [(f"{place}[{index}]", *pair) for index, pair in numbered]
    else:
        return None if found == wanted else f"{place} is {found!r} there and {wanted!r} here"
    differences = (_first_difference(a, b, name) for name, a, b in pairs)
    return next((difference for difference in differences if difference), None)
