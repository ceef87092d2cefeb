"""YAML files that somebody else may have written; see `outside_files`."""

from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from keras_efficient.outside_files import MOST_DEPTH, TOO_DEEP, read_text

# PyYAML takes a second for 15,000 of them.
MOST_VALUES = 100_000
_TOO_MANY = f"it holds more than {MOST_VALUES:,} values, aliases written out"


class SizedLoader(yaml.SafeLoader):
    """Safe YAML of a bounded size: counted while it is read, and with every alias written out before anything is
    made of it (aliases of aliases grow like powers of ten)."""

    values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.values += 1
        if self.values > MOST_VALUES:
            raise ValueError(_TOO_MANY)
        return super().compose_node(parent, index)

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None and _written_out(node, {}, 0) > MOST_VALUES:
            raise ValueError(_TOO_MANY)
        return node


def _written_out(node: yaml.Node, known: dict[int, int], depth: int) -> int:
    """How many values a node stands for. A node within itself counts as one: it is refused by who reads it."""
    if id(node) not in known:
        if depth > MOST_DEPTH:
            raise ValueError(TOO_DEEP)
        known[id(node)] = 1
        parts: Any = () if isinstance(node, yaml.ScalarNode) else node.value
        parts = chain.from_iterable(parts) if isinstance(node, yaml.MappingNode) else parts
        known[id(node)] += sum(_written_out(part, known, depth + 1) for part in parts)
    return known[id(node)]


def read_yaml(path: str | Path, what: str, loader: type[SizedLoader] = SizedLoader) -> Any:
    """The value in a YAML file; errors as `read_text`, a ValueError where it is no YAML, too much or too deep."""
    text = read_text(path, what)
    try:
        return yaml.load(text, loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = "" if mark is None else f" in line {mark.line + 1}, column {mark.column + 1}"
        raise ValueError(f"{path} is not YAML: {error.problem}{place}") from None
    except RecursionError:
        raise ValueError(f"{path} is no {what}: {TOO_DEEP}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    except Exception as error:  # a value that its tag does not fit makes PyYAML say anything
        raise ValueError(f"{path} is no {what}: {error or type(error).__name__}") from None
