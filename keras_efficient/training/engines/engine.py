"""What the engines have in common."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np

# What a model is compiled with.
Loss: TypeAlias = str | keras.losses.Loss | Callable[..., Any]
Optimizer: TypeAlias = str | keras.optimizers.Optimizer
# x, y, x_val, y_val.
Arrays: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Engine:
    """Trains a model one epoch at a time and evaluates it on the validation samples; `FitEngine` is the plainest."""

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    batch_size: int
    x: Any

    def set_callbacks(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Take the callbacks of the coming trial, where they can look at batches."""

    def train_epoch(self, order: np.ndarray) -> float:
        """Train on all samples in the given order; the mean loss."""
        raise NotImplementedError

    def evaluate(self) -> tuple[float, np.ndarray]:
        """Validation loss, and which validation samples are right (booleans)."""
        raise NotImplementedError
