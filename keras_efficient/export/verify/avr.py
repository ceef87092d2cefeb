"""`run_on_avr`: a generated network compiled for an ATmega328P and run on simavr: bytes, cycles, results."""

import json
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from keras_efficient.export.firmware_report import code_folder
from keras_efficient.export.verify.compilers import (
    AVR_INSTALL,
    STRICT,
    ToolFailedError,
    ToolMissingError,
    compile_here,
    find_tool,
    run_tool,
)
from keras_efficient.export.verify.interface import Interface, ProgramSizes, Spread, one_after_another

FLASH_BYTES, RAM_BYTES, CLOCK_HZ = 32768, 2048, 16_000_000  # ATmega328P
# The linker's own check of the sizes does not say how many bytes there are; `_sizes` does.
_NO_LINKER_CHECK = ("-Wl,--defsym=__DATA_REGION_LENGTH__=0xF000", "-Wl,--defsym=__TEXT_REGION_LENGTH__=0x20000")
_LIBRARY_PROBE = b"""#include <simavr/sim_avr.h>
int main(void) { return avr_make_mcu_by_name("atmega328p") == 0; }
"""


@dataclass(frozen=True)
class AvrRun:
    """A network on an ATmega328P (32768 bytes of flash, 2048 of RAM).

    flash_bytes: code, constants and start values of variables, start code and main included.
    static_bytes: variables (.data + .bss). arena_bytes: the part of them that is the activation buffer.

    Measured on the simulator; all None when only avr-gcc is installed:
    stack_bytes: largest stack, exact for the images run. image_cycles: clock cycles from the first
    pixel taken to the first byte of the result. inference_cycles: the same from the last pixel.
    logits: int16 (images, logits). classes: uint8 (images,).
    """

    flash_bytes: int
    static_bytes: int
    arena_bytes: int
    stack_bytes: int | None = None
    image_cycles: Spread | None = None
    inference_cycles: Spread | None = None
    logits: np.ndarray | None = field(default=None, repr=False)
    classes: np.ndarray | None = field(default=None, repr=False)

    @property
    def ram_bytes(self) -> int | None:
        return None if self.stack_bytes is None else self.static_bytes + self.stack_bytes


def run_on_avr(
    folder: Path | str,
    images: np.ndarray,
    *,
    optimization: str = "-Os",
    flags: tuple[str, ...] = (),
    cycle_limit: int = 10 * CLOCK_HZ,
    seconds: float = 600,
) -> AvrRun:
    """Compile the network.c in `folder` with main_avr.c as one unit and run it on every image.

    `images` are bytes of shape (n, ...); `flags` go to avr-gcc; an image may take `cycle_limit` clock
    cycles and the whole simulation `seconds`. Raises `ToolMissingError` without avr-gcc, and
    `ToolFailedError` when the code has warnings, does not fit, overflows the stack or does not end.
    """
    interface = Interface.read(folder)
    packed = interface.pack(images)
    with tempfile.TemporaryDirectory() as temporary:
        program = _compile(folder, interface, (optimization, *flags), Path(temporary))
        compiled = _sizes(program)
        _check_fit("flash", compiled.flash_bytes, FLASH_BYTES)
        _check_fit("RAM", compiled.static_bytes, RAM_BYTES)
        sizes = (compiled.flash_bytes, compiled.static_bytes, interface.arena_bytes)
        if not can_simulate_avr():
            return AvrRun(*sizes)
        code = interface.own_program("simulate_avr.c", Path(temporary))
        options = (*STRICT, "-O2", "-I", code_folder(folder).resolve(), code, "-lsimavr")
        simulator = program.with_name("simulate_avr")
        compile_here(*options, program=simulator, purpose="Compiling simulate_avr.c")
        report = program.with_name("report.json")
        command: list[str | Path] = [simulator, program, report, str(cycle_limit)]
        purpose = "The network on the simulated ATmega328P"
        results = run_tool(command, purpose=purpose, stdin=packed, seconds=seconds)
        measured = json.loads(report.read_text(encoding="utf-8"))
    image, inference = (Spread(**measured[name]) for name in ("image_cycles", "inference_cycles"))
    logits, classes = interface.unpack(results, len(one_after_another(images)))
    return AvrRun(*sizes, measured["stack_bytes"], image, inference, logits, classes)


def avr_sizes(folder: Path | str, optimization: str) -> ProgramSizes:
    """The bytes of the program that `run_on_avr` runs, also where they are more than the ATmega328P has."""
    with tempfile.TemporaryDirectory() as temporary:
        return _sizes(_compile(folder, Interface.read(folder), (optimization,), Path(temporary)))


@cache
def can_simulate_avr() -> bool:
    """Whether a program for this computer can be linked with simavr (package libsimavr-dev)."""
    try:
        with tempfile.TemporaryDirectory() as temporary:
            probe = Path(temporary) / "probe"
            compile_here("-x", "c", "-", "-lsimavr", program=probe, purpose="Linking simavr", stdin=_LIBRARY_PROBE)
    except (ToolMissingError, ToolFailedError):
        return False
    return True


def _compile(folder: Path | str, interface: Interface, options: tuple[str, ...], temporary: Path) -> Path:
    """The network as a part of main: with one unit and no other, GCC needs the least stack."""
    source, program = code_folder(folder).resolve() / f"{interface.prefix}.c", temporary / "network.elf"
    main = interface.own_program("main_avr.c", temporary)
    unit = ("-fwhole-program", "-I", source.parent, "-include", source, main)
    command = (find_tool("avr-gcc", install=AVR_INSTALL), "-mmcu=atmega328p", *STRICT, *_NO_LINKER_CHECK)
    run_tool([*command, *options, *unit, "-o", program], purpose=f"Compiling {source.name} for AVR")
    return program


def _sizes(program: Path) -> ProgramSizes:
    command: list[str | Path] = [find_tool("avr-size", install=AVR_INSTALL), program]
    numbers = run_tool(command, purpose="avr-size").decode().splitlines()[1].split()
    text, data, bss = (int(number) for number in numbers[:3])
    return ProgramSizes(text + data, data + bss)


def _check_fit(memory: str, size: int, largest: int) -> None:
    if size > largest:
        raise ToolFailedError(f"The network needs {size} bytes of {memory}, the ATmega328P has {largest}.")
