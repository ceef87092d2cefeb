"""`run_on_arm`: a generated network compiled for a Cortex-M and run on qemu: bytes, instructions, results."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_efficient.checks import one_of
from keras_efficient.export.firmware_report import code_folder
from keras_efficient.export.verify.compilers import ARM_INSTALL, C_FOLDER, STRICT, find_tool, run_tool
from keras_efficient.export.verify.instruction_counter import instruction_counter, read_counts
from keras_efficient.export.verify.interface import Interface, ProgramSizes, Spread, one_after_another

# The machine of qemu that runs the code of a core. No machine with an M0 has much memory: an M3 takes all its
# instructions (and would take an access that is not aligned, which GCC does not make for an M0).
CORES = {"cortex-m0": "mps2-an385", "cortex-m3": "mps2-an385", "cortex-m4": "mps2-an386"}
_CYCLES_OF = "cortex-m4"
_OPTIONS = ("-mthumb", "-ffreestanding")
_QEMU = ["-semihosting-config", "enable=on,target=native", "-display", "none", "-serial", "none", "-monitor", "none"]
# Without a counter: 4 ns an instruction in qemu; a SysTick tick of these machines (25 MHz) is 40 ns.
_BY_TICKS = ("-icount", "shift=2")
_INSTRUCTIONS_PER_TICK = 10
_TOO_MANY_TICKS = 0xFFFFFFFF


@dataclass(frozen=True)
class ArmRun:
    """A network on a Cortex-M.

    flash_bytes: code, constants and start values of network.c alone. program_flash_bytes: of the whole
    test program. static_bytes: variables (.data + .bss). arena_bytes: the part of them that is the
    activation buffer. stack_bytes: largest stack of the network's functions, below their caller.
    image_instructions: executed from the first push to the logits, the loop that pushes included;
    inference_instructions: the same from the last push. Both are exact where qemu takes plugins; else counted to
    10 instructions, and None when an image takes more than 167 million.
    image_cycles, inference_cycles: estimates for a Cortex-M4 whose memory has no wait states
    (count_instructions.c); None on other cores, and without plugins.
    logits: int16 (images, logits). classes: uint8 (images,).
    """

    flash_bytes: int
    program_flash_bytes: int
    static_bytes: int
    arena_bytes: int
    stack_bytes: int
    image_instructions: Spread | None
    inference_instructions: Spread | None
    image_cycles: Spread | None
    inference_cycles: Spread | None
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
    core: str = "cortex-m3",
    optimization: str = "-Os",
    flags: tuple[str, ...] = (),
    ram_bytes: int = 20480,
    seconds: float = 300,
) -> ArmRun:
    """Compile the network.c in `folder` for a core with `ram_bytes` of RAM and run it on every image.

    `images` are bytes of shape (n, ...), at least one; `core` is "cortex-m0", "cortex-m3" or "cortex-m4"; `flags` go
    to the compiler; `seconds` limits the run. Raises `ToolMissingError` without compiler or qemu, and
    `ToolFailedError` when the code has warnings, does not fit, overflows the stack or does not end.
    """
    one_of(core, "core", CORES)
    interface = Interface.read(folder)
    packed = interface.pack(images)
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        program = _compile(folder, interface, (f"-mcpu={core}", optimization, *flags), ram_bytes, temporary)
        sections, alone = _sections(program), _sections(temporary / "network.o")
        (temporary / "images.bin").write_bytes(packed)
        counts = _run(program, core, seconds)
        results = (temporary / "results.bin").read_bytes()
        ticks = np.fromfile(temporary / "counts.bin", "<u4").reshape(-1, 3)
    logits, classes = interface.unpack(results, len(one_after_another(images)))
    return ArmRun(
        flash_bytes=sum(size for name, size in alone.items() if name.startswith((".text", ".rodata", ".data"))),
        program_flash_bytes=_program_sizes(sections).flash_bytes,
        static_bytes=_program_sizes(sections).static_bytes,
        arena_bytes=interface.arena_bytes,
        stack_bytes=int(ticks[:, 2].max()),
        **_counted(counts, ticks, core),
        logits=logits,
        classes=classes,
    )


def arm_sizes(folder: Path | str, core: str, optimization: str, ram_bytes: int) -> ProgramSizes:
    """The bytes of the program that `run_on_arm` runs, without running it."""
    one_of(core, "core", CORES)
    options = (f"-mcpu={core}", optimization)
    with tempfile.TemporaryDirectory() as temporary:
        program = _compile(folder, Interface.read(folder), options, ram_bytes, Path(temporary))
        return _program_sizes(_sections(program))


def _compile(
    folder: Path | str, interface: Interface, options: tuple[str, ...], ram_bytes: int, temporary: Path
) -> Path:
    """Make network.o and the program network.elf; GCC's libgcc is the only library."""
    compiler = find_tool("arm-none-eabi-gcc", install=ARM_INSTALL)
    source = code_folder(folder).resolve() / f"{interface.prefix}.c"
    main = interface.own_program("main_arm.c", temporary)
    network, program = temporary / "network.o", temporary / "network.elf"
    command: list[str | Path] = [compiler, *STRICT, *_OPTIONS, *options, "-I", source.parent]
    run_tool([*command, "-c", source, "-o", network], purpose=f"Compiling {source.name} for ARM")
    link = ("-nostdlib", "-T", C_FOLDER / "cortex_m.ld", f"-Wl,--defsym=RAM_BYTES={ram_bytes}")
    sources = (network, main, "-lgcc")
    run_tool([*command, *link, *sources, "-o", program], purpose="Linking for ARM")
    return program


def _run(program: Path, core: str, seconds: float) -> dict[str, np.ndarray] | None:
    """The simulated program reads and writes files where qemu is started; None: it counted ticks itself."""
    qemu = find_tool("qemu-system-arm", install=ARM_INSTALL)
    counter = instruction_counter(program.parent)
    counting = _BY_TICKS if counter is None else ("-plugin", counter)
    command: list[str | Path] = [qemu, "-M", CORES[core], *_QEMU, *counting, "-kernel", program]
    run_tool(command, purpose=f"The network on the simulated {core_name(core)}", seconds=seconds, cwd=program.parent)
    return None if counter is None else read_counts(program.parent)


def core_name(core: str) -> str:
    return core.title()


def _sections(program: Path) -> dict[str, int]:
    command: list[str | Path] = [find_tool("arm-none-eabi-size", install=ARM_INSTALL), "-A", program]
    rows = [line.split() for line in run_tool(command, purpose="arm-none-eabi-size").decode().splitlines()]
    sizes = {row[0]: int(row[1]) for row in rows if len(row) == 3 and row[1].isdigit()}
    return {".data": 0, ".bss": 0, **sizes}


def _program_sizes(sections: dict[str, int]) -> ProgramSizes:
    return ProgramSizes(sections[".text"] + sections[".data"], sections[".data"] + sections[".bss"])


def _counted(counts: dict[str, np.ndarray] | None, ticks: np.ndarray, core: str) -> dict[str, Spread | None]:
    no_cycles: dict[str, Spread | None] = {"image_cycles": None, "inference_cycles": None}
    if counts is None:
        return {
            "image_instructions": _by_ticks(ticks[:, 0]),
            "inference_instructions": _by_ticks(ticks[:, 1]),
            **no_cycles,
        }
    return {name: _spread(numbers) for name, numbers in counts.items()} | ({} if core == _CYCLES_OF else no_cycles)


def _by_ticks(ticks: np.ndarray) -> Spread | None:
    if (ticks == _TOO_MANY_TICKS).any():
        return None
    return _spread(ticks.astype(np.int64) * _INSTRUCTIONS_PER_TICK)


def _spread(numbers: np.ndarray) -> Spread:
    return Spread(float(numbers.mean()), int(numbers.min()), int(numbers.max()))
