"""Files that are whole or not there: written beside, flushed to the disk, then renamed."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a temporary file beside `path`, then put it in place.

    The temporary name keeps the suffix, as Keras chooses the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        write(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """Where `write_atomically` writes before `path` is whole."""
    return path.with_name(f"{path.stem}.tmp{path.suffix}")


def is_temporary(path: Path) -> bool:
    """Whether a file was left behind by an interrupted `write_atomically`."""
    return path.stem.endswith(".tmp")


def write_json(path: Path, value) -> None:
    """Write a value as JSON; numbers that are not finite become null, as JSON has none."""
    text = json.dumps(json_value(value), indent=1, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def json_value(value):
    """`value` with plain lists, dictionaries, numbers and null only."""
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_json(path: Path):
    """The value in a JSON file; a ValueError names a file that is damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"'{path}' is damaged: {error}") from error
