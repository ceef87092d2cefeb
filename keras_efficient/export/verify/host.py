"""`run_on_host`: a generated network compiled for this computer, with sanitizers."""

import os
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from keras_efficient.export.firmware_report import code_folder
from keras_efficient.export.verify.compilers import (
    HOST_INSTALL,
    STRICT,
    ToolFailedError,
    compile_here,
    find_tool,
    run_tool,
)
from keras_efficient.export.verify.interface import Interface, one_after_another

# What reads a null pointer is stopped without a check of its own, and lines are enough of a place (-g1): with both,
# compiling takes three quarters of the time.
SANITIZERS = (
    *("-fsanitize=address,undefined", "-fno-sanitize=null", "-fno-sanitize-recover=all"),
    *("-fno-omit-frame-pointer", "-g1"),
)


@dataclass(frozen=True)
class HostRun:
    """Results of a network on this computer.

    logits: int16 (images, logits). classes: uint8 (images,). sanitized: whether accesses outside of
    arrays and undefined behaviour would have been reported (not every compiler can).
    """

    logits: np.ndarray = field(repr=False)
    classes: np.ndarray = field(repr=False)
    sanitized: bool


def run_on_host(
    folder: Path | str,
    images: np.ndarray,
    *,
    optimization: str = "-O1",
    flags: tuple[str, ...] = (),
    sanitize: bool = True,
    seconds: float = 300,
) -> HostRun:
    """Compile the network.c in `folder`, run it on every image and return all logits.

    `images` are integers of shape (n, ...), of several inputs a list of arrays; `flags` go to the compiler; `seconds`
    limits the run.
    Raises `ToolMissingError` without a compiler, and `ToolFailedError` with its messages when the
    code has warnings or the program accesses memory it should not.
    """
    interface = Interface.read(folder)
    packed = interface.pack(images)
    with tempfile.TemporaryDirectory() as temporary:
        program = Path(temporary) / "network"
        sanitized = sanitize and _can_sanitize(find_tool("gcc", "clang", "cc", install=HOST_INSTALL))
        options = (*STRICT, optimization, *(SANITIZERS if sanitized else ()), *flags)
        main = interface.own_program("main_host.c", Path(temporary))
        source = code_folder(folder).resolve() / f"{interface.prefix}.c"  # a name may begin like an option
        compile_here(*options, "-I", source.parent, source, main, program=program, purpose=f"Compiling {source.name}")
        # Leaks cannot be: there is no malloc. Their check fails where a process may not be traced.
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        purpose = "The network on this computer"
        results = run_tool([program], purpose=purpose, stdin=packed, seconds=seconds, env=environment)
    return HostRun(*interface.unpack(results, len(one_after_another(images))), sanitized)


@cache
def _can_sanitize(compiler: str) -> bool:
    """Whether this compiler has the sanitizers' libraries."""
    with tempfile.TemporaryDirectory() as temporary:
        program, purpose = Path(temporary) / "empty", "A program with sanitizers"
        try:
            command: list[str | Path] = [compiler, *SANITIZERS, "-x", "c", "-", "-o", program]
            run_tool(command, purpose=purpose, stdin=b"int main(void) { return 0; }\n")
            run_tool([program], purpose=purpose)
        except ToolFailedError:
            return False
    return True
