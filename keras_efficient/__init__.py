"""Keras 3 networks that fit in a few kilobytes: compact layers, quantized training, bytes before training, C."""

from typing import TYPE_CHECKING

from keras_efficient.lazy_names import lazy_names
from keras_efficient.startup import quiet_command

with quiet_command():
    import keras  # noqa: F401

from keras_efficient import (
    compat,
    datasets,
    descriptions,
    layers,
    networks,
    ops,
    pruning,
    quantization,
    storage,
)
from keras_efficient.layers import *  # noqa: F403
from keras_efficient.networks import build_network, compress
from keras_efficient.pruning import (
    ConstantSparsity,
    PolynomialDecay,
    Prunable,
    PruningCallback,
    StepSparsity,
    prune_model,
    remove_filters,
    strip_pruning,
)
from keras_efficient.quantization import calibrate, quantize_model, set_mode
from keras_efficient.storage import StorageReport, estimate_storage
from keras_efficient.training.attention_transfer import AttentionTransfer  # noqa: F401  (registers it)
from keras_efficient.training.diagonal_rates import DiagonalRates
from keras_efficient.training.random_bases.optimizer import RandomBases
from keras_efficient.version import __version__

if TYPE_CHECKING:
    from keras_efficient.on_demand import *  # noqa: F403
else:
    __getattr__, __dir__ = lazy_names(__name__, "keras_efficient.on_demand")

__all__ = [
    "ConstantSparsity",
    "DiagonalRates",
    "FirmwareEstimate",
    "FirmwareReport",
    "Halving",
    "LitertReport",
    "PolynomialDecay",
    "Prunable",
    "PruningCallback",
    "RandomBases",
    "Selection",
    "Stage",
    "StepSparsity",
    "StorageReport",
    "SupportReport",
    "__version__",
    "build_network",
    "calibrate",
    "compat",
    "compress",
    "datasets",
    "descriptions",
    "estimate_firmware",
    "estimate_storage",
    "export",
    "export_c",
    "export_litert",
    "layers",
    "networks",
    "ops",
    "prune_model",
    "pruning",
    "quantization",
    "quantize_model",
    "remove_filters",
    "selection_score",
    "set_mode",
    "storage",
    "strip_pruning",
    "support_report",
    "train_network",
    "training",
]
__all__ += layers.__all__
