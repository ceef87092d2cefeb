"""Recipes of pruning, compared over pairs of trainings with equal starts and equal data orders."""

from keras_efficient.training.pruning.comparison import Comparison, Variant
from keras_efficient.training.pruning.recipes import (
    compare_recipes,
    dynamic_pruning,
    lottery_ticket,
    one_shot,
    sparse_training,
)

__all__ = [
    "Comparison",
    "Variant",
    "compare_recipes",
    "dynamic_pruning",
    "lottery_ticket",
    "one_shot",
    "sparse_training",
]
