"""The Arduino sketch around a network: an .ino file in a folder of its name."""

from __future__ import annotations

import re
from pathlib import Path

SKETCH = "sketch.ino"  # of this package: the text of every .ino file
# Programs of other targets, which would be compiled into the sketch: a second `main` cannot be linked.
PROGRAMS = ("main_host.c", "main_avr.c", "simulate_avr.c", "main_arm.c")
# What the Arduino IDE takes for the name of a sketch.
MOST_LETTERS = 63
NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9_-])?")


def check_sketch_folder(directory: Path) -> None:
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
