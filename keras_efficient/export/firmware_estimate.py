"""`estimate_firmware`: flash, RAM and time of a network on a microcontroller, before it is trained; limits of them."""

import json
import re
import tempfile
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from keras_efficient.checks import integer, one_of
from keras_efficient.export.chips import CHIPS, ChipRun
from keras_efficient.export.firmware import export_c
from keras_efficient.export.firmware_report import STACK_MARGIN
from keras_efficient.export.integer import IntegerModel
from keras_efficient.export.typical_network import typical_inputs, typical_network
from keras_efficient.export.verify import ToolFailedError, ToolMissingError
from keras_efficient.export.verify.interface import one_after_another
from keras_efficient.markup import notebook_table

LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os")
SIMULATED, COMPILED, NOT_COMPILED = "compiled and simulated", "compiled", "not compiled"
_DEFAULT_CHIP = "atmega328p"
_INPUTS = 2
_REASON_CHARACTERS = 300
_TOOLS = (ToolMissingError, ToolFailedError)


@dataclass(frozen=True)
class FirmwareEstimate:
    """What the C code of a network takes on a microcontroller; None where it is not known.

    Attributes:
        chip: The microcontroller.
        optimize: What the code was compiled with.
        flash_bytes: Code, tables and weights: what the network adds to a program, with what it takes from the
            compiler's library. The start of the program and its main do not count.
        ram_bytes: Arena, all other variables, and the stack (96 bytes where it is not measured).
        stack_bytes: Largest stack of the network's functions.
        cycles: Clock cycles from the first number of an input to the logits, the loop that pushes the numbers included.
            None on a Cortex-M.
        instructions: The same in instructions. None on an AVR.
        how: "compiled and simulated", "compiled", or "not compiled: REASON".
        note: Why it was compiled and not simulated.
    """

    chip: str
    optimize: str
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    stack_bytes: int | None = None
    cycles: int | None = None
    instructions: int | None = None
    how: str = NOT_COMPILED
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, for JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """`to_dict` as a JSON string."""
        return json.dumps(self.to_dict())

    def __str__(self) -> str:
        rows = [f"{name:5} {number:>12} {unit}" for name, number, unit in self._rows()]
        return "\n".join([f"{self.chip}, {self.optimize}: {self.how}", *rows, *filter(None, [self.note])])

    def _repr_html_(self) -> str:
        return notebook_table((self.chip, self.optimize, self.how), self._rows(), [self.note])

    def _rows(self) -> list[tuple[str, str, str]]:
        stack = "96 allowed for the stack" if self.stack_bytes is None else f"{self.stack_bytes} of them stack"
        rows = [
            ("flash", self.flash_bytes, "bytes"),
            ("RAM", self.ram_bytes, f"bytes, {stack}"),
            ("time", self.cycles, "cycles per input"),
            ("time", self.instructions, "instructions per input"),
        ]
        return [(name, f"{number:,}", unit) for name, number, unit in rows if number is not None]


def estimate_firmware(
    model_or_description: Any,
    chip: str = _DEFAULT_CHIP,
    input_shape: Sequence[int] | None = None,
    optimize: str | None = None,
) -> FirmwareEstimate:
    """Flash, RAM and time of a network on a microcontroller, before or after it is trained.

    The network is exported, compiled, and run on a simulator (simavr, qemu) with two random inputs, half of whose
    numbers are zeros. A quantized model with scales is taken as it is. One without (new, or in the float stage of its
    training: the scales of all its activations are 1) and a description get scales by calibration on such inputs. A
    plain Keras model is quantized with 8 bits by `quantize_model`. The model itself is not changed, and the same
    network gives the same estimate.

    Measured with the portable C on all four chips (a Cortex-M3 and M4 take that of "dsp" since), before and after
    training of six networks for digits, MNIST and Fashion-MNIST (with and without depthwise layers and branches, 4
    and 8 bits), by `scripts/measure_estimates.py`: in 117 of 120 comparisons flash differs by at most 4 %, RAM by at
    most 24 bytes of stack, time by -26 % to +17 %. What remains:

    * time, of portable C: products with a zero are left out, and between 10 % and 90 % of what a trained layer gives
      are zeros;
    * flash: zeros of a pruned kernel are stored in fewer bytes, and a network that is not pruned yet has none;
    * code: scales that training moves decide how wide a sum is, and what its rounding takes. That is a few bytes, but
      it may also decide what -O3 copies into a loop: in the other 3 comparisons flash was 21 % to 51 % too large.

    Args:
        model_or_description: A built Keras model, plain or quantized; a network description (list or tuple); or
            the path of a file with one.
        chip: "atmega328p", "cortex-m0", "cortex-m3" or "cortex-m4". A Cortex-M has as much memory as is needed.
        input_shape: As of `estimate_storage`: of a description (28, 28, 1) when None, or what its file says.
        optimize: "-O0", "-O1", "-O2", "-O3" or "-Os". None: "-Os" for the ATmega328P, whose flash is small, "-O3" for a
            Cortex-M0, and "-O2" for the others, whose C is that of `export_c(target="dsp")`.

    Returns:
        A `FirmwareEstimate`. A missing compiler or simulator is no error: `how` says what is missing, and how to
        install it. Neither is a network that is too large: it is compiled, and not simulated.

    Raises:
        TypeError: Neither a model nor a description.
        ValueError: Wrong arguments; a network that has no C (`support_report` says why).

    Example:

    >>> print(ke.estimate_firmware(ke.networks.MNIST_2KB, chip="cortex-m4"))
    """
    one_of(chip, "chip", tuple(CHIPS))
    level = CHIPS[chip].level if optimize is None else optimize
    one_of(level, "optimize", LEVELS)
    model = typical_network(model_or_description, input_shape)
    try:
        return _measured(chip, model, level)
    except _TOOLS as error:
        return FirmwareEstimate(chip, level, how=f"{NOT_COMPILED}: {_reason(error)}")


def _measured(name: str, model: keras.Model, level: str) -> FirmwareEstimate:
    """An error of the tools where the code cannot be compiled."""
    chip = CHIPS[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that a model is in float mode
            export_c(model, folder, target=chip.target)
            inputs = one_after_another(typical_inputs(IntegerModel(model), _INPUTS))
        how, note = SIMULATED, ""
        try:
            run = chip.run(folder, inputs, level)
        except _TOOLS as error:
            run = ChipRun(chip.sizes(folder, level))
            how, note = COMPILED, _reason(error)
        without = chip.sizes_without(folder, level)
    flash = run.sizes.flash_bytes - without.flash_bytes
    ram = run.sizes.static_bytes + (STACK_MARGIN if run.stack_bytes is None else run.stack_bytes)
    return FirmwareEstimate(name, level, flash, ram, run.stack_bytes, run.cycles, run.instructions, how, note)


def _reason(error: Exception) -> str:
    """What a tool says, in one line; of code that refuses to be compiled, what it says."""
    refusal = re.search(r'#error "(.*?)"', str(error))
    if refusal:
        return refusal[1]
    return textwrap.shorten(str(error), _REASON_CHARACTERS, placeholder=" ...")


@dataclass(frozen=True)
class FirmwareLimits:
    """The most that the estimate of a network may be; None: no limit.

    Attributes:
        chip: As of `estimate_firmware`.
        max_flash, max_ram: Bytes.
        max_cycles: For each input; only the ATmega328P has an estimate of them.

    Raises:
        ValueError: A wrong value, no limit at all, or no compiler or simulator to check it with.
    """

    chip: str
    max_flash: int | None = None
    max_ram: int | None = None
    max_cycles: int | None = None

    def __post_init__(self) -> None:
        one_of(self.chip, "chip", tuple(CHIPS))
        for name, limit in self._limits().items():
            integer(limit, name, least=1)
        if not self._limits():
            raise ValueError(f"`chip` needs `max_flash`, `max_ram` or `max_cycles`. Received: only chip={self.chip!r}")
        if self.max_cycles is not None and not CHIPS[self.chip].counts_cycles:
            raise ValueError(
                "`max_cycles` is for the chip 'atmega328p': of a Cortex-M instructions are counted. "
                f"Received: max_cycles={self.max_cycles} with chip={self.chip!r}"
            )

    def check_tools(self) -> None:
        """A ValueError where the limits cannot be checked here."""
        try:
            CHIPS[self.chip].find_tools()
        except ToolMissingError as error:
            raise ValueError(f"the limits of {self.chip!r} cannot be checked: {error}") from error

    def admits(self, network: Any, input_shape: Sequence[int]) -> bool:
        """Whether a network runs on the chip, and its estimate is within all limits."""
        estimate = estimate_firmware(network, self.chip, input_shape)
        if estimate.how != SIMULATED:  # it is too large for the chip, or takes too long
            return False
        found = {"max_flash": estimate.flash_bytes, "max_ram": estimate.ram_bytes, "max_cycles": estimate.cycles}
        return all((found[name] or 0) <= limit for name, limit in self._limits().items())

    def describe(self) -> dict[str, Any]:
        return {"chip": self.chip, **self._limits()}

    def _limits(self) -> dict[str, int]:
        return {name: limit for name, limit in vars(self).items() if name != "chip" and limit is not None}
