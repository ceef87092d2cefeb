"""Networks as calls of CMSIS-NN's kernels, with random weights: built from its public repository, run as ours are.

    git clone https://github.com/ARM-software/CMSIS-NN

The library is built by its own CMake file for each core and level. A network is network.h and network.c with the
functions of an export, so that `run_on_arm` counts both sides alike; the kernels come with the memcpy and memset of the
compiler's library, which they call often, and which the test program has in a slow form.
"""

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from keras_efficient.export.verify import run_on_arm
from peers.cmsis_nn_numbers import largest_difference
from peers.cmsis_nn_program import program, program_of_sizes

KERNELS = {"s8": 8, "s4": 4}  # bits of the weights; the maps have 8
LEVELS = ("-Os", "-O2", "-Ofast")  # the last one is the library's own
INPUTS_SEED = 1
_LIBRARY = "libcmsis-nn.a"
_LIBRARY_CALLS = ("memcpy", "memset", "memmove", "memcmp")


@dataclass(frozen=True)
class CmsisNN:
    """A clone of CMSIS-NN, and a folder for what is built of it."""

    sources: Path
    folder: Path

    @property
    def revision(self):
        """The commit where it is a clone."""
        command = ["git", "-C", self.sources, "rev-parse", "HEAD"]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else "unknown: not a clone"

    def run(self, network, kernels, core, level, count, ram_bytes):
        """The network on a core: the run, and the folder with its C. Raises where its outputs are not right."""
        folder = self.folder / f"{network.name}_{kernels}_{core}{level}"
        folder.mkdir(exist_ok=True)
        options = {"core": core, "optimization": level, "flags": self._flags(core, level), "ram_bytes": ram_bytes}
        bits, images = KERNELS[kernels], _images(network, count)
        _write(folder, program_of_sizes(network, bits))
        words = run_on_arm(folder, images[:1], **options).logits[0]
        _write(folder, program(network, bits, [4 * int(word) for word in words]))
        run = run_on_arm(folder, images, **options)
        difference = largest_difference(network, bits, images, run.logits)
        if run.classes.any() or difference > 1:
            raise ValueError(f"Outputs of CMSIS-NN are {difference} apart. Received: {network.name}, {kernels}, {core}")
        return run, folder

    def _flags(self, core, level):
        # -isystem: its headers have warnings, which are errors here.
        objects = _kernels(self.sources, self.folder, core, level)
        return ("-isystem", str(self.sources / "Include"), "-Wl,--gc-sections", f"-Wl,{objects}")


def built_by(core, level, sources="CMSIS-NN", folder="build"):
    """The documented lines that build the library."""
    target = f"-mcpu={core} -mthumb -ffunction-sections -fdata-sections"
    configure = ["cmake", "-S", sources, "-B", folder, "-DCMAKE_SYSTEM_NAME=Generic"]
    configure += ["-DCMAKE_C_COMPILER=arm-none-eabi-gcc", "-DCMAKE_CXX_COMPILER=arm-none-eabi-g++"]
    configure += ["-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY", f"-DCMAKE_C_FLAGS={target}"]
    configure += [f"-DCMSIS_OPTIMIZATION_LEVEL={level}"]
    return configure, ["cmake", "--build", folder, "--target", "cmsis-nn"]


@cache
def _kernels(sources, folder, core, level):
    """The library as one object file, whose memcpy is its own."""
    build = folder / f"library_{core}{level}"
    for line in built_by(core, level, sources, build):
        _call(*line)
    kernels = build / "kernels.o"
    whole = ("-Wl,--whole-archive", build / _LIBRARY, "-Wl,--no-whole-archive")
    _call("arm-none-eabi-gcc", f"-mcpu={core}", "-mthumb", "-r", "-nostdlib", *whole, "-lc", "-o", kernels)
    _call("arm-none-eabi-objcopy", *(f"--localize-symbol={name}" for name in _LIBRARY_CALLS), kernels)
    return kernels


def _call(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        raise ChildProcessError(f"{Path(command[0]).name} failed: {done.stderr[-2000:]}")


def _write(folder, files):
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _images(network, count):
    return np.random.default_rng(INPUTS_SEED).integers(-128, 128, (count, *network.input_shape))
