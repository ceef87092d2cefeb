"""The setting `search`: all configurations that Hyperband will try, drawn before any of them is trained."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from keras_efficient.training.experiments.hyperband import Hyperband
from keras_efficient.training.experiments.keys import SETTINGS, check_keys
from keras_efficient.training.experiments.planned import PlannedRun, plan_run
from keras_efficient.training.experiments.resolve import resolve, resolve_seeds, settings_hash
from keras_efficient.training.experiments.space import DOMAIN_FORM, draw_values, read_space
from keras_efficient.training.experiments.updates import merge, merge_all, nested

_METHODS = ("hyperband",)
# How often a configuration that is there already is drawn again; a small space may not have as many as are wanted.
_DRAWS = 20


@dataclass(frozen=True)
class Configuration:
    """One point of a space.

    Attributes:
        values: {setting: value} of what was drawn.
        run: The training with these settings; it is found again by its hash, in other searches too.
    """

    values: dict
    run: PlannedRun


@dataclass(frozen=True)
class PlannedSearch:
    """What a search will do.

    Attributes:
        hyperband: Its settings.
        brackets: (epochs of the rungs, configurations) of each bracket.
    """

    hyperband: Hyperband
    brackets: tuple[tuple[tuple[int, ...], tuple[Configuration, ...]], ...]

    @property
    def trainings(self) -> list[PlannedRun]:
        """Every training once."""
        runs = [configuration.run for _, configurations in self.brackets for configuration in configurations]
        return list({run.sha256: run for run in runs}.values())


def plan_searches(settings: dict, folder: Path, storage: Path) -> list[PlannedRun]:
    """The searches of a point, one a seed.

    Args:
        settings: The settings of the point; `search` holds `space`, `max_epochs` (of the first stage) and what else
            `Hyperband` takes.
        folder: The folder of the file.
        storage: The folder of all runs.

    Raises:
        ValueError: A setting is wrong, with any of the values that were drawn.
    """
    hyperband, space = _read_search(settings["search"])
    first_stage = {"stages": {"0": {"epochs": hyperband.max_epochs}}}
    base = merge({name: value for name, value in settings.items() if name != "search"}, first_stage)

    def point(values):
        return resolve(merge_all(base, [nested({name: value}) for name, value in values.items()]), folder)

    any_point = _check_point(point, space)
    stated = {**asdict(hyperband), "method": "hyperband", "space": {name: d.to_json() for name, d in space.items()}}

    def search(seed):
        drawn = _draw_all(hyperband, space, seed, lambda values: plan_run(point(values), seed, folder, storage))
        return plan_run({**any_point, "search": stated}, seed, folder, storage, drawn)

    return [search(seed) for seed in resolve_seeds(settings.get("seeds"))]


def _read_search(search):
    if not isinstance(search, dict) or search.get("max_epochs") is None:
        form = "{method: hyperband, space: {learning_rate: {log_uniform: [1e-4, 1e-1]}}, max_epochs: 27}"
        raise ValueError(f"`search` must be settings such as {form}. Received: search={search!r}")
    given = {name: value for name, value in search.items() if value is not None}
    method = given.pop("method", _METHODS[0])
    if method not in _METHODS:
        raise ValueError(f"`search.method` must be one of {', '.join(_METHODS)}. Received: {method!r}")
    space = read_space(given.pop("space", None))
    _check_space(space)
    try:
        return Hyperband(**given), space
    except ValueError as error:
        raise ValueError(f"`search`: {error}") from None


def _check_space(space):
    for name in space:
        if name in ("epochs", "stages.0.epochs"):
            raise ValueError(f"`search.space.{name}`: the epochs of the first stage are those of the rungs")
        setting, _, within = name.partition(".")
        if within and SETTINGS.get(setting, {}) is None:
            raise ValueError(f"`search.space.{setting}` must be {DOMAIN_FORM}. Received: {within!r}")
        known = {key: value for key, value in SETTINGS.items() if key not in ("search", "seeds")}
        check_keys(nested({name: None}), "search.space", known)


def _check_point(point, space):
    """The settings at one corner of the space; every setting of the space must change something there."""
    corner = {name: domain.ends()[0] for name, domain in space.items()}
    resolved = point(corner)
    if "halving" in resolved["stages"][0]:
        raise ValueError("`search` stops configurations early by itself; `halving` of the first stage goes without it")
    for name, domain in space.items():
        other = domain.ends()[1]
        if other != corner[name] and settings_hash(point({**corner, name: other})) == settings_hash(resolved):
            raise ValueError(f"`search.space.{name}` changes nothing: the stages state it themselves")
    return resolved


def _draw_all(hyperband, space, seed, run_of):
    brackets = [
        (bracket.rungs, _draw(space, bracket.configurations, np.random.default_rng([seed, number]), run_of))
        for number, bracket in enumerate(hyperband.brackets())
    ]
    return PlannedSearch(hyperband, tuple(brackets))


def _draw(space, count, generator, run_of):
    """So many different configurations, or as many as there are."""
    found = {}
    for _ in range(_DRAWS * count):
        values = draw_values(space, generator)
        found.setdefault(json.dumps(values, sort_keys=True), values)
        if len(found) == count:
            break
    return tuple(Configuration(values, run_of(values)) for values in found.values())
