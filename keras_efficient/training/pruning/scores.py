"""By what score weights go: magnitude, chance, or a function of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import keras
import numpy as np

from keras_efficient.layers.pruning.kernels import PrunedKernel

# (model, kernels, x, y, random) -> scores, an array for each kernel.
Score: TypeAlias = Callable[
    [keras.Model, list[PrunedKernel], np.ndarray, np.ndarray, np.random.Generator], Sequence[np.ndarray]
]
# "magnitude", "random" or such a function.
Criterion: TypeAlias = str | Score


def _magnitude(model, kernels, x, y, random):
    return [kernel.scores() for kernel in kernels]


def _random(model, kernels, x, y, random):
    return [random.random(kernel.count) for kernel in kernels]


_SCORES: dict[str, Score] = {"magnitude": _magnitude, "random": _random}


def find_score(criterion: Criterion) -> Score:
    """The function of a criterion, or a ValueError."""
    if callable(criterion):
        return criterion
    if isinstance(criterion, str) and criterion in _SCORES:
        return _SCORES[criterion]
    raise ValueError(
        f"`criterion` must be one of {tuple(_SCORES)}, or a function (model, kernels, x, y, random) -> scores. "
        f"Received: criterion={criterion!r}"
    )


def score_kernels(
    criterion: Criterion,
    model: keras.Model,
    kernels: list[PrunedKernel],
    x: np.ndarray,
    y: np.ndarray,
    random: np.random.Generator,
) -> list[np.ndarray]:
    """The scores of the units of each kernel; the smallest go first.

    Raises:
        ValueError: A function gave something else than numbers of at least 0, one for each unit.
    """
    scores = [np.asarray(each, "float32") for each in find_score(criterion)(model, kernels, x, y, random)]
    shapes, expected = [each.shape for each in scores], [(kernel.count,) for kernel in kernels]
    if shapes == expected and all((each >= 0).all() for each in scores):
        return scores
    raise ValueError(
        f"`criterion` must give arrays of the shapes {expected}, with numbers of at least 0. Received: shapes {shapes}"
    )
