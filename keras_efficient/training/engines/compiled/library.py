"""step.c as a library: compiled by the system's compiler at first use, kept in the user's cache."""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from keras_efficient.programs import ProgramError, run_program
from keras_efficient.training.engines.compiled.cache import LibraryCache
from keras_efficient.training.engines.compiled.structures import STRUCTURES, Adam, CNetwork
from keras_efficient.training.executors.pool import available_cores

SOURCES = Path(__file__).parent
_COMPILERS = ("cc", "gcc", "clang")
# No -ffast-math: the quantizer rounds by adding and subtracting a large number.
_FLAGS = ("-std=gnu11", "-O3", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-w")
_LIBRARIES = ("-lm", "-lpthread")
_VERSION_SECONDS, _SECONDS = 10, 300


class LibraryError(RuntimeError):
    """The library cannot be built or loaded here."""


def find_compiler() -> str:
    """The path of the first compiler that is installed, or a LibraryError."""
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        raise LibraryError(f"no C compiler is installed (looked for {', '.join(_COMPILERS)})")
    return compiler


def library_key(compiler: str) -> str:
    """Hash of all that decides the machine code; the file may lie in a folder that several machines share."""
    _, version, _ = run_program([compiler, "--version"], _VERSION_SECONDS)
    texts = [path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("*.[ch]"))]
    parts = (*texts, *_FLAGS, compiler, version, platform.machine(), _processor())
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:16]


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))


def compile_library(compiler: str, target: Path) -> None:
    """Compile step.c to `target`; a LibraryError has the last words of a compiler that fails."""
    for machine in (["-march=native"], []):  # some compilers do not know their own machine
        command = [compiler, *_FLAGS, *machine, str(SOURCES / "step.c"), "-o", str(target), *_LIBRARIES]
        status, _, errors = run_program(command, _SECONDS)
        if status == 0:
            if not target.stat().st_size:
                raise LibraryError(f"{compiler} made no library")
            return
    raise LibraryError(f"{compiler} cannot compile the step: {errors.strip()[-500:]}")


def threads() -> int:
    """As many as KERAS_EFFICIENT_THREADS says (a ValueError for no positive integer), else a thread per core."""
    value = os.environ.get("KERAS_EFFICIENT_THREADS")
    if value is None:
        return available_cores()
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"KERAS_EFFICIENT_THREADS must be a positive integer. Received: {value!r}")
    return int(value)


def load_library() -> ctypes.CDLL:
    """The library, built if it is not in the cache.

    A LibraryError if it cannot be had here, whatever the reason: no compiler or one that fails, hangs or is no program,
    folders that cannot be written or that programs may not run from.
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
        ctypes.POINTER(CNetwork), pointer, pointer, pointer, integer, integer,
        ctypes.POINTER(Adam), pointer, pointer, ctypes.c_int,
    ]  # fmt: skip
    library.ke_predict.restype = ctypes.c_int
    library.ke_predict.argtypes = [ctypes.POINTER(CNetwork), pointer, integer, pointer, pointer, ctypes.c_int]
    return library
