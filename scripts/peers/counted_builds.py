"""A build on a simulated Cortex-M as a row of figures: instructions, cycles, flash and RAM, both sides by one rule."""

import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from keras_efficient.export.verify import ToolFailedError, run_on_arm

RAM_BYTES = 2**18
SECONDS = 900
_NO_NETWORK_H = """#include <stdint.h>
#define NETWORK_INPUTS 1
#define NETWORK_LOGITS 1
#define NETWORK_ARENA_BYTES 0
void network_push(uint8_t number);
const int16_t *network_logits(void);
uint8_t network_classify(void);
"""
_NO_NETWORK_C = """#include "network.h"
void network_push(uint8_t number) { (void)number; }
const int16_t *network_logits(void) { static const int16_t none[1] = {0}; return none; }
uint8_t network_classify(void) { return 0; }
"""


def tools():
    """What counted: the first lines that compiler and simulator say about their versions."""
    return {name: _said(name, "--version")[0] for name in ("arm-none-eabi-gcc", "qemu-system-arm")}


def our_build(folder, images, expected, core, level):
    """Of an export, from the first number of the input on; equal where all logits are those of the integer model."""
    try:
        options = {"core": core, "optimization": level, "ram_bytes": RAM_BYTES, "seconds": SECONDS}
        run = run_on_arm(folder, images, **options)
    except ToolFailedError as error:
        return {"failed": str(error).strip().splitlines()[-1]}
    row = _row(run, run.image_instructions, run.image_cycles, folder, core, level)
    return {**row, "equal": bool(np.array_equal(run.logits, expected))}


def peer_build(cmsis_nn, network, kernels, core, level, count):
    """Of CMSIS-NN's kernels, whose input is there already: from the last number on."""
    run, folder = cmsis_nn.run(network, kernels, core, level, count, RAM_BYTES)
    flags = ("-isystem", cmsis_nn.sources / "Include")
    return _row(run, run.inference_instructions, run.inference_cycles, folder, core, level, flags)


def _row(run, instructions, cycles, folder, core, level, flags=()):
    """Without a counter there are no cycles, and instructions are counted to 10."""
    constants = _constants(folder, core, level, flags)
    times = {} if instructions is None else _times(instructions, cycles)
    return {
        **times,
        "code_bytes": run.program_flash_bytes - _empty_program(core, level) - constants,
        "constant_bytes": constants,
        "static_bytes": run.static_bytes,
        "stack_bytes": run.stack_bytes,
        "ram_bytes": run.ram_bytes,
    }


def _times(instructions, cycles):
    """The largest counts of all inputs, and the smallest count of instructions."""
    times = {"instructions": instructions.max, "fewest_instructions": instructions.min}
    times["time_depends_on_input"] = instructions.min != instructions.max
    return times if cycles is None else {**times, "estimated_cycles": cycles.max}


def _constants(folder, core, level, flags):
    """Bytes of the constants of network.c: weights and tables."""
    with tempfile.TemporaryDirectory() as temporary:
        compiled = Path(temporary) / "network.o"
        options = (f"-mcpu={core}", "-mthumb", "-std=c99", "-ffreestanding", level, *flags)
        _said("arm-none-eabi-gcc", *options, "-c", Path(folder) / "network.c", "-o", compiled)
        lines = _said("arm-none-eabi-size", "-A", compiled)
    return sum(int(line.split()[1]) for line in lines if line.startswith(".rodata"))


def _said(*command):
    """The lines that a command writes."""
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout.splitlines()


@cache
def _empty_program(core, level):
    """Flash of the test program around a network."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "network.h").write_text(_NO_NETWORK_H)
        (Path(folder) / "network.c").write_text(_NO_NETWORK_C)
        run = run_on_arm(folder, np.zeros((1, 1), int), core=core, optimization=level)
    return run.program_flash_bytes - run.flash_bytes
