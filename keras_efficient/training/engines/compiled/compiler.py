"""The system's C compiler: which it is, what it would make of step.c, and that it makes it."""

import hashlib
import platform
import shutil
from pathlib import Path

from keras_efficient.programs import run_program

SOURCES = Path(__file__).parent
_COMPILERS = ("cc", "gcc", "clang")
# No -ffast-math: the quantizer rounds by adding and subtracting a large number.
_FLAGS = ("-std=gnu11", "-O3", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-w")
_LIBRARIES = ("-lm", "-lpthread")
_VERSION_SECONDS, _SECONDS = 10, 300


class LibraryError(RuntimeError):
    """The library cannot be built or loaded here."""


def find_compiler() -> str:
    """The path of the first compiler that is installed.

    Raises:
        LibraryError: If there is none.
    """
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
    """Compile step.c to `target`.

    Raises:
        LibraryError: If the compiler fails; the error has its last words.
    """
    for machine in (["-march=native"], []):  # some compilers do not know their own machine
        command = [compiler, *_FLAGS, *machine, str(SOURCES / "step.c"), "-o", str(target), *_LIBRARIES]
        status, _, errors = run_program(command, _SECONDS)
        if status == 0:
            if not target.stat().st_size:
                raise LibraryError(f"{compiler} made no library")
            return
    raise LibraryError(f"{compiler} cannot compile the step: {errors.strip()[-500:]}")
