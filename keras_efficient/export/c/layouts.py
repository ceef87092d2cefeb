"""What a target puts beside the C of a network, and where: mains, a sketch, CMakeLists.txt, an Arduino library."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from keras_efficient.export.c.text import renamed
from keras_efficient.export.firmware_report import SOURCES, is_own, own_headers

C_FOLDER = Path(__file__).parent
SKETCH = "sketch.ino"  # of this package: the text of every .ino file
# Programs of other targets, which would be compiled into the sketch: a second `main` cannot be linked.
PROGRAMS = ("main_host.c", "main_avr.c", "simulate_avr.c", "main_arm.c")
# What the Arduino IDE takes for the name of a sketch.
MOST_LETTERS = 63
NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9_-])?")
PROPERTIES = "library.properties"
# Targets that every CMake project has, by these names or with capitals.
CMAKE_TARGETS = ("all", "clean", "edit_cache", "help", "install", "package", "rebuild_cache", "test")


def check_layout(directory: Path, target: str, prefix: str) -> None:
    """A ValueError where the folder or the prefix cannot be those of a target."""
    if target == "arduino":
        _check_sketch_folder(directory)
    if target == "cmake" and prefix in CMAKE_TARGETS:
        raise ValueError(
            f"`prefix` names the CMake target, and each of {', '.join(CMAKE_TARGETS)} is one of CMake's own. "
            f"Received: prefix={prefix!r}"
        )
    if target == "arduino_library":
        _check_library(directory, prefix)
    elif (directory / PROPERTIES).exists() and own_headers(directory / SOURCES):
        raise ValueError(
            f"'{directory}' holds an Arduino library, with its network in {SOURCES}/: choose another folder. "
            "Nothing was written"
        )


def source_folder(target: str) -> str:
    """Where in the folder of an export PREFIX.c and PREFIX.h go, as the start of their names."""
    return f"{SOURCES}/" if target == "arduino_library" else ""


def mains(directory: Path, target: str, prefix: str, programs: Iterable[str]) -> dict[str, str]:
    """The files that are meant to be changed, by their names in the folder: these programs, and what else there is."""
    texts = {name: _text(name) for name in programs}
    if target == "arduino":
        texts[f"{directory.resolve().name}.ino"] = _text(SKETCH)
    if target == "arduino_library":
        texts[f"examples/{prefix}/{prefix}.ino"] = _text(SKETCH)
    texts = {name: renamed(text, prefix) for name, text in texts.items()}
    for name, owner in (("CMakeLists.txt", "cmake"), (PROPERTIES, "arduino_library")):
        if target == owner:
            texts[name] = _text(f"{name}.in").replace("@prefix@", prefix).replace("@PREFIX@", prefix.upper())
    return texts


def _check_sketch_folder(directory: Path) -> None:
    """A ValueError if the Arduino IDE could not compile a sketch in this folder."""
    name = directory.resolve().name
    if not NAME.fullmatch(name):
        raise ValueError(
            "an Arduino sketch has the name of its folder: up to 63 letters, digits, '_', '-' and '.', no '.' at the "
            f"ends. Received: directory='{directory}'"
        )
    others = [program for program in PROGRAMS if (directory / program).exists()]
    if others:
        raise ValueError(
            f"'{directory}' holds {', '.join(others)}, which the Arduino IDE would compile into the sketch: choose "
            "another folder. Nothing was written"
        )


def _check_library(directory, prefix):
    """Sources beside src/ would be left out by the Arduino IDE, and so would be those of somebody else's library."""
    if len(prefix) > MOST_LETTERS:
        raise ValueError(
            f"`prefix` names the Arduino library, which has at most {MOST_LETTERS} letters. Received: {len(prefix)}"
        )
    if own_headers(directory):
        raise ValueError(
            f"'{directory}' holds the network of another target, and an Arduino library has its own in {SOURCES}/: "
            "choose another folder. Nothing was written"
        )
    properties = directory / PROPERTIES
    if properties.exists() and not is_own(properties) and not own_headers(directory / SOURCES):
        raise ValueError(f"'{properties}' is that of another library: choose another folder. Nothing was written")


def _text(name):
    return (C_FOLDER / name).read_text(encoding="utf-8")
