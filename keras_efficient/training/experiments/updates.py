"""Settings and what changes them: variants by name, nested mappings, dotted keys, a deep merge."""

from collections.abc import Iterable, Iterator
from typing import Any

_FORM = "a list of variants and updates such as [~cnn, {epochs: 100}]"


def check_variants(variants: Any) -> dict:
    """The section `variants`, or a ValueError that says what is wrong with it."""
    if variants is None:
        return {}
    if not isinstance(variants, dict):
        raise ValueError(f"`variants` must map names such as ~cnn to updates. Received: {variants!r}")
    for name in variants:
        if not name.startswith("~"):
            raise ValueError(f"the name of a variant starts with ~, such as `~{name}`. Received: `variants.{name}`")
    return variants


def check_methods(methods: Any, name: str) -> dict:
    """The section `methods`; without one there is a single method `name` without updates."""
    if methods is None:
        return {name: []}
    if not isinstance(methods, dict) or not methods:
        raise ValueError(f"`methods` must map each method's name to {_FORM}. Received: {methods!r}")
    return methods


def updates_of(items: Any, variants: dict, place: str, above: tuple[str, ...] = ()) -> Iterator[tuple[str, dict]]:
    """(place, update) of every update in `items`, the variants replaced by theirs.

    `items` is a list of names and mappings, or one of them alone; None: no update. `place` is where they stand in the
    file, `above` are the variants that lead here. A ValueError for an unknown variant, one that uses itself, or
    something else.
    """
    if isinstance(items, list):
        for index, item in enumerate(items):
            yield from _updates_of_item(item, variants, f"{place}[{index}]", above)
    elif items is not None:
        yield from _updates_of_item(items, variants, place, above)


def _updates_of_item(item, variants, place, above):
    if isinstance(item, dict):
        yield place, item
        return
    if not isinstance(item, str):
        raise ValueError(f"`{place}` must be {_FORM}. Received: {item!r}")
    if item not in variants:
        known = ", ".join(variants) or "none"
        raise ValueError(f"`{place}`: there is no variant {item!r}. The variants of the file: {known}")
    if item in above:
        raise ValueError(f"`{place}`: the variant uses itself: {' -> '.join((*above[above.index(item) :], item))}")
    yield from updates_of(variants[item], variants, f"variants.{item}", (*above, item))


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
        items = list(settings)
        for key, value in update.items():
            if int(key) >= len(items):
                where = f"there is no item {key} (from 0) in a list of {len(items)}"
                raise ValueError(f"{where}. Received: {{{key}: {value!r}}}")
            items[int(key)] = merge(items[int(key)], value)
        return items
    if not isinstance(settings, dict):
        return update
    return {**settings, **{key: merge(settings.get(key), value) for key, value in update.items()}}


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
