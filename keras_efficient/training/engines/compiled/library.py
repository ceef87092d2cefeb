"""step.c as a library: compiled by the system's compiler at first use, kept in the user's cache."""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from keras_efficient.training.engines.compiled.structures import STRUCTURES, Adam, Network
from keras_efficient.training.executors.threads import available_cores

SOURCES = Path(__file__).parent
_COMPILERS = ("cc", "gcc", "clang")
# No -ffast-math: the quantizer rounds by adding and subtracting a large number.
_FLAGS = ("-std=gnu11", "-O3", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-w")
_LIBRARIES = ("-lm", "-lpthread")
_SECONDS = 300


class LibraryError(RuntimeError):
    """The library cannot be built or loaded here."""


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
        LibraryError: Without a C compiler, or where it cannot compile the file.
    """
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        raise LibraryError(f"no C compiler is installed (looked for {', '.join(_COMPILERS)})")
    return _load(compiler)


@functools.cache
def _load(compiler):
    name = f"step-{_key(compiler)}.so"
    for folder in _folders():
        with suppress(OSError):  # it is not there yet, or damaged
            return _open(folder / name)
        try:
            _build(compiler, folder / name)
            return _open(folder / name)
        except OSError as error:  # a folder that cannot be written, or that programs may not run from
            reason = error
    raise LibraryError(f"the compiled step cannot be stored or loaded: {reason}")


def _folders():
    """Where the library may be: the user's cache, else a temporary folder of this process."""
    cache = os.environ.get("XDG_CACHE_HOME")
    yield (Path(cache) if cache else Path("~/.cache").expanduser()) / "keras_efficient"
    yield Path(_temporary_folder().name)


@functools.cache
def _temporary_folder():
    return tempfile.TemporaryDirectory(prefix="keras_efficient-")


def _key(compiler):
    """Hash of all that decides the machine code; the file may lie in a folder that several machines share."""
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=_SECONDS).stdout
    texts = [path.read_text() for path in sorted(SOURCES.glob("*.[ch]"))]
    parts = (*texts, *_FLAGS, compiler, version, platform.machine(), _processor())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))


def _build(compiler, path):
    """Compile beside `path`, under a name of this process's own, and put the whole file in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(suffix=".so", dir=path.parent)
    os.close(handle)
    try:
        _compile(compiler, temporary)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _compile(compiler, target):
    for machine in (["-march=native"], []):  # some compilers do not know their own machine
        command = [compiler, *_FLAGS, *machine, str(SOURCES / "step.c"), "-o", target, *_LIBRARIES]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            raise LibraryError(f"{compiler} took more than {_SECONDS} s") from None
        if done.returncode == 0:
            return
    raise LibraryError(f"{compiler} cannot compile the step: {done.stderr.strip()[-500:]}")


def _open(path):
    library = ctypes.CDLL(str(path))
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
