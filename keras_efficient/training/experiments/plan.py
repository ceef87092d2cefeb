"""All runs of an experiment, before any of them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from keras_efficient.checks import one_of
from keras_efficient.training.experiments.keys import FILE_SETTINGS, STAGE_SETTINGS, check_keys
from keras_efficient.training.experiments.resolve import MOST_RUNS, PlannedRun, plan_run, resolve, resolve_seeds
from keras_efficient.training.experiments.search_plan import plan_searches
from keras_efficient.training.experiments.updates import (
    check_methods,
    check_variants,
    is_grid,
    merge_all,
    nested,
    updates_of,
)
from keras_efficient.training.experiments.yaml_file import read_experiment

_MOST_UPDATES = 1_000
_MOST_CHARACTERS = 50_000_000
METRICS = ("val_accuracy", "val_loss", "test_accuracy")


@dataclass(frozen=True)
class Point:
    """A method at one point of its grid: {name: value} of the settings as the file has them, and a run per seed."""

    method: str
    settings: dict
    runs: tuple[PlannedRun, ...]


@dataclass(frozen=True)
class Plan:
    """What an experiment will do.

    Attributes:
        metric: What is compared: one of `METRICS`.
        storage: Folder of all runs.
        points: In the order of the file.
    """

    metric: str
    storage: Path
    points: tuple[Point, ...]

    @property
    def runs(self) -> list[PlannedRun]:
        """Every run once, also where several points need it."""
        return list({run.sha256: run for point in self.points for run in point.runs}.values())

    def differing(self) -> list[str]:
        """The names of the settings that are not the same at all points."""
        names = dict.fromkeys(name for point in self.points for name in point.settings)
        return [name for name in names if len({_text(point.settings.get(name)) for point in self.points}) > 1]


def plan_experiment(experiment: str | Path | Mapping, storage: str | Path | None = None) -> Plan:
    """Read an experiment and say which runs it consists of. Nothing is run or written.

    Args:
        experiment: See `run_experiment`.
        storage: Folder instead of the one in the file.

    Raises:
        ValueError, TypeError: Something in the file is wrong.
        FileNotFoundError: The file, or one that it names, does not exist.
    """
    content, name, folder = read_experiment(experiment)
    try:
        return _plan(content, name, folder, storage)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from error


def _plan(content, name, folder, storage):
    whole_file = {key: content.get(key) for key in FILE_SETTINGS}
    base = nested({key: value for key, value in content.items() if key not in FILE_SETTINGS})
    check_keys(base)
    variants = check_variants(whole_file["variants"])
    for variant in variants:
        _updates(variants[variant], variants, f"variants.{variant}")
    methods = check_methods(whole_file["methods"], name)
    stated, metric = whole_file["storage"], whole_file["metric"]
    if not isinstance(stated, str | None):
        raise ValueError(f"`storage` must be a folder. Received: storage={stated!r}")
    if storage is None:
        storage = Path("runs") / name if stated is None else folder / Path(stated).expanduser()
    metric = "val_accuracy" if metric is None else metric
    one_of(metric, "metric", METRICS)
    planned, size = [], _Size()
    for method, items in methods.items():
        updates = _updates(items, variants, f"methods.{method}")
        settings = merge_all(base, updates)
        _check_effects(settings, [name for update in updates for name in update], f"methods.{method}")
        try:
            planned += [_point(method, point, folder, Path(storage), size) for point in points(settings)]
        except ValueError as error:
            where = f" (method {method!r})" if whole_file["methods"] else ""
            raise ValueError(f"{error}{where}") from error
    return Plan(metric, Path(storage), tuple(planned))


class _Size:
    """How much a plan holds so far. It refuses more runs than anybody trains, and so many settings that their hashes
    would take minutes."""

    runs = characters = 0

    def add(self, seeds, settings):
        self.runs += len(seeds)
        self.characters += len(seeds) * len(_text(settings))
        if self.runs > MOST_RUNS:
            raise ValueError(f"the file stands for more than {MOST_RUNS:,} runs")
        if self.characters > _MOST_CHARACTERS:
            raise ValueError(f"the settings of all runs have more than {_MOST_CHARACTERS:,} characters")


def _updates(items, variants, place):
    found = list(islice(updates_of(items, variants, place), _MOST_UPDATES + 1))
    if len(found) > _MOST_UPDATES:
        raise ValueError(f"`{place}` stands for more than {_MOST_UPDATES:,} updates: variants of variants")
    updates = [(where, nested(update)) for where, update in found]
    for where, update in updates:
        check_keys(update, where)
    return [update for _, update in updates]


def _check_effects(settings, updated, place):
    """What a method changes, or a grid varies, for all stages must not be what each stage has of its own."""
    stages = settings.get("stages")
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        return  # refused later
    for name in STAGE_SETTINGS:
        varied = name in updated or is_grid(settings.get(name))
        if varied and stages and all(name in stage for stage in stages):
            raise ValueError(f"`{place}`: `{name}` beside `stages` has no effect, as each stage has its own")


def _point(method, settings, folder, storage, size):
    if settings.get("search") is None:
        seeds, resolved = resolve_seeds(settings.get("seeds")), resolve(settings, folder)
        size.add(seeds, resolved)
        runs = [plan_run(resolved, seed, folder, storage) for seed in seeds]
    else:
        runs = plan_searches(settings, folder, storage)
        size.add(runs, settings)
    named = {name: value for name, value in settings.items() if name != "seeds"}
    return Point(method, dict(_flat(named)), tuple(runs))


def _flat(value, place=()):
    """(name, value) of every single setting; an item of a network description is one."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, (*place, key))
    elif isinstance(value, list) and place in (("stages",), ("network",)):
        for index, item in enumerate(value):
            yield from _flat(item, (*place, index))
    elif place in (("network",), ("data", "data_dir")) and isinstance(value, str):
        yield _place_text(place), Path(value).name
    else:
        yield _place_text(place), value


def _text(value):
    return json.dumps(value, sort_keys=True)


def points(settings: dict) -> list[dict]:
    """All combinations of the choices in `settings`; the last list of the file changes fastest.

    `network`, `stages` and `seeds` are lists by nature; for choices among them write
    `{grid: [first, second]}`, which works everywhere.

    >>> points({"epochs": [5, 10], "rule": "score"})
    [{'epochs': 5, 'rule': 'score'}, {'epochs': 10, 'rule': 'score'}]

    Raises:
        ValueError: A list of choices is empty, or they have more than 10,000 combinations.
    """
    found = list(islice(_combinations(settings), MOST_RUNS + 1))
    if len(found) > MOST_RUNS:
        raise ValueError(f"the lists of choices stand for more than {MOST_RUNS:,} combinations")
    return found


def _combinations(settings: dict) -> Iterator[dict]:
    place, choices = next(_grids(settings), ((), None))
    if choices is None:
        yield settings
    else:
        for choice in choices:
            yield from _combinations(_replaced(settings, place, choice))


def _place_text(place: tuple) -> str:
    """("stages", 0, "epochs") -> 'stages[0].epochs'."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _grids(value: Any, place: tuple = ()) -> Iterator[tuple[tuple, list]]:
    """(place, choices), in the order of the file."""
    if is_grid(value):
        yield place, _choices(value["grid"], place)
    elif isinstance(value, dict):
        for key, item in value.items():
            if (*place, key) != ("search", "space"):  # its lists are drawn from
                yield from _grids(item, (*place, key))
    elif isinstance(value, list) and place[0] != "network" and place not in (("stages",), ("seeds",)):
        yield place, _choices(value, place)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _grids(item, (*place, index))


def _choices(value, place):
    if isinstance(value, list) and value:
        return value
    raise ValueError(f"`{_place_text(place)}` must be a list of choices, at least one. Received: {value!r}")


def _replaced(value, place, choice):
    if not place:
        return choice
    copy = value.copy()
    copy[place[0]] = _replaced(value[place[0]], place[1:], choice)
    return copy
