"""A point of the grid -> everything its runs need to know; and the hash that finds a run again."""

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import keras

from keras_efficient.checks import one_of, random_seed
from keras_efficient.training.engines import DEFAULT_ENGINE, check_engine
from keras_efficient.training.experiments.data import DataSettings
from keras_efficient.training.experiments.keys import STAGE_SETTINGS
from keras_efficient.training.experiments.network import resolve_network
from keras_efficient.training.experiments.updates import merge
from keras_efficient.training.halving import Halving
from keras_efficient.training.selection import RULES
from keras_efficient.training.stage import Stage

# Of an experiment. Each has a folder and a line in the table.
MOST_RUNS = 10_000


def resolve(settings: dict, folder: Path) -> dict:
    """The settings that decide the runs of a point, checked, in one form; a ValueError where one is missing or wrong.

    Settings at their defaults are left out, paths are absolute, a network file is replaced by its content and the
    settings beside `stages` have gone into them. Names, storage and metric are not in it, and neither is the seed.
    """
    resolved = {
        "data": _resolve_data(settings.get("data"), folder),
        "network": resolve_network(settings.get("network"), folder),
        "stages": _resolve_stages(settings),
    }
    rule = settings.get("rule") or "score"
    one_of(rule, "rule", RULES)
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
    same = json.loads(json.dumps(settings), parse_float=_number)
    text = json.dumps(same, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _number(text):
    value = float(text)
    return int(value) if value.is_integer() else value


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


# The seeds of a study repeat its runs, so a stage has one trial unless it says more.
_STAGE_DEFAULTS = {
    "trials": 1,
    **{field.name: field.default for field in fields(Stage) if field.default is not MISSING},
}


def _resolve_stages(settings: dict) -> list[dict]:
    """The settings of each stage, without those at their defaults; a ValueError says what is wrong, and where."""
    stages = settings.get("stages")
    if not isinstance(stages, list) or not stages or not all(isinstance(stage, dict) for stage in stages):
        raise ValueError(f"`stages` must be a list such as [{{mode: float, epochs: 20}}]. Received: {stages!r}")
    defaults = {name: settings[name] for name in STAGE_SETTINGS if name in settings}
    plain = {name: value for name, value in _STAGE_DEFAULTS.items() if name != "batch_size"}
    resolved = [
        {name: value for name, value in merge(defaults, stage).items() if value not in (None, plain.get(name))}
        for stage in stages
    ]
    make_stages(resolved, samples=16)
    return resolved


def make_stages(stages: list[dict], samples: int) -> list[Stage]:
    """The `Stage` objects; the batch size is by default min(1024, samples // 16)."""
    return [_make_stage(stage, f"stages[{index}]", samples) for index, stage in enumerate(stages)]


def _make_stage(settings, place, samples):
    for name in ("mode", "epochs"):
        if name not in settings:
            raise ValueError(f"`{place}.{name}` is missing")
    try:
        # What a file can name, while `Stage` also takes objects and functions.
        if not isinstance(settings.get("schedule"), str | None):
            raise ValueError(f"`schedule` must be a name. Received: schedule={settings['schedule']!r}")
        if "loss" in settings:
            keras.losses.get(settings["loss"])
        batch_size = max(1, min(1024, samples // 16))
        objects = {**_optimizer(settings), **_halving(settings)}
        stage = Stage(**{"trials": 1, "batch_size": batch_size, **settings, **objects})
        _check_optimizer(json.dumps(settings.get("optimizer", "adam")), stage.weight_decay is not None)
        return stage
    except (ValueError, TypeError) as error:
        raise ValueError(f"`{place}`: {error}") from None


@cache  # it takes longer than all the other checks
def _check_optimizer(optimizer, with_weight_decay):
    settings = {"optimizer": json.loads(optimizer)}
    named = {**settings, **_optimizer(settings), "weight_decay": 0.0 if with_weight_decay else None}
    Stage("float", 1, 1, **named).make_optimizer()


def _optimizer(settings):
    optimizer = settings.get("optimizer")
    if not isinstance(optimizer, dict):
        return {}
    if not isinstance(optimizer.get("class_name"), str) or not isinstance(optimizer.get("config", {}), dict):
        raise ValueError(f"`optimizer` must be a name or {{class_name: sgd, config: {{...}}}}. Received: {optimizer!r}")
    # A name of its own: Keras counts names up, and the run would not be known again.
    config = {**optimizer.get("config", {}), "name": optimizer["class_name"]}
    return {"optimizer": keras.optimizers.get({"class_name": optimizer["class_name"], "config": config})}


def _halving(settings):
    halving = settings.get("halving")
    if halving is None:
        return {}
    if not isinstance(halving, dict) or "first_epochs" not in halving:
        raise ValueError(f"`halving` must be settings such as {{first_epochs: 5, factor: 2}}. Received: {halving!r}")
    return {"halving": Halving(**{name: value for name, value in halving.items() if value is not None})}
