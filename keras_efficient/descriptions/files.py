"""Descriptions in JSON files."""

from pathlib import Path

from keras_efficient.checks import path_of, shown
from keras_efficient.descriptions.expand import check_input_shape
from keras_efficient.outside_files import read_json

KEYS = ("network", "input_shape")
FORM = '[["A", 2, 4], ["S", 10, 4, 8, 8]] or {"network": [...], "input_shape": [28, 28, 1]}'


class Description(list):
    """The items of a description file, and the input shape that the file states (None where it states none)."""

    def __init__(self, items: list, input_shape: tuple | None = None):
        super().__init__(items)
        self.input_shape = input_shape


def read_description(path: str | Path) -> Description:
    """Read a network description from a JSON file.

    The file holds a list of items, or an object with the key "network" (the list) and, if wanted,
    "input_shape". The items are checked when the description is used, by `expand`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not JSON, holds something else or is above 1 MB; one line says what.
    """
    content = read_json(path_of(path, "path"), "network description")
    if isinstance(content, list):
        return Description(content)
    if not isinstance(content, dict) or not isinstance(content.get("network"), list):
        raise ValueError(f"{path} must hold {FORM}. Received: {shown(content)}")
    unknown = [key for key in content if key not in KEYS]
    if unknown:
        raise ValueError(f"{path} has unknown keys {unknown}; it may hold {FORM}")
    shape = content.get("input_shape")
    try:
        return Description(content["network"], None if shape is None else check_input_shape(shape))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
