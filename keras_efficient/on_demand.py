"""Public names that are imported when one of them is first asked for: most programs need a few of them."""

from keras_efficient import export, training
from keras_efficient.export import FirmwareReport, LitertReport, SupportReport, export_c, export_litert, support_report
from keras_efficient.training import Halving, Selection, Stage, selection_score, train_network

__all__ = [
    "FirmwareReport",
    "Halving",
    "LitertReport",
    "Selection",
    "Stage",
    "SupportReport",
    "export",
    "export_c",
    "export_litert",
    "selection_score",
    "support_report",
    "train_network",
    "training",
]
