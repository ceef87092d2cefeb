"""Items that are a layer object, {"class_name": ..., "config": {...}}, as `keras.layers.serialize` writes them."""

from collections.abc import Iterator, Mapping
from typing import Any

from keras_efficient.descriptions.specs import LayerSpec
from keras_efficient.kinds.fields import required
from keras_efficient.kinds.table import kind_of_class
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


FORM = '{"class_name": "Dense", "config": {"units": 10}}'
KEYS = ("class_name", "config")
# What keras.layers.serialize adds; the class name and the configuration say it all.
IGNORED_KEYS = ("module", "registered_name", "build_config")
PACKAGE_PREFIX = "keras_efficient>"


def read_object(item: Mapping[str, Any]) -> LayerSpec:
    """The spec of a layer object. The name of a class may carry this package's prefix, as saved files have it."""
    unknown = [key for key in item if key not in (*KEYS, *IGNORED_KEYS)]
    if unknown:
        raise ValueError(f"unknown keys {unknown}")
    class_name, config = item.get("class_name"), item.get("config", {})
    if not isinstance(class_name, str) or not class_name:
        raise ValueError(f'"class_name" must be the name of a layer class. Received: {class_name!r}')
    if not isinstance(config, Mapping) or not all(isinstance(key, str) for key in config):
        raise ValueError(f'"config" must be an object of the layer\'s arguments. Received: {config!r}')
    check_is_data(item)
    class_name = class_name.removeprefix(PACKAGE_PREFIX)
    # What the shapes do not touch would fail only when the network is built, or never where it is only priced.
    kind = kind_of_class(class_name)
    for key in kind.required:
        required(config, key)
    for key, check in kind.settings.items():
        if key in config:
            check(config[key], key)
    return LayerSpec(class_name, dict(config))
