"""Lists of choices: a list as the value of a single setting stands for one point an item."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from keras_efficient.training.experiments.resolve import MOST_RUNS
from keras_efficient.training.experiments.updates import is_grid


def points(settings: dict) -> list[dict]:
    """All combinations of the choices in `settings`; the last list of the file changes fastest.

    `network`, `stages` and `seeds` are lists by nature; for choices among them write
    `{grid: [first, second]}`, which works everywhere.

    >>> points({"epochs": [5, 10], "rule": "score"})
    [{'epochs': 5, 'rule': 'score'}, {'epochs': 10, 'rule': 'score'}]

    Raises:
        ValueError: A list of choices is empty, or they have more than 10,000 combinations.
    """
    found = list(islice(_points(settings), MOST_RUNS + 1))
    if len(found) > MOST_RUNS:
        raise ValueError(f"the lists of choices stand for more than {MOST_RUNS:,} combinations")
    return found


def _points(settings: dict) -> Iterator[dict]:
    place, choices = next(_grids(settings), ((), None))
    if choices is None:
        yield settings
    else:
        for choice in choices:
            yield from _points(_replaced(settings, place, choice))


def place_text(place: tuple) -> str:
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
    elif isinstance(value, list) and not _is_list_by_nature(place):
        yield place, _choices(value, place)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _grids(item, (*place, index))


def _is_list_by_nature(place):
    return place[0] == "network" or place in (("stages",), ("seeds",))


def _choices(value, place):
    if isinstance(value, list) and value:
        return value
    raise ValueError(f"`{place_text(place)}` must be a list of choices, at least one. Received: {value!r}")


def _replaced(value, place, choice):
    if not place:
        return choice
    copy = value.copy()
    copy[place[0]] = _replaced(value[place[0]], place[1:], choice)
    return copy
