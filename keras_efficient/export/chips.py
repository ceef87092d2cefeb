"""The microcontrollers that `estimate_firmware` knows: how a network is compiled for them and run."""

import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_efficient.export.c.readme import FOR_ARM
from keras_efficient.export.verify import run_on_arm, run_on_avr
from keras_efficient.export.verify.arm import CORES, arm_sizes
from keras_efficient.export.verify.avr import avr_sizes, can_simulate_avr
from keras_efficient.export.verify.compilers import ARM_INSTALL, AVR_INSTALL, C_FOLDER, ToolMissingError, find_tool
from keras_efficient.export.verify.interface import ProgramSizes

_NO_SIMULATOR = f"simavr not found. Install: {AVR_INSTALL}"
_AVR_CYCLE_LIMIT = 1_000_000_000  # an input that takes a minute
_ARM_RAM_BYTES = 4 << 20  # all that the simulated machine has: what a network needs is to be said, not refused


@dataclass(frozen=True)
class ChipRun:
    """A program's sizes; where it ran also the largest stack, and the mean of what an input takes."""

    sizes: ProgramSizes
    stack_bytes: int | None = None
    cycles: int | None = None
    instructions: int | None = None


class Chip(ABC):
    """A microcontroller.

    target: Of `export_c`: the C that is best on it.
    level: What it is compiled with where nothing else is asked for.
    counts_cycles: Whether its simulator counts clock cycles; otherwise instructions.
    tools, install: Programs that it takes, and the line that installs them.
    """

    target: str
    level: str
    counts_cycles: bool
    tools: tuple[str, ...]
    install: str

    def find_tools(self) -> None:
        """A `ToolMissingError` where compiler or simulator are missing."""
        for name in self.tools:
            find_tool(name, install=self.install)

    @abstractmethod
    def sizes(self, folder: Path, level: str) -> ProgramSizes:
        """Of the program with the network in a folder; `ToolMissingError` or `ToolFailedError` where it cannot be."""

    @abstractmethod
    def run(self, folder: Path, inputs: np.ndarray, level: str) -> ChipRun:
        """Of the same program on the simulator; the same errors."""

    def sizes_without(self, folder: Path, level: str) -> ProgramSizes:
        """Of the program without the network: its main, the start and what these take from libraries."""
        with tempfile.TemporaryDirectory() as temporary:
            alone = Path(temporary)
            (alone / "network.h").write_bytes((folder / "network.h").read_bytes())
            (alone / "network.c").write_bytes((C_FOLDER / "no_network.c").read_bytes())
            return self.sizes(alone, level)


class Avr(Chip):
    """An ATmega328P, as of the Arduino Uno."""

    target = "host"  # the same C as for "avr", which refuses networks that are too large before they are compiled
    level = "-Os"
    counts_cycles = True
    tools, install = ("avr-gcc", "avr-size"), AVR_INSTALL

    def find_tools(self) -> None:
        super().find_tools()
        if not can_simulate_avr():
            raise ToolMissingError(_NO_SIMULATOR)

    def sizes(self, folder: Path, level: str) -> ProgramSizes:
        return avr_sizes(folder, level)

    def run(self, folder: Path, inputs: np.ndarray, level: str) -> ChipRun:
        run = run_on_avr(folder, inputs, optimization=level, cycle_limit=_AVR_CYCLE_LIMIT)
        if run.stack_bytes is None or run.image_cycles is None:
            raise ToolMissingError(_NO_SIMULATOR)
        sizes = ProgramSizes(run.flash_bytes, run.static_bytes)
        return ChipRun(sizes, run.stack_bytes, cycles=round(run.image_cycles.mean))


class CortexM(Chip):
    """A core of ARM with as much memory as there may be."""

    counts_cycles = False
    tools, install = ("arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm"), ARM_INSTALL

    def __init__(self, core: str):
        self.core = core
        self.target = "arm" if core == "cortex-m0" else "dsp"
        self.level = FOR_ARM[self.target]

    def sizes(self, folder: Path, level: str) -> ProgramSizes:
        return arm_sizes(folder, self.core, level, _ARM_RAM_BYTES)

    def run(self, folder: Path, inputs: np.ndarray, level: str) -> ChipRun:
        run = run_on_arm(folder, inputs, core=self.core, optimization=level, ram_bytes=_ARM_RAM_BYTES)
        count = run.image_instructions
        sizes = ProgramSizes(run.program_flash_bytes, run.static_bytes)
        return ChipRun(sizes, run.stack_bytes, instructions=None if count is None else round(count.mean))


CHIPS: dict[str, Chip] = {"atmega328p": Avr(), **{core: CortexM(core) for core in CORES}}
