"""Items that are a layer object, {"class_name": ..., "config": {...}}, as `keras.layers.serialize` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_efficient.descriptions.refused import check_is_data
from keras_efficient.descriptions.specs import LayerSpec
from keras_efficient.kinds.fields import required
from keras_efficient.kinds.table import kind_of_class

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
