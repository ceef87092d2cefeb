"""The trained network in integers, its place in memory, and its C code."""

from keras_efficient.export.firmware import FirmwareReport, export_c
from keras_efficient.export.integer import IntegerModel
from keras_efficient.export.verification import Verification, verify_c

__all__ = ["FirmwareReport", "IntegerModel", "Verification", "export_c", "verify_c"]
