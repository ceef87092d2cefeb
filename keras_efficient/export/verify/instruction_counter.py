"""`instruction_counter`: the plugin that counts what qemu executes, where qemu takes plugins."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from keras_efficient.export.verify.compilers import (
    ARM_INSTALL,
    C_FOLDER,
    HOST_INSTALL,
    STRICT,
    ToolFailedError,
    ToolMissingError,
    compile_here,
    find_tool,
    run_tool,
)

COUNTS_FILE = "instructions.txt"  # the plugin writes it where qemu is started
_VERSIONS = (1, 2)  # of the plugin interface; newer versions of qemu take no plugin of version 1
_ONLY_TO_QUIT = ("-M", "none", "-display", "none", "-serial", "none", "-monitor", "stdio")


def read_counts(folder: Path) -> dict[str, np.ndarray]:
    """Instructions executed and cycles of a Cortex-M4 for each image, arrays (images,)."""
    names = ("image_instructions", "inference_instructions", "image_cycles", "inference_cycles")
    return dict(zip(names, np.loadtxt(folder / COUNTS_FILE, np.int64, ndmin=2).T, strict=True))


def instruction_counter(folder: Path) -> Path | None:
    """The plugin, compiled into a folder; None where there is no C compiler, or qemu takes no plugins."""
    try:
        find_tool("gcc", "clang", "cc", install=HOST_INSTALL)
    except ToolMissingError:
        return None
    version = _version_taken(find_tool("qemu-system-arm", install=ARM_INSTALL))
    return None if version is None else _compile(version, folder)


@cache
def _version_taken(qemu: str) -> int | None:
    with tempfile.TemporaryDirectory() as folder:
        for version in _VERSIONS:
            try:
                plugin = _compile(version, Path(folder))
                run_tool([qemu, *_ONLY_TO_QUIT, "-plugin", plugin], purpose="A plugin of qemu", stdin=b"quit\n")
            except ToolFailedError:
                continue
            return version
    return None


def _compile(version: int, folder: Path) -> Path:
    source, plugin = C_FOLDER / "count_instructions.c", folder / "count_instructions.so"
    options = (*STRICT, "-O2", "-shared", "-fPIC", f"-DPLUGIN_VERSION={version}")
    return compile_here(*options, source, program=plugin, purpose=f"Compiling {source.name}")
