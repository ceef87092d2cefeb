"""Settings and what changes them: nested mappings, dotted keys, a deep merge."""

from collections.abc import Iterable
from typing import Any


def is_grid(value: Any) -> bool:
    """Whether a value is `{grid: [...]}`: choices, even where a list is no list of choices."""
    return isinstance(value, dict) and set(value) == {"grid"}


def merge(settings: Any, update: Any) -> Any:
    """`settings` with the values of `update`: mappings are merged at all depths, the rest is replaced.

    A key that is a number reaches into a list: `{"stages": {"0": {"epochs": 5}}}`.

    >>> merge({"data": {"dataset": "digits", "augment": 1}}, {"data": {"augment": 3}})
    {'data': {'dataset': 'digits', 'augment': 3}}
    """
    if not isinstance(update, dict) or is_grid(update) or is_grid(settings):
        return update
    if isinstance(settings, list) and update and all(key.isdigit() for key in update):
        return _merge_items(settings, update)
    if not isinstance(settings, dict):
        return update
    return {**settings, **{key: merge(settings.get(key), value) for key, value in update.items()}}


def _merge_items(items, update):
    items = list(items)
    for key, value in update.items():
        if int(key) >= len(items):
            raise ValueError(
                f"there is no item {key} (from 0) in a list of {len(items)}. Received: {{{key}: {value!r}}}"
            )
        items[int(key)] = merge(items[int(key)], value)
    return items


def merge_all(settings: dict, updates: Iterable[dict]) -> dict:
    """`settings` after all updates, in order."""
    for update in updates:
        settings = merge(settings, update)
    return settings


def nested(value: Any) -> Any:
    """A value with its dotted keys written out.

    >>> nested({"data.augment": 2})
    {'data': {'augment': 2}}
    """
    if isinstance(value, list):
        return [nested(item) for item in value]
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    for key, item in value.items():
        item = nested(item)
        for name in reversed(key.split(".")):
            item = {name: item}
        result = merge(result, item)
    return result
