"""Folders in which one process at a time works."""

import os
import socket
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from keras_efficient.files import is_temporary, put, refusals_name, remove_temporary, temporary_folder

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".keras_efficient.lock"
_held: set[Path] = set()  # by this process


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a folder, made if missing, for the block, without what a killed process left half-written in it.

    Who holds a folder holds those within it, too; a process that was killed holds nothing any more. A folder that may
    not be written is not held: nobody can disturb anything there. Nor is one where the system has no locks. A
    BlockingIOError says which other process holds it.
    """
    path = directory / LOCK
    with refusals_name(path):
        directory.mkdir(parents=True, exist_ok=True)
        place = directory.resolve()
        free = fcntl and os.access(directory, os.W_OK) and _held.isdisjoint(place.parents)
        descriptor = _acquire(path) if free else None
    try:
        _held.add(place)
        remove_temporary(directory)
        yield
    finally:
        _held.discard(place)
        if descriptor is not None:
            try:
                with suppress(OSError):  # the folder is gone
                    path.unlink()
            finally:
                os.close(descriptor)


def tidy_up(directory: Path) -> None:
    """Remove what a killed process left in a folder; of one that is held the holder takes care."""
    if not is_tidy(directory):
        with suppress(OSError), locked(directory):
            pass


def is_tidy(directory: Path) -> bool:
    """Whether nobody holds a folder, and no killed process left anything in it."""
    return not (directory.is_dir() and any(entry.name == LOCK or is_temporary(entry) for entry in directory.iterdir()))


def is_unused(directory: Path) -> bool:
    """Whether a folder is missing, or holds nothing but what a run makes before its first file."""
    return not directory.exists() or all(entry.name == LOCK or is_temporary(entry) for entry in directory.iterdir())


def write_together(directory: Path, texts: Mapping[str, str | Iterable[str]], outdated: Sequence[str] = ()) -> None:
    """Write several texts, whole or in pieces, of one folder, all of them or, as far as a file system allows, none.

    A name may begin with folders, which are made if missing. All are on the disk before the first is put in place, in
    the order of `texts`. Before that the files `outdated` are deleted: what speaks of the others must not stand beside
    half of them. A BlockingIOError if another process holds the folder, an OSError as of `write_atomically`.
    """
    with locked(directory), refusals_name(directory), temporary_folder(directory) as folder:
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with open(folder / name, "w", encoding="utf-8") as file:
                file.writelines([text] if isinstance(text, str) else text)
        put(folder, texts, directory, outdated)


def _acquire(path):
    """The descriptor of the locked file; None where the file system cannot lock."""
    while True:
        # A link in its place is not followed.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode(errors="replace") or "another process"
            os.close(descriptor)
            advice = "wait for its end, or use another folder. Nothing was touched"
            raise BlockingIOError(f"'{path.parent}' is in use by {holder}: {advice}") from None
        except OSError as error:
            warnings.warn(f"'{path.parent}' cannot be locked ({error.strerror}): use it once at a time", stacklevel=4)
            os.close(descriptor)
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(descriptor)):
                holder = f"process {os.getpid()} on {socket.gethostname()} since {datetime.now():%Y-%m-%d %H:%M:%S}"
                with suppress(OSError):  # a full disk
                    os.truncate(descriptor, 0)
                    os.write(descriptor, holder.encode())
                return descriptor
        os.close(descriptor)  # its holder ended, and deleted it, in between
