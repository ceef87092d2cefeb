"""Pruning of whole models: wrap, update the masks, take the wrappers away, remove what is zero."""

from keras_efficient.layers.pruning.prunable import Prunable
from keras_efficient.layers.pruning.schedules import ConstantSparsity, PolynomialDecay, Schedule, StepSparsity
from keras_efficient.layers.pruning.structures import Blocks, Filters, Weights
from keras_efficient.pruning.callback import PruningCallback
from keras_efficient.pruning.filters import remove_filters
from keras_efficient.pruning.model import prune_model
from keras_efficient.pruning.strip import strip_pruning
from keras_efficient.pruning.updates import prunable_layers, update_masks

__all__ = [
    "Blocks",
    "ConstantSparsity",
    "Filters",
    "PolynomialDecay",
    "Prunable",
    "PruningCallback",
    "Schedule",
    "StepSparsity",
    "Weights",
    "prunable_layers",
    "prune_model",
    "remove_filters",
    "strip_pruning",
    "update_masks",
]
