"""Files that somebody else may have written: data, whatever they hold.

Every reader of such a file begins here: only plain files are opened (a pipe or a device may never end), sizes are
known before memory is taken, and what is wrong is one line.
"""

import json
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

# Descriptions, experiments and search spaces. What a run leaves may be larger.
MOST_BYTES = 1_000_000
MOST_RESULT_BYTES = 50_000_000
# Lists and objects in one another: what goes through them calls itself, and Python does so a thousand times at most.
MOST_DEPTH = 100
# An archive of real numbers grows less when it is unpacked. What grows so much more is made to fill the memory.
_MOST_GROWTH, _HARMLESS_BYTES = 100, 100_000_000
TOO_DEEP = f"it holds more than {MOST_DEPTH} lists or objects in one another"


def check_plain_file(path: str | Path, what: str) -> None:
    """Raise an error unless `path` is a plain file (or a link to one): a FileNotFoundError that says of what, a
    ValueError for a folder, a pipe, a socket or a device, an OSError where the system refuses."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no {what} at {path}") from None
    except ValueError as error:  # a name with a zero byte
        raise ValueError(f"{str(path)!r} cannot be read: {error}") from None
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path} cannot be read: it is no plain file")


def check_archive_size(path: str | Path) -> None:
    """Raise a ValueError for a zip file (.keras, .npz) that would unpack to far more than it is."""
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    growth = size / max(1, os.stat(path).st_size)
    if size > _HARMLESS_BYTES and growth > _MOST_GROWTH:
        raise ValueError(f"it unpacks to {size:,} bytes, {growth:,.0f} times what it is")


@contextmanager
def open_arrays(path: str | Path, what: str, holds: str) -> Iterator[Any]:
    """The arrays of an .npz file by name; a ValueError says what it must hold, for whatever is wrong with it."""
    check_plain_file(path, what)
    try:
        check_archive_size(path)
        with np.load(path, allow_pickle=False) as archive:
            yield archive
    except Exception as error:  # numpy raises half a dozen kinds for what is not its file
        raise ValueError(f"{path} must be an .npz file with {holds}. Received: {error}") from error


def read_text(path: str | Path, what: str, most_bytes: int = MOST_BYTES) -> str:
    """The text of a plain file in UTF-8; errors as `check_plain_file`, a ValueError where it is larger or no text."""
    check_plain_file(path, what)
    with open(path, "rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"{path} is too large for a {what}: it must not be above {most_bytes:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file in UTF-8") from None


def read_json(path: str | Path, what: str, most_bytes: int = MOST_BYTES) -> Any:
    """The value in a JSON file; errors as `read_text`, a ValueError where it is not JSON or nested too deeply."""
    return parse_json(read_text(path, what, most_bytes), path, what)


def parse_json(text: str, path: str | Path, what: str) -> Any:
    """The value that a text in JSON stands for; a ValueError names the file that it is from."""
    try:
        value = json.loads(text)
        _check_depth(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError(f"{path} is no {what}: {TOO_DEEP}") from None
    except ValueError as error:
        raise ValueError(f"{path} is no {what}: {error}") from None
    return value


def _check_depth(value: Any) -> None:
    level: list[Any] = [[value]]
    for _ in range(MOST_DEPTH + 1):
        inner = (part for outer in level for part in (outer.values() if isinstance(outer, dict) else outer))
        level = [part for part in inner if isinstance(part, (list, dict))]
        if not level:
            return
    raise ValueError(TOO_DEEP)
