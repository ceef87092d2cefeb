"""Libraries in the user's cache folder: only whole ones, only the user's own, are ever loaded."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

_LARGEST = 1 << 24  # bytes; a library has some 100 KB
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class LibraryCache:
    """A folder of libraries.

    Each has the SHA-256 of its content in its name: what was cut, changed or half written is known before a byte of
    it runs (to map a cut library ends the process), and two processes that store at once do not meet. That checksum
    keeps damage out. Intruders are kept out by the owner and the mode of folder and file: both belong to the user of
    this process and can be written by nobody else, neither is a link, and nobody else can put another folder in
    the place of this one.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def find(self, key: str) -> Path | None:
        """A library that was stored under `key` and is what it was then; None where there is none."""
        if not _is_safe_folder(self.folder):
            return None
        return next((path for path in sorted(self.folder.glob(f"step-{key}-*.so")) if _is_whole(path, key)), None)

    def store(self, key: str, content: bytes) -> Path:
        """Put a library in the cache; an OSError if it cannot be written, or others could change what is in it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_safe_folder(self.folder):
            raise PermissionError(f"'{self.folder}' is not this user's alone")
        path = self.folder / _name(key, content)
        handle, temporary = tempfile.mkstemp(prefix=".step-", dir=self.folder)
        try:
            with open(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return path


def _name(key, content):
    return f"step-{key}-{hashlib.sha256(content).hexdigest()}.so"


def _is_whole(path, key):
    try:
        # A pipe or a device in its place is opened without waiting, and then refused.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(handle, "rb") as file:
            status = os.fstat(file.fileno())
            if not (stat.S_ISREG(status.st_mode) and _is_own(status) and status.st_size <= _LARGEST):
                return False
            return path.name == _name(key, file.read())
    except OSError:
        return False


def _is_safe_folder(folder):
    try:
        status = os.lstat(folder)
        parent = folder.parent.resolve()
        above = [os.stat(path) for path in (parent, *parent.parents)]
    except (OSError, RuntimeError):  # the second for links in a circle
        return False
    return stat.S_ISDIR(status.st_mode) and _is_own(status) and all(map(_keeps_its_entries, above))


def _is_own(status):
    return status.st_uid == os.geteuid() and not status.st_mode & _WRITABLE_BY_OTHERS


def _keeps_its_entries(status):
    """Whether no stranger can rename what is in a folder: it is the user's or root's, and not everybody's to write.

    A folder that a group may write is none of strangers: many systems give each user a group of the same name.
    """
    is_everybodys = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
    return status.st_uid in (os.geteuid(), 0) and not is_everybodys
