"""Descriptions in JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from keras_efficient.descriptions.expand import check_input_shape, shown
from keras_efficient.kinds.arguments import path_of

KEYS = ("network", "input_shape")
FORM = '[["A", 2, 4], ["S", 10, 4, 8, 8]] or {"network": [...], "input_shape": [28, 28, 1]}'


class Description(list):
    """The items of a description file, and the input shape that the file states (None where it
    states none)."""

    def __init__(self, items: list, input_shape: tuple | None = None):
        super().__init__(items)
        self.input_shape = input_shape


def read_description(path: str | Path) -> Description:
    """Read a network description from a JSON file.

    The file holds a list of items, or an object with the key "network" (the list) and, if wanted,
    "input_shape". The items are checked when the description is used, by `expand`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not JSON, or holds something else; one line says what.
    """
    path = path_of(path, "path")
    content = parse(path, read_text(path))
    if isinstance(content, list):
        return Description(content)
    if not isinstance(content, dict) or not isinstance(content.get("network"), list):
        raise ValueError(f"{path} must hold {FORM}. Received: {shown(content)}")
    unknown = [key for key in content if key not in KEYS]
    if unknown:
        raise ValueError(f"{path} has unknown keys {unknown}; it may hold {FORM}")
    return Description(content["network"], read_input_shape(path, content.get("input_shape")))


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no network description at {path}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file in UTF-8") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None


def parse(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path} is not a network description: {type(error).__name__}, {error}") from None


def read_input_shape(path: str | Path, input_shape: Any) -> tuple | None:
    if input_shape is None:
        return None
    try:
        return check_input_shape(input_shape)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
