"""Every target of `export_c`, built by the real tools, with two networks: of images, and of values of both signs.

The line "Build:" of each README is typed in its folder, and where it makes a program for this computer its logits are
counted. Of CMake also: two networks in one program, and the library alone for a Cortex-M3. Of the Arduino sketch and
library: avr-gcc with a stand-in for Arduino.h, and arduino-builder (of the Arduino IDE 1.8) with the real core, whose
programs run on a simulated Uno and answer through its serial port; two libraries in one sketch; a watchdog hook and a
section, with the lines of the README. arduino-cli is neither in Debian nor in PyPI, so it is only named where it is
installed. What is missing is named, and the rest is built:

    apt-get install gcc cmake gcc-avr avr-libc gcc-arm-none-eabi arduino-builder arduino-core-avr libsimavr-dev

    python scripts/build_layouts.py [--quick]
"""

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

import keras_efficient as ke
from keras_efficient.export.verify.interface import Interface
from keras_efficient.kinds.measures import TARGETS
from measuring.layout_builds import (
    by_builder,
    by_readme,
    by_stand_in,
    missing,
    needs_of_builder,
    on_uno,
    run,
    tools,
    tried,
    uno_figures,
)
from measuring.layout_programs import BOTH_C, BOTH_CMAKE, BOTH_INO, numbers
from measuring.results import write_results

DIGITS = [["C", 6, 3, 4, 8, 4], ["M", 2, 4], ["S", 10, 4, 8, 8]]
TOOLCHAIN = ("-DCMAKE_SYSTEM_NAME=Generic", "-DCMAKE_C_COMPILER=arm-none-eabi-gcc", "-DCMAKE_C_FLAGS=-mcpu=cortex-m3")


@dataclass(frozen=True)
class Export:
    """A network as C in a folder, what goes into it and what must come out."""

    folder: Path
    prefix: str
    codes: np.ndarray
    expected: np.ndarray

    @property
    def source(self):
        return next(self.folder.rglob(f"{self.prefix}.c"))

    @property
    def sketch(self):
        return next(self.folder.rglob("*.ino"))

    @property
    def packed(self):
        return Interface.read(self.folder).pack(self.codes)

    def equal(self, results):
        """How many inputs have the right logits in what a program wrote."""
        logits, _ = Interface.read(self.folder).unpack(results, len(self.codes))
        return int((logits == self.expected).all(axis=1).sum())


def networks():
    """Two untrained networks with scales for random inputs, by their prefixes."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    layers = [keras.Input((5,)), ke.InputQ(8, True), ke.DenseQ(6, activation="relu", activation_bits=8)]
    models = {
        "digits": (ke.build_network(DIGITS, (8, 8, 1)), random.random((64, 8, 8, 1))),
        "values": (keras.Sequential([*layers, ke.DenseQ(3, activation_bits=8)]), random.normal(size=(64, 5))),
    }
    for model, x in models.values():
        ke.calibrate(model, model, x.astype("float32"))
        ke.set_mode(model, "freeze_scales")
    return models


def exported(models, target, folder, count):
    """Each network in a folder of its own, by its prefix."""
    exports = {}
    for prefix, (model, x) in models.items():
        ke.export_c(model, folder / prefix, target=target, prefix=prefix)
        integers = ke.export.IntegerModel(model)
        codes = integers.encode(x[:count].astype("float32"))
        exports[prefix] = Export(folder / prefix, prefix, codes, integers.predict(codes))
    return exports


def cmake_figures(exports, folder):
    """Two folders in one program, and the libraries alone for a chip."""
    figures = {"two_in_one_program": missing("cmake", "cc") or tried(_two_by_cmake, exports, folder)}
    for prefix, export in exports.items():
        absent = missing("cmake", "arm-none-eabi-gcc")
        figures[f"{prefix}, cortex-m3"] = absent or tried(_for_a_chip, export, folder / f"{prefix}_cortex")
    return figures


def _two_by_cmake(exports, folder):
    (folder / "CMakeLists.txt").write_text(BOTH_CMAKE)
    (folder / "both.c").write_text(BOTH_C % tuple(numbers(export.codes[0]) for export in exports.values()))
    run("cmake", "-S", folder, "-B", folder / "both")
    run("cmake", "--build", folder / "both")
    logits = list(map(int, run(folder / "both/both").split()))
    return {"built": "cmake, add_subdirectory twice", "equal": logits == first_logits(exports)}


def _for_a_chip(export, build):
    run("cmake", "-S", export.folder, "-B", build, *TOOLCHAIN, "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY")
    run("cmake", "--build", build)
    programs = [path.name for path in build.glob("*_main*")]
    return {"built": f"cmake with arm-none-eabi-gcc: lib{export.prefix}.a", "programs": programs}


def arduino_figures(exports, folder):
    """The sketch of each export; `folder` is that of the libraries where they are some."""
    figures = {}
    for prefix, export in exports.items():
        figures[f"{prefix}, stand-in"] = tried(by_stand_in, export)
        figures[f"{prefix}, core"] = needs_of_builder() or tried(_by_core, export, folder)
    return figures


def _by_core(export, folder, name="core", settings=None):
    build = export.folder.parent.parent / f"{folder.name}_{export.prefix}_{name}"
    program = by_builder(export.sketch, folder, build, settings)
    return uno_figures(program, export, build)


def library_figures(exports, folder):
    """Two libraries in one sketch, and the macros of the README in one of them."""
    if absent := needs_of_builder():
        return {"two_in_one_sketch": absent, "hook and section": absent}
    two = tried(_two_by_builder, exports, folder)
    return {"two_in_one_sketch": two, "hook and section": tried(_with_settings, exports["digits"], folder)}


def _two_by_builder(exports, folder):
    sketch = folder.parent / "both/both.ino"
    sketch.parent.mkdir()
    sketch.write_text(BOTH_INO % tuple(numbers(export.codes[0]) for export in exports.values()))
    program = by_builder(sketch, folder, folder.parent / "both_build")
    lines = on_uno(program, b"", 0, 1, folder.parent / "both_build")
    counted = {"simulated": "no simavr"} if lines is None else {}
    counted = counted or {"equal": list(map(int, lines[0].split())) == first_logits(exports)}
    return {"built": "arduino-builder, two libraries", **counted}


def _with_settings(export, folder):
    """The lines of the README in a settings.h: the watchdog is fed in the program, and its answers stay."""
    lines = (export.folder / "README.md").read_text(encoding="utf-8").splitlines()
    quoted = [line.split("`") for line in lines if line.startswith(("Hook:", "Places:"))]
    settings = folder.parent / "settings.h"
    settings.write_text("\n".join([quoted[0][1], quoted[0][3], quoted[1][1], ""]))
    figures = _by_core(export, folder, "settings", settings)
    program = folder.parent / f"{folder.name}_{export.prefix}_settings" / f"{export.sketch.name}.elf"
    fed = run("avr-objdump", "-d", program).decode().count("wdr")
    return {**figures, "macros": settings.read_text().splitlines(), "watchdog_instructions": fed}


def first_logits(exports):
    return [logit for export in exports.values() for logit in export.expected[0].tolist()]


def build_all(folder, count):
    """Figures of each target."""
    models, figures = networks(), {}
    for target in TARGETS:
        exports = exported(models, target, folder / target / "exports", count)
        place = folder / target / "exports"
        if target.startswith("arduino"):
            figures[target] = arduino_figures(exports, place)
        else:
            figures[target] = {prefix: tried(by_readme, export) for prefix, export in exports.items()}
        if target == "cmake":
            figures[target] |= cmake_figures(exports, place)
        if target == "arduino_library":
            figures[target] |= library_figures(exports, place)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="4 inputs of each network, not 64")
    quick = parser.parse_args().quick
    count = 4 if quick else 64
    with tempfile.TemporaryDirectory() as folder:
        figures = {"inputs": count, "tools": tools(), "targets": build_all(Path(folder), count)}
    print(json.dumps(figures, indent=1))
    write_results("build_layouts", figures, seeds=[0], quick=quick)
    wrong = [each for builds in figures["targets"].values() for each in builds.values() if _is_wrong(each, count)]
    raise SystemExit(1 if wrong else 0)


def _is_wrong(build, count):
    unequal = not build.get("equal", True) or build.get("equal_logits", count) != count
    return "failed" in build or unequal or build.get("watchdog_instructions") == 0 or build.get("programs")


if __name__ == "__main__":
    main()
