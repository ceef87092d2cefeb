"""Files that are whole or not there: written beside, flushed to the disk, then renamed."""

import json
import math
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from keras_efficient import outside_files


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a temporary file beside `path`, then put it in place.

    The temporary name keeps the suffix, as Keras chooses the format by it.

    Raises:
        OSError: If the system refuses (a full disk, say); it names `path`, which is as it was.
    """
    path = Path(path)
    temporary = temporary_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except Exception as error:
        refusal = _system_error(error)
        if refusal is None:
            raise
        reason = f"cannot be written ({os.strerror(refusal.errno)}); what was there before is kept"
        raise OSError(refusal.errno, reason, str(path)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _system_error(error):
    """The error of the system behind `error`: closing a zip file on a full disk hides it behind another one."""
    while error is not None and not (isinstance(error, OSError) and error.errno):
        error = error.__cause__ or error.__context__
    return error


def _sync_directory(directory):
    """Make a rename outlast a power failure, where the system lets us (Windows does not)."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def temporary_name(path: Path) -> Path:
    """Where `write_atomically` writes before `path` is whole."""
    return path.with_name(f"{path.stem}.tmp{path.suffix}")


def is_temporary(path: Path) -> bool:
    """Whether a file was left behind by an interrupted `write_atomically`."""
    return path.stem.endswith(".tmp")


def write_text(path: Path, text: str) -> None:
    """Write a text, in UTF-8."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON; numbers that are not finite become null, as JSON has none."""
    text = json.dumps(json_value(value), indent=1, allow_nan=False) + "\n"
    write_text(path, text)


def json_value(value: Any) -> Any:
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


def read_json(path: Path, advice: str = "") -> Any:
    """The value in a JSON file; a ValueError names a file that is damaged and gives the advice."""
    try:
        return outside_files.read_json(path, "file of a run", outside_files.MOST_RESULT_BYTES)
    except ValueError as error:
        raise damaged(path, error, advice) from error


def check_archive(path: Path, advice: str = "") -> None:
    """Raise a ValueError unless the zip file (.keras, .npz) is there and every checksum in it is right."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.testzip()
    except FileNotFoundError:
        raise ValueError(f"'{path}' is missing. {advice}".rstrip()) from None
    except Exception as error:  # what a zip file cut or changed anywhere makes zipfile say
        raise damaged(path, error, advice) from error
    if member is not None:
        raise damaged(path, f"wrong checksum of {member}", advice)


def damaged(path: Path, reason: object, advice: str = "") -> ValueError:
    """The error that says that a file cannot be what was once written."""
    return ValueError(f"'{path}' is damaged: {reason}. {advice}".rstrip())
