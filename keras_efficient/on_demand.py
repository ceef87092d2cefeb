"""Public names that are imported when one of them is first asked for: most programs need a few of them."""

from keras_efficient import export, training
from keras_efficient.export import (
    FirmwareEstimate,
    FirmwareReport,
    LitertReport,
    SupportReport,
    estimate_firmware,
    export_c,
    export_litert,
    support_report,
)
from keras_efficient.training import Halving, Selection, Stage, selection_score, train_network

__all__ = [
    "FirmwareEstimate",
    "FirmwareReport",
    "Halving",
    "LitertReport",
    "Selection",
    "Stage",
    "SupportReport",
    "estimate_firmware",
    "export",
    "export_c",
    "export_litert",
    "selection_score",
    "support_report",
    "train_network",
    "training",
]
