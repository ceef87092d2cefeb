"""Run a generated network as compiled C: on this computer, on an ATmega328P, on a Cortex-M."""

from keras_efficient.export.verify.arm import ArmRun, run_on_arm
from keras_efficient.export.verify.avr import can_simulate_avr, run_on_avr
from keras_efficient.export.verify.compilers import ToolFailedError, ToolMissingError
from keras_efficient.export.verify.host import run_on_host

__all__ = [
    "ArmRun",
    "ToolFailedError",
    "ToolMissingError",
    "can_simulate_avr",
    "run_on_arm",
    "run_on_avr",
    "run_on_host",
]
