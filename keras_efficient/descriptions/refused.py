"""Objects of Keras that would do more than compute: a description is data, and so is what its objects hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from keras_efficient.outside_files import MOST_DEPTH, TOO_DEEP

# They run Python bytecode, a function by its name, a pickled module or a saved graph.
RUN_CODE = ("Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "FlaxLayer", "JaxLayer")
# Given as text, their vocabulary is the path of a file.
VOCABULARIES = ("StringLookup", "IntegerLookup", "TextVectorization")
_PATHS = ("vocabulary", "idf_weights")


def check_is_data(item: Any) -> None:
    """Raise a ValueError for an object, in the item or anywhere in it, that runs code or reads a file.

    Keras's safe mode refuses most of them, but not the same ones in each version.
    """
    for part in objects_within(item):
        class_name, config = part.get("class_name"), part.get("config")
        name = class_name.split(">")[-1] if isinstance(class_name, str) else None
        if name in RUN_CODE:
            raise ValueError(f"{name} may run code that comes with it, and a description is data only")
        if name in VOCABULARIES and isinstance(config, Mapping):
            paths = [key for key in _PATHS if isinstance(config.get(key), str)]
            if paths:
                raise ValueError(
                    f"{name} would read a file: its {paths[0]} must be a list. Received: {config[paths[0]]!r}"
                )


def objects_within(value: Any) -> Iterator[Mapping]:
    """The mappings in a value, at any depth; a ValueError where that is too deep."""
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        mappings = [part for part in level if isinstance(part, Mapping)]
        yield from mappings
        lists = [part for part in level if isinstance(part, (list, tuple))]
        level = [part for mapping in mappings for part in mapping.values()] + [part for each in lists for part in each]
        if not level:
            return
    raise ValueError(TOO_DEEP)
