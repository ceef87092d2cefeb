"""Neural networks that fit: compact Keras 3 layers, quantized training, bytes known before."""

from keras_efficient.startup import quiet_command

with quiet_command():
    import keras  # noqa: F401

from keras_efficient import (
    compat,
    datasets,
    descriptions,
    export,
    layers,
    networks,
    ops,
    pruning,
    quantization,
    storage,
    training,
)
from keras_efficient.export import FirmwareReport, export_c
from keras_efficient.layers import (
    ACDC,
    AFDF,
    ACDCConv2D,
    ACDCDense,
    ActivationQ,
    AveragePoolingQ,
    BlockACDC,
    BlockAFDF,
    ConvQ,
    DenseQ,
    DepthwiseConvQ,
    DualLPHMDense,
    GroupedShuffleDense,
    LowRankDense,
    LPHMDense,
    PHMConv2D,
    PHMDense,
    RandomBasisConv2D,
    RandomBasisDense,
    ResidualQ,
    TaylorDualLPHM,
)
from keras_efficient.networks import build_network
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
from keras_efficient.quantization import calibrate, set_mode
from keras_efficient.storage import StorageReport, estimate_storage
from keras_efficient.training import Halving, RandomBases, Selection, Stage, selection_score, train_network
from keras_efficient.training.diagonal_rates import DiagonalRates
from keras_efficient.version import __version__

__all__ = [
    "ACDC",
    "ACDCConv2D",
    "ACDCDense",
    "AFDF",
    "ActivationQ",
    "AveragePoolingQ",
    "BlockACDC",
    "BlockAFDF",
    "ConstantSparsity",
    "ConvQ",
    "DenseQ",
    "DepthwiseConvQ",
    "DiagonalRates",
    "DualLPHMDense",
    "FirmwareReport",
    "GroupedShuffleDense",
    "Halving",
    "LPHMDense",
    "LowRankDense",
    "PHMConv2D",
    "PHMDense",
    "PolynomialDecay",
    "Prunable",
    "PruningCallback",
    "RandomBases",
    "RandomBasisConv2D",
    "RandomBasisDense",
    "ResidualQ",
    "Selection",
    "Stage",
    "StepSparsity",
    "StorageReport",
    "TaylorDualLPHM",
    "__version__",
    "build_network",
    "calibrate",
    "compat",
    "datasets",
    "descriptions",
    "estimate_storage",
    "export",
    "export_c",
    "layers",
    "networks",
    "ops",
    "prune_model",
    "pruning",
    "quantization",
    "remove_filters",
    "selection_score",
    "set_mode",
    "storage",
    "strip_pruning",
    "train_network",
    "training",
]
