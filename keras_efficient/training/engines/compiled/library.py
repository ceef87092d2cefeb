"""step.c as a library: compiled by the system's compiler at first use, kept in the user's cache."""

import ctypes
import functools
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from keras_efficient.programs import ProgramError
from keras_efficient.training.engines.compiled.cache import LibraryCache
from keras_efficient.training.engines.compiled.compiler import (
    LibraryError,
    compile_library,
    find_compiler,
    library_key,
)
from keras_efficient.training.engines.compiled.structures import STRUCTURES, Adam, Network
from keras_efficient.training.executors.threads import available_cores


def threads() -> int:
    """As many as KERAS_EFFICIENT_THREADS says, else as there are cores for this process.

    Raises:
        ValueError: If the variable is not a positive integer.
    """
    value = os.environ.get("KERAS_EFFICIENT_THREADS")
    if value is None:
        return available_cores()
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"KERAS_EFFICIENT_THREADS must be a positive integer. Received: {value!r}")
    return int(value)


def load_library() -> ctypes.CDLL:
    """The library, built if it is not in the cache.

    Raises:
        LibraryError: If it cannot be had here, whatever the reason: no compiler or one that fails, hangs or is no
            program, folders that cannot be written or that programs may not run from.
    """
    try:
        return _load(find_compiler(), _cache_folder())
    except (OSError, ProgramError, UnicodeError) as error:  # what a system that is not as it should be raises
        raise LibraryError(str(error)) from error


def _cache_folder():
    """Where libraries are kept; None for a user without a home."""
    # Unlike `Path.expanduser`, that of os leaves the path as it is where there is no home.
    wanted = (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache"))
    return next((Path(path) / "keras_efficient" for path in wanted if os.path.isabs(path)), None)


@functools.cache
def _load(compiler, folder):
    cache = None if folder is None else LibraryCache(folder)
    key = library_key(compiler)
    found = cache and cache.find(key)
    if found:
        with suppress(OSError, LibraryError):  # programs may not run from there, say
            return _open(found)
    built = _build(compiler)
    try:
        opened = _open(built)
    except OSError:
        if cache is None:
            raise
        return _open(cache.store(key, built.read_bytes()))  # programs may not run from the temporary folder, say
    with suppress(OSError):  # what cannot be kept is built by each process
        if cache is not None:
            cache.store(key, built.read_bytes())
    return opened


def _build(compiler):
    """A new library in the temporary folder of this process."""
    handle, path = tempfile.mkstemp(suffix=".so", dir=_temporary_folder().name)
    os.close(handle)
    compile_library(compiler, Path(path))
    return Path(path)


@functools.cache
def _temporary_folder():
    return tempfile.TemporaryDirectory(prefix="keras_efficient-")


def _open(path):
    library = ctypes.CDLL(str(path))
    try:
        library.ke_sizes, library.ke_train, library.ke_predict  # noqa: B018
    except AttributeError as error:
        raise LibraryError(f"'{path}' is another library: {error}") from None
    sizes = (ctypes.c_int32 * len(STRUCTURES))()
    library.ke_sizes(sizes)
    if list(sizes) != [ctypes.sizeof(structure) for structure in STRUCTURES]:
        raise LibraryError(f"{path} lays out its structs in another way than Python")
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    library.ke_train.restype = ctypes.c_double
    library.ke_train.argtypes = [
        ctypes.POINTER(Network), pointer, pointer, pointer, integer, integer,
        ctypes.POINTER(Adam), pointer, pointer, ctypes.c_int,
    ]  # fmt: skip
    library.ke_predict.restype = ctypes.c_int
    library.ke_predict.argtypes = [ctypes.POINTER(Network), pointer, integer, pointer, pointer, ctypes.c_int]
    return library
