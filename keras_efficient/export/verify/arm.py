"""`run_on_arm`: a generated network compiled for a Cortex-M3 and run on qemu: bytes, instructions, results."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_efficient.export.firmware_report import code_folder
from keras_efficient.export.verify.compilers import ARM_INSTALL, C_FOLDER, STRICT, find_tool, run_tool
from keras_efficient.export.verify.interface import Interface, Spread, one_after_another

_MACHINE = ("-mcpu=cortex-m3", "-mthumb", "-ffreestanding")
# 4 ns an instruction in qemu; a SysTick tick of mps2-an385 (25 MHz) is 40 ns.
_SHIFT, _INSTRUCTIONS_PER_TICK = 2, 10
_TOO_MANY_TICKS = 0xFFFFFFFF
_QEMU = (
    *("-M", "mps2-an385", "-semihosting-config", "enable=on,target=native", "-icount", f"shift={_SHIFT}"),
    *("-display", "none", "-serial", "none", "-monitor", "none"),
)


@dataclass(frozen=True)
class ArmRun:
    """A network on a Cortex-M3.

    flash_bytes: code, constants and start values of network.c alone. program_flash_bytes: of the whole
    test program. static_bytes: variables (.data + .bss). arena_bytes: the part of them that is the
    activation buffer. stack_bytes: largest stack of the network's functions, below their caller.
    image_instructions: executed from the first push to the logits, to 10 instructions;
    inference_instructions: the same from the last push; both None when an image takes more than
    167 million. logits: int16 (images, logits). classes: uint8 (images,).
    """

    flash_bytes: int
    program_flash_bytes: int
    static_bytes: int
    arena_bytes: int
    stack_bytes: int
    image_instructions: Spread | None
    inference_instructions: Spread | None
    logits: np.ndarray = field(repr=False)
    classes: np.ndarray = field(repr=False)

    @property
    def ram_bytes(self) -> int:
        """Variables and largest stack of the network, in bytes."""
        return self.static_bytes + self.stack_bytes


def run_on_arm(
    folder: Path | str,
    images: np.ndarray,
    *,
    optimization: str = "-Os",
    flags: tuple[str, ...] = (),
    ram_bytes: int = 20480,
    seconds: float = 300,
) -> ArmRun:
    """Compile the network.c in `folder` for a Cortex-M3 with `ram_bytes` of RAM and run it on every image.

    `images` are bytes of shape (n, ...), at least one; `flags` go to the compiler; `seconds` limits the
    run. Raises `ToolMissingError` without compiler or qemu, and `ToolFailedError` when the code has
    warnings, does not fit, overflows the stack or does not end.
    """
    interface = Interface.read(folder)
    packed = interface.pack(images)
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        source = code_folder(folder).resolve() / f"{interface.prefix}.c"
        main = interface.own_program("main_arm.c", temporary)
        program = _compile(source, main, (optimization, *flags), ram_bytes, temporary)
        sections, alone = _sections(program), _sections(temporary / "network.o")
        (temporary / "images.bin").write_bytes(packed)
        _run(program, seconds)
        results = (temporary / "results.bin").read_bytes()
        counts = np.fromfile(temporary / "counts.bin", "<u4").reshape(-1, 3)
    logits, classes = interface.unpack(results, len(one_after_another(images)))
    return ArmRun(
        flash_bytes=sum(size for name, size in alone.items() if name.startswith((".text", ".rodata", ".data"))),
        program_flash_bytes=sections[".text"] + sections[".data"],
        static_bytes=sections[".data"] + sections[".bss"],
        arena_bytes=interface.arena_bytes,
        stack_bytes=int(counts[:, 2].max()),
        image_instructions=_instructions(counts[:, 0]),
        inference_instructions=_instructions(counts[:, 1]),
        logits=logits,
        classes=classes,
    )


def _compile(source: Path, main: Path, options: tuple[str, ...], ram_bytes: int, temporary: Path) -> Path:
    """Make network.o and the program network.elf; GCC's libgcc is the only library."""
    compiler = find_tool("arm-none-eabi-gcc", install=ARM_INSTALL)
    network, program = temporary / "network.o", temporary / "network.elf"
    command: list[str | Path] = [compiler, *STRICT, *_MACHINE, *options, "-I", source.parent]
    run_tool([*command, "-c", source, "-o", network], purpose=f"Compiling {source.name} for ARM")
    link = ("-nostdlib", "-T", C_FOLDER / "cortex_m3.ld", f"-Wl,--defsym=RAM_BYTES={ram_bytes}")
    sources = (network, main, "-lgcc")
    run_tool([*command, *link, *sources, "-o", program], purpose="Linking for ARM")
    return program


def _run(program: Path, seconds: float) -> None:
    """The simulated program reads and writes files where qemu is started."""
    command: list[str | Path] = [find_tool("qemu-system-arm", install=ARM_INSTALL), *_QEMU, "-kernel", program]
    run_tool(command, purpose="The network on the simulated Cortex-M3", seconds=seconds, cwd=program.parent)


def _sections(program: Path) -> dict[str, int]:
    """The bytes of each section of an object file or program."""
    command: list[str | Path] = [find_tool("arm-none-eabi-size", install=ARM_INSTALL), "-A", program]
    rows = [line.split() for line in run_tool(command, purpose="arm-none-eabi-size").decode().splitlines()]
    sizes = {row[0]: int(row[1]) for row in rows if len(row) == 3 and row[1].isdigit()}
    return {".data": 0, ".bss": 0, **sizes}


def _instructions(ticks: np.ndarray) -> Spread | None:
    if (ticks == _TOO_MANY_TICKS).any():
        return None
    counts = ticks.astype(np.int64) * _INSTRUCTIONS_PER_TICK
    return Spread(float(counts.mean()), int(counts.min()), int(counts.max()))
