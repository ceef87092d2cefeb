"""A point of the grid -> everything its runs need to know; and the hash that finds a run again."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from keras_efficient.datasets.checks import random_seed
from keras_efficient.layers.arguments import one_of
from keras_efficient.training.engines import DEFAULT_ENGINE, check_engine
from keras_efficient.training.experiments.data import DataSettings
from keras_efficient.training.experiments.network import resolve_network
from keras_efficient.training.experiments.stages import resolve_stages
from keras_efficient.training.selection import RULES

# Of an experiment. Each has a folder and a line in the table.
MOST_RUNS = 10_000


def resolve(settings: dict, folder: Path) -> dict:
    """The settings that decide the runs of a point, checked, in one form.

    Settings at their defaults are left out, paths are absolute, a network file is replaced by
    its content and the settings beside `stages` have gone into them. Names, storage and metric
    are not in it, and neither is the seed.

    Raises:
        ValueError: A setting is missing or wrong.
    """
    resolved = {
        "data": _resolve_data(settings.get("data"), folder),
        "network": resolve_network(settings.get("network"), folder),
        "stages": resolve_stages(settings),
    }
    rule = settings.get("rule") or "score"
    one_of(RULES, rule, "rule")
    engine = settings.get("engine")
    engine = DEFAULT_ENGINE if engine is None else check_engine(engine)
    others, defaults = {"rule": rule, "engine": engine}, {"rule": "score", "engine": DEFAULT_ENGINE}
    return {**resolved, **{name: value for name, value in others.items() if value != defaults[name]}}


def resolve_seeds(seeds: Any) -> list[int]:
    """The section `seeds`; [0] without it."""
    seeds = [0] if seeds is None else seeds
    if isinstance(seeds, list) and len(seeds) > MOST_RUNS:
        raise ValueError(f"`seeds` must be at most {MOST_RUNS:,}. Received: {len(seeds):,}")
    try:
        if isinstance(seeds, list) and seeds and len({*map(random_seed, seeds)}) == len(seeds):
            return seeds
    except (ValueError, TypeError):
        pass
    raise ValueError(f"`seeds` must be a list of different whole numbers such as [0, 1, 2]. Received: seeds={seeds!r}")


def settings_hash(settings: dict) -> str:
    """SHA-256 of settings, whatever the order of their keys; 1 and 1.0 are the same.

    >>> settings_hash({"a": 1, "b": 2}) == settings_hash({"b": 2.0, "a": 1})
    True
    """
    text = json.dumps(_canonical(settings), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value):
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _resolve_data(data, folder):
    if not isinstance(data, dict) or "dataset" not in data:
        raise ValueError(f"`data` must name a data set, such as {{dataset: digits}}. Received: data={data!r}")
    defaults = {field.name: field.default for field in fields(DataSettings)}
    given = {name: value for name, value in data.items() if value is not None and value != defaults[name]}
    try:
        if isinstance(given.get("data_dir"), str):
            given["data_dir"] = str((folder / Path(given["data_dir"]).expanduser()).resolve())
        settings = asdict(DataSettings(**given))
    except (ValueError, TypeError) as error:
        raise ValueError(f"`data`: {error}") from None
    return {name: value for name, value in settings.items() if name in given}


@dataclass(frozen=True)
class PlannedRun:
    """One training: a point and a seed. Or a search among many: a point, a space and a seed.

    `settings` is what decides its result, the seed included, and `sha256` their hash; its files go to `folder`, the
    module of a builder may lie in `modules`. `search` is the `PlannedSearch`; None: one training.
    """

    settings: dict
    sha256: str
    folder: Path
    modules: Path
    search: Any = None


def plan_run(resolved: dict, seed: int, folder: Path, storage: Path, search: Any = None) -> PlannedRun:
    """The run of resolved settings with a seed; `folder` is that of the file."""
    complete = {**resolved, "seed": seed}
    sha256 = settings_hash(complete)
    return PlannedRun(complete, sha256, storage / "runs" / sha256[:16], folder, search)
