"""Builds what `export_c` wrote, with the real tools: the line of its README, CMake, the builder of the Arduino IDE."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np

from measuring.results import ROOT

SHIM = ROOT / "tests/export/arduino_shim"
SERIAL_UNO = Path(__file__).with_name("serial_uno.c")
UNO = ("-mmcu=atmega328p", "-Os", "-Wall", "-Wextra", "-Werror")
# Where Debian's arduino-builder and arduino-core-avr put what they need.
HARDWARE = (Path("/usr/share/arduino-builder"), Path("/usr/share/arduino/hardware"))
SECONDS = 300


class BuildError(RuntimeError):
    """A tool said no."""


def missing(*tools):
    """{"missing": tools} where any of these is not installed, else nothing."""
    absent = [tool for tool in tools if not shutil.which(tool)]
    return {"missing": ", ".join(absent)} if absent else {}


def run(*command, cwd=None, stdin=b""):
    """What a command wrote to standard output."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, input=stdin, capture_output=True, timeout=SECONDS)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise BuildError(next((line for line in lines if "error" in line.lower()), (lines or ["no message"])[-1]))
    return done.stdout


def tried(build, *arguments):
    """What a build gives, or what went wrong, without the folders of this machine."""
    try:
        return build(*arguments)
    except (BuildError, subprocess.TimeoutExpired, ValueError) as error:
        return {"failed": re.sub(r"(?<![\w.])/\S*/", "", str(error))}


def tools():
    """The first line that each of them says about its version."""
    asked = {"cc": "--version", "cmake": "--version", "avr-gcc": "--version", "arm-none-eabi-gcc": "--version"}
    asked |= {"arduino-builder": "-version", "arduino-cli": "version"}
    found = {}
    for tool, option in asked.items():
        there = shutil.which(tool)
        found[tool] = run(tool, option).decode().strip().splitlines()[0] if there else "not installed"
    return found


def by_readme(export):
    """The line "Build:" of an export's README, typed in its folder; the logits where the program gives them."""
    line = re.search(r"^Build:   `(.*)`$", (export.folder / "README.md").read_text(encoding="utf-8"), re.M)[1]
    if absent := missing(line.split()[0]):
        return absent
    (export.folder / "inputs").write_bytes(export.packed)
    run("sh", "-c", line, cwd=export.folder)
    counted = {}
    if (export.folder / "logits").exists():
        counted = {"equal_logits": export.equal((export.folder / "logits").read_bytes())}
    return {"built": line, **counted}


def by_stand_in(export):
    """An .ino with the network, as the Arduino IDE compiles it for an Uno, after an Arduino.h of the tests'."""
    if absent := missing("avr-gcc", "avr-g++", "avr-size"):
        return absent
    parts = [_object("avr-gcc", export.source, export.folder, "-std=gnu11")]
    headers = ("-std=gnu++11", "-I", SHIM, "-I", export.source.parent, "-include", "Arduino.h", "-x", "c++")
    parts.append(_object("avr-g++", export.sketch, export.folder, *headers))
    program = export.folder / "stand_in.elf"
    run("avr-g++", *UNO, "-I", SHIM, *parts, SHIM / "board.cpp", "-o", program)
    return {"built": "avr-gcc and avr-g++, with a stand-in for Arduino.h", **_sizes(program)}


def by_builder(sketch, libraries, folder, settings=None):
    """A sketch built by arduino-builder, of the Arduino IDE 1.8, with the Arduino core for AVR: the program."""
    folder.mkdir()
    places = [word for place in HARDWARE for word in ("-hardware", place)]
    options = ["-fqbn", "arduino:avr:uno", "-build-path", folder, "-tools", "/usr/bin", "-libraries", libraries]
    # float.h of Debian's avr-gcc 5.4 lacks a macro that the core's String class needs.
    options.append("-prefs=compiler.cpp.extra_flags=-DDECIMAL_DIG=__DECIMAL_DIG__")
    if settings is not None:
        options.append(f"-prefs=compiler.c.extra_flags=-include {settings}")
    run("arduino-builder", "-compile", *places, *options, sketch)
    return folder / f"{sketch.name}.elf"


def needs_of_builder():
    """What is missing to call `by_builder`."""
    absent = missing("arduino-builder", "avr-gcc", "avr-size")
    return absent or ({} if all(map(Path.exists, HARDWARE)) else {"missing": "arduino-core-avr"})


def on_uno(program, stdin, bytes_of_input, lines, folder):
    """The lines that a program writes to the serial port of a simulated Uno; None without simavr."""
    simulator = folder / "serial_uno"
    try:
        run("cc", "-O2", SERIAL_UNO, "-lsimavr", "-o", simulator)
    except (BuildError, FileNotFoundError):
        return None
    text = run(simulator, program, bytes_of_input, lines, stdin=stdin).decode(errors="replace")
    return [line for line in text.splitlines() if not line.startswith("Loaded ")]  # simavr's own


def uno_figures(program, export, folder):
    """Bytes of the program, and how many inputs of an export it answers with the right logits."""
    count = len(export.codes)
    lines = on_uno(program, export.packed, len(export.packed) // count, 1 + count, folder)
    figures = {"built": "arduino-builder, arduino-core-avr", **_sizes(program)}
    if lines is None:
        return {**figures, "simulated": "no simavr"}
    logits = [[int(word) for word in line.split()[5:]] for line in lines[1:]]
    return {**figures, "equal_logits": int((np.array(logits) == export.expected).all(axis=1).sum()), "inputs": count}


def _object(compiler, source, folder, *options):
    result = folder / f"{source.name}.o"
    run(compiler, *UNO, *options, "-c", source, "-o", result)
    return result


def _sizes(program):
    text, data, bss = map(int, run("avr-size", program).decode().splitlines()[1].split()[:3])
    return {"flash_bytes": text + data, "static_bytes": data + bss}
