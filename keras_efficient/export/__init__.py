"""The trained network in integers, its place in memory, and its C code."""

from keras_efficient.export.coordinates import (
    LayerCoordinates,
    load_coordinates,
    read_coordinates,
    write_coordinates,
)
from keras_efficient.export.firmware import export_c
from keras_efficient.export.firmware_estimate import FirmwareEstimate, FirmwareLimits, estimate_firmware
from keras_efficient.export.firmware_report import FirmwareReport
from keras_efficient.export.integer import IntegerModel
from keras_efficient.export.litert import convert_litert, export_litert
from keras_efficient.export.litert_report import LitertReport
from keras_efficient.export.support import SupportReport, support_report
from keras_efficient.export.verification import Verification, verify_c

__all__ = [
    "FirmwareEstimate",
    "FirmwareLimits",
    "FirmwareReport",
    "IntegerModel",
    "LayerCoordinates",
    "LitertReport",
    "SupportReport",
    "Verification",
    "convert_litert",
    "estimate_firmware",
    "export_c",
    "export_litert",
    "load_coordinates",
    "read_coordinates",
    "support_report",
    "verify_c",
    "write_coordinates",
]
