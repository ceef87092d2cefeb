"""Making masks anew, kernel by kernel or over a whole model."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_efficient.checks import integer
from keras_efficient.layers.pruning.kernels import PrunedKernel
from keras_efficient.layers.pruning.prunable import Prunable, PrunedChannels
from keras_efficient.quantization.modes import layers_of


def update_masks(model: keras.layers.Layer, step: int) -> bool:
    """Update the masks of all `Prunable` layers whose schedule says so before batch `step`.

    `PruningCallback` calls it; a training loop of one's own calls it before each batch, and once after the
    last one. The number of the step is kept in the layers: one that was there already does nothing.

    Returns:
        Whether a mask was updated.
    """
    step = integer(step, "step")
    layers = [layer for layer in prunable_layers(model) if int(keras.ops.convert_to_numpy(layer.step)) < step]
    due = [layer for layer in layers if layer.schedule.updates_at(step)]
    for group in _groups(due):
        _update([kernel for layer in group for kernel in layer.kernels], group[0], step)
    for layer in layers:
        layer.step.assign(step)
    if due:
        _pass_on(model, due)
    return bool(due)


def set_masks(
    kernels: list[PrunedKernel], zeros: int, monotone: bool = True, scores: Sequence[np.ndarray] | None = None
) -> None:
    """Remove the `zeros` units of `kernels` with the smallest scores, which are mean magnitudes by default."""
    parts = [kernel.scores() for kernel in kernels] if scores is None else scores
    joined = np.concatenate([np.asarray(each, "float32") for each in parts])
    alive = np.concatenate([kernel.alive() for kernel in kernels])
    if not monotone:
        alive = np.ones_like(alive)
    kept = keep_largest(joined, alive, zeros)
    for kernel, part in zip(kernels, np.split(kept, np.cumsum([k.count for k in kernels])[:-1]), strict=True):
        kernel.keep(part)


def keep_largest(scores: np.ndarray, alive: np.ndarray, zeros: int) -> np.ndarray:
    """1 where a weight stays and 0 where it goes, float32: the `zeros` smallest `scores` (n,) go, exactly so many.

        order = sort by (alive, score, place)        mask[order[k]] = 0 for k < zeros, else 1

    Scores are not negative; `alive` are 1 and 0, all ones let dead weights come back. Among equal scores the first ones
    go. What is dead already goes before anything that lives, so that masks only grow if `zeros` does.
    """
    kept = np.ones(len(scores), "float32")
    kept[np.argsort(np.where(alive, scores, -1.0), kind="stable")[:zeros]] = 0
    return kept


def prunable_layers(model: keras.layers.Layer) -> list[Prunable]:
    """The `Prunable` layers of a model in order, each once, also in nested models."""
    return layers_of(model, Prunable)


def _groups(layers):
    """The layers that are counted together: one by one, or all of an equal schedule and global scope."""
    together: dict[Any, list[Prunable]] = {}
    for layer in layers:
        key = (layer.schedule, layer.structure, layer.monotone) if layer.scope == "global" else id(layer)
        together.setdefault(key, []).append(layer)
    return together.values()


def _update(kernels, layer, step):
    for pool in [kernels] if layer.scope == "global" else [[kernel] for kernel in kernels]:
        count = sum(kernel.count for kernel in pool)
        gone = count - int(sum(kernel.alive().sum() for kernel in pool))
        zeros = layer.schedule.zeros_at(step, count, gone)
        set_masks(pool, max(zeros, gone) if layer.monotone else zeros, layer.monotone)


def _pass_on(model, updated):
    """Copy the masks of filters to the normalizations after them."""
    masks = {layer.name: layer.kernels[0] for layer in updated}
    for channels in layers_of(model, PrunedChannels):
        if channels.follows in masks:
            channels.mask.assign(masks[channels.follows].alive())
