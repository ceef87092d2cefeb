"""`FirmwareLimits`: which networks a microcontroller has room and time for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras_efficient.export.chips import CHIPS
from keras_efficient.export.firmware import check_choice
from keras_efficient.export.firmware_estimate import SIMULATED, estimate_firmware
from keras_efficient.export.verify import ToolMissingError
from keras_efficient.kinds.arguments import integer


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
        check_choice("chip", self.chip, tuple(CHIPS))
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
        """As JSON has it."""
        return {"chip": self.chip, **self._limits()}

    def _limits(self) -> dict[str, int]:
        limits = {"max_flash": self.max_flash, "max_ram": self.max_ram, "max_cycles": self.max_cycles}
        return {name: limit for name, limit in limits.items() if limit is not None}
