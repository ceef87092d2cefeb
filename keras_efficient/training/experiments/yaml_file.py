"""Reading an experiment: a YAML file, or a mapping, as plain values."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from keras_efficient.checks import shown
from keras_efficient.outside_files import MOST_DEPTH, TOO_DEEP
from keras_efficient.outside_yaml import SizedLoader, read_yaml

_TAG = "tag:yaml.org,2002:"


class _Loader(SizedLoader):
    """Safe YAML with the words and numbers of YAML 1.2: `1e-3` is a number, `no` and dates are text."""

    yaml_implicit_resolvers = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """As in YAML's specification, a key stands once; PyYAML would take the last."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != f"{_TAG}merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"the key '{key.value}' stands twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


for _name, _pattern in {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?(0|[1-9][0-9_]*)",
    "float": r"[-+]?((\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)",
    "merge": r"<<",
}.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), None)


def read_experiment(experiment: str | Path | Mapping) -> tuple[dict, str, Path]:
    """The content of an experiment, its name, and the folder its paths are relative to; a FileNotFoundError, TypeError
    or ValueError for what is no such file."""
    if isinstance(experiment, Mapping):
        return plain(experiment, "experiment"), "experiment", Path.cwd()
    if not isinstance(experiment, str | Path):
        raise TypeError(f"`experiment` must be a YAML file or a mapping. Received: experiment={experiment!r}")
    path = Path(experiment)
    content = plain(read_yaml(path, "experiment", _Loader), path.name)
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold settings such as `stages: [...]`. Received: {shown(content)}")
    return content, path.stem, path.resolve().parent


def plain(value: Any, place: str, above: tuple = ()) -> Any:
    """A copy in dicts, lists and single values; a ValueError for anything else, a number that is not finite, a value
    within itself (by an alias), or too many mappings in one another."""
    if any(value is outer for outer in above):
        raise ValueError(f"`{place}` holds itself")
    if len(above) > MOST_DEPTH:
        raise ValueError(f"`{place[:40]} ...`: {TOO_DEEP}")
    if isinstance(value, Mapping):
        return {_key(key, place): plain(item, f"{place}.{key}", (*above, value)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{place}[{index}]", (*above, value)) for index, item in enumerate(value)]
    value = value.item() if hasattr(value, "item") else value
    finite = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    if value is None or finite or isinstance(value, str):
        return value
    raise ValueError(f"`{place}` must be text, a finite number, true, false or null. Received: {value!r}")


def _key(key, place):
    if isinstance(key, str) and all(key.split(".")) and key.count(".") < MOST_DEPTH:
        return key
    raise ValueError(f"the keys of `{place}` must be text, with dots only between names. Received: {shown(key)}")
