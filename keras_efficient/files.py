"""Files that are whole or not there: written beside, flushed to the disk, then renamed."""

import json
import math
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from keras_efficient import outside_files

# Folders of the package's own, which hold what is not whole yet; nobody else has a reason to make one.
_TEMPORARY = re.compile(r"\.keras_efficient-[a-z0-9_]{8}")


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside `path`, then put it in place; a link there is replaced, not followed.

    What `write` gets has the name of `path`, in a temporary folder: Keras chooses the format by the suffix.

    Raises:
        OSError: If the system refuses (a full disk, say); it names `path`, which is as it was.
    """
    path = Path(path)
    with refusals_name(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(path.parent) as folder:
            write(folder / path.name)
            put(folder, [path.name], path.parent)


def put(folder: Path, names: Iterable[str], directory: Path, outdated: Iterable[str] = ()) -> None:
    """Move files from `folder` into `directory` in this order, for good; before, delete those that are outdated."""
    for name in names:
        with open(folder / name, "rb") as file:
            os.fsync(file.fileno())
    places = {(directory / name).parent for name in names}
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    for name in outdated:
        (directory / name).unlink(missing_ok=True)
    _sync_directory(directory)
    for name in names:
        os.replace(folder / name, directory / name)
    for place in {directory, *places}:
        _sync_directory(place)


@contextmanager
def refusals_name(path: Path) -> Iterator[None]:
    """What the system refuses in the block is said of `path`."""
    try:
        yield
    except BlockingIOError:  # a folder that another process holds
        raise
    except Exception as error:
        refusal = _system_error(error)
        if refusal is None:
            raise
        reason = f"cannot be written ({os.strerror(refusal.errno)}); what was there before is kept"
        raise OSError(refusal.errno, reason, str(path)) from error


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


@contextmanager
def temporary_folder(directory: Path) -> Iterator[Path]:
    """A new folder in `directory`, on its file system, that is gone at the end of the block."""
    folder = make_temporary_folder(directory)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_temporary_folder(directory: Path) -> Path:
    """A new folder in `directory` whose name nobody can foresee, and into which only this user may write: nobody can
    plant a link there."""
    return Path(tempfile.mkdtemp(prefix=".keras_efficient-", dir=directory))


def is_temporary(path: Path) -> bool:
    """Whether this is a `temporary_folder`, which a killed process leaves behind."""
    return _TEMPORARY.fullmatch(path.name) is not None and path.is_dir() and not path.is_symlink()


def remove_temporary(directory: Path) -> None:
    """Delete what killed processes left in a folder, if it is there; only who holds it may."""
    for path in directory.iterdir() if directory.is_dir() else ():
        if is_temporary(path):
            shutil.rmtree(path, ignore_errors=True)


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
