"""Which settings there are. A key that does not exist is refused where it stands."""

from collections.abc import Collection
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from keras_efficient.datasets import Affine
from keras_efficient.training.experiments.updates import is_grid
from keras_efficient.training.halving import Halving
from keras_efficient.training.stage import Stage

# What a stage takes. Callbacks are functions and have no place in a file; teachers are files themselves, whose content
# the hash of the settings would not know (those of the float stage need no name).
STAGE_SETTINGS = tuple(field.name for field in fields(Stage) if field.name not in ("callbacks", "teachers"))
# For the whole file; a method cannot change them.
FILE_SETTINGS = ("metric", "storage", "variants", "methods")
_BUILDER = {"builder": None, "arguments": None}
_AFFINE = {field.name: None for field in fields(Affine)}
_AUGMENT = {"copies": None, "kernel_size": None, "sigma": None, "alpha": None, "interpolation": None, "affine": _AFFINE}
_HALVING = {field.name: None for field in fields(Halving)}
_STAGE = {
    **dict.fromkeys(STAGE_SETTINGS),
    "optimizer": {"class_name": None, "config": None},
    "halving": _HALVING,
}

# Setting -> the settings within, None where anything may stand.
SETTINGS = {
    "data": {**dict.fromkeys(("dataset", "data_dir", "validation", "split_seed", "limit")), "augment": _AUGMENT},
    "network": _BUILDER,
    "stages": _STAGE,
    **{name: within for name, within in _STAGE.items() if name != "mode"},
    **dict.fromkeys(("rule", "seeds", "engine")),
    # The settings in the space are checked where they are drawn from.
    "search": {
        **dict.fromkeys(("configurations", "max_epochs", "sampler", "max_bytes", "parallel", "space")),
        **_HALVING,
    },
}


def check_keys(value: Any, place: str = "", known: dict | None = SETTINGS) -> None:
    """Raise a ValueError for a key of `value` (settings with choices in them, dotted keys written out) that is no
    setting.

    `place` is where they stand in the file, `known` the settings that there are.
    """
    if known is None:
        return
    if is_grid(value):
        check_keys(value["grid"], f"{place}.grid", known)
    elif isinstance(value, list) and known is not _BUILDER:  # the items of a description are checked later
        for index, item in enumerate(value):
            check_keys(item, f"{place}[{index}]", known)
    elif isinstance(value, dict):
        for key, item in value.items():
            name = f"{place}.{key}" if place else key
            if known is _STAGE and key.isdigit():
                check_keys(item, name, known)
            elif key in known:
                check_keys(item, name, known[key])
            elif key in FILE_SETTINGS:
                raise ValueError(f"`{name}`: `{key}` holds for the whole file and stands at its top")
            elif not (known is _BUILDER and key.isdigit()):  # reaches into a description
                raise ValueError(unknown(name, key, known))


def unknown(name: str, key: str, known: Collection[str]) -> str:
    """What to say of a key that is no setting."""
    close = get_close_matches(key, known, 1)
    hint = f"Did you mean `{close[0]}`?" if close else f"The settings there: {', '.join(known)}"
    return f"`{name}` is not a setting. {hint}"
