"""`verify_c`: whether the generated C, the integer model and Keras give the same logits."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np

from keras_efficient.checks import one_of, path_of
from keras_efficient.export.c.readme import FOR_ARM
from keras_efficient.export.firmware import save_report
from keras_efficient.export.firmware_report import FirmwareReport, firmware_report
from keras_efficient.export.integer import IntegerModel
from keras_efficient.export.reference import keras_logits
from keras_efficient.export.verify import (
    ArmRun,
    ToolFailedError,
    ToolMissingError,
    run_on_arm,
    run_on_avr,
    run_on_host,
)
from keras_efficient.export.verify.arm import CORES, core_name
from keras_efficient.export.verify.interface import one_after_another
from keras_efficient.markup import notebook_table

# A simulated microcontroller takes seconds for as many images; its bytes and cycles need no more.
IMAGES_ON_DEVICE = 32
# A Cortex-M has from 4 KB to 2 MB of RAM: the simulated one has what the network says it needs, and this for a stack
# that grows without end.
ROOM_FOR_STACK = 16_384
# The cores that a target is for, and the one whose bytes report.json has.
ARM_CORES = {"arm": tuple(CORES), "dsp": ("cortex-m3", "cortex-m4")}
REPORTED_CORES = {"arm": "cortex-m3", "dsp": "cortex-m4"}


@dataclass(frozen=True)
class LogitComparison:
    """Logits of two programs on the same images.

    Attributes:
        what: The program compared with the integer model, and how it was run.
        equal, images: Images whose logits are all equal, and images in all; both 0 if it did not run.
        note: The first difference, why it did not run, or what was measured.
        must_be_equal: False where floats cannot hold the sums.
        failed: Whether the program does not compile, does not fit, or was stopped.
    """

    what: str
    equal: int = 0
    images: int = 0
    note: str = ""
    must_be_equal: bool = True
    failed: bool = False

    @property
    def passed(self) -> bool:
        return not self.failed and (self.equal == self.images or not self.must_be_equal)

    def __str__(self) -> str:
        missing = "failed" if self.failed else "not run"
        count = f"{self.equal} of {self.images} equal" if self.images else missing
        return f"{self.what}: {count}" + (f"; {self.note}" if self.note else "")


@dataclass(frozen=True)
class Verification:
    """All comparisons, and the report with what was measured."""

    comparisons: tuple[LogitComparison, ...]
    report: FirmwareReport

    @property
    def passed(self) -> bool:
        return all(comparison.passed for comparison in self.comparisons)

    def __str__(self) -> str:
        return "\n".join(str(comparison) for comparison in self.comparisons)

    def _repr_html_(self) -> str:
        rows = [(each.what, each.equal, each.images, each.note) for each in self.comparisons]
        return notebook_table(("program", "equal", "of", "note"), rows)


def verify_c(
    model: keras.Model, directory: str | Path, images: np.ndarray | list[np.ndarray], target: str = "host"
) -> Verification:
    """Run the C code in `directory` and compare every logit with the integer model and with Keras.

    On the host the code is compiled with warnings as errors and, where the compiler has them, the
    address and undefined behaviour sanitizers. With target "avr", "arduino" or "arduino_library" it also runs on a
    simulated ATmega328P (simavr; with the main of "avr"), with "arm" on a Cortex-M0, M3 and M4 (qemu), with "dsp"
    on the last two: there stack, flash and cycles or instructions are measured, and the folder's report.json is
    written again with them (those of the M3, or of "dsp" those of the M4). A missing compiler or simulator is said,
    with the line that installs it, and is no failure. Code that does not compile without warnings, does not fit the
    device, or is stopped by a sanitizer or by its stack running into its variables is one.

    Args:
        model: The Keras model that the code was made of.
        directory: The folder that `export_c` wrote.
        images: Integers (n, rows, columns[, channels]), as `IntegerModel.encode` gives them; of several inputs a list.
        target: That of `export_c`.

    Raises:
        ValueError: Wrong arguments, no images, or no exported network in `directory`.
    """
    one_of(target, "target", tuple(DEVICES))
    directory = path_of(directory, "directory")
    report = firmware_report(directory)
    integer_model = IntegerModel(model, report.logits_bits)
    if not len(one_after_another(images)):
        raise ValueError("`images` must hold at least one image. Received: none")
    expected = integer_model.predict(images)
    logits, inexact = keras_logits(model, integer_model, images), integer_model.inexact_layers
    note = f"floats cannot hold the numbers of {', '.join(inexact)} exactly" if inexact else ""
    comparisons = [
        compare(f"Keras on {keras.backend.backend()}", logits, expected, note, must_be_equal=not inexact),
        _compare_host(directory, images, expected),
    ]
    on_device = DEVICES[target]
    if on_device is not None:
        found, report = on_device(directory, one_after_another(images)[:IMAGES_ON_DEVICE], expected, report)
        comparisons += found
        save_report(directory, report, target)
    return Verification(tuple(comparisons), report)


def _compare_host(
    directory: str | Path, images: np.ndarray | list[np.ndarray], expected: np.ndarray
) -> LogitComparison:
    try:
        run = run_on_host(directory, one_after_another(images))
    except (ToolMissingError, ToolFailedError) as error:
        return _did_not_run("C on this computer", error)
    return compare(f"C on this computer, sanitizers {'on' if run.sanitized else 'missing'}", run.logits, expected)


def _did_not_run(what: str, error: Exception) -> LogitComparison:
    return LogitComparison(what, note=str(error), failed=isinstance(error, ToolFailedError))


def _compare_avr(
    directory: str | Path, images: np.ndarray, expected: np.ndarray, report: FirmwareReport
) -> tuple[list[LogitComparison], FirmwareReport]:
    what = "C on an ATmega328P (simulated)"
    try:
        run = run_on_avr(directory, images)
    except (ToolMissingError, ToolFailedError) as error:
        return [_did_not_run(what, error)], report
    report = report.measured(run.static_bytes, run.stack_bytes, run.flash_bytes)
    if run.logits is None or run.image_cycles is None:
        note = f"flash {run.flash_bytes} bytes, RAM {run.static_bytes} without stack; simavr is missing"
        return [LogitComparison(what, note=note)], report
    cycles = f"{run.image_cycles.mean / 1e6:.2f} million cycles per image"
    note = (
        f"flash {run.flash_bytes} bytes, RAM {run.ram_bytes} ({run.static_bytes} + stack {run.stack_bytes}), {cycles}"
    )
    return [compare(what, run.logits, expected, note)], report


def _compare_arm(
    target: str, directory: str | Path, images: np.ndarray, expected: np.ndarray, report: FirmwareReport
) -> tuple[list[LogitComparison], FirmwareReport]:
    """On every core that the target is for, compiled as the folder's README.md says."""
    comparisons = []
    for core in ARM_CORES[target]:
        what = f"C on a {core_name(core)} (simulated)"
        try:
            ram_bytes = report.ram_bytes + ROOM_FOR_STACK
            run = run_on_arm(directory, images, core=core, optimization=FOR_ARM[target], ram_bytes=ram_bytes)
        except (ToolMissingError, ToolFailedError) as error:
            comparisons.append(_did_not_run(what, error))
            continue
        comparisons.append(compare(what, run.logits, expected, f"{FOR_ARM[target]}: {_costs(run)}"))
        if core == REPORTED_CORES[target]:
            report = report.measured(run.static_bytes, run.stack_bytes, run.flash_bytes)
    return comparisons, report


def _costs(run: ArmRun) -> str:
    count, cycles = run.image_instructions, run.image_cycles
    instructions = f"{count.mean:,.0f} instructions per image" if count else "too many instructions to count"
    estimate = f", about {cycles.mean:,.0f} cycles without wait states" if cycles else ""
    ram = f"RAM {run.ram_bytes} ({run.static_bytes} + stack {run.stack_bytes})"
    return f"flash {run.flash_bytes} bytes, {ram}, {instructions}{estimate}"


DEVICES: dict[str, Callable | None] = {
    "host": None,
    "cmake": None,
    "avr": _compare_avr,
    "arduino": _compare_avr,
    "arduino_library": _compare_avr,
    **{target: partial(_compare_arm, target) for target in ARM_CORES},
}


def compare(
    what: str, logits: np.ndarray, expected: np.ndarray, note: str = "", must_be_equal: bool = True
) -> LogitComparison:
    """Count equal images; the note starts with the first difference."""
    expected = expected[: len(logits)]
    different = logits != expected
    equal = int((~different.any(axis=1)).sum())
    if equal < len(logits):
        image, logit = (int(place) for place in np.argwhere(different)[0])
        first = (
            f"first difference: image {image}, logit {logit} is {logits[image, logit]:g}, "
            f"the integer model has {expected[image, logit]}"
        )
        note = f"{first}; {note}" if note else first
    return LogitComparison(what, equal, len(logits), note, must_be_equal)
