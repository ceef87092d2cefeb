"""tfmot's schedule objects as ours, and its PruneLowMagnitude as Prunable."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_efficient.compat.tfmot.layers import Conversion, plain, rebuilt, set_weights
from keras_efficient.layers.pruning.kernels import described
from keras_efficient.layers.pruning.prunable import Prunable
from keras_efficient.layers.pruning.schedules import ConstantSparsity, PolynomialDecay, Schedule
from keras_efficient.layers.pruning.structures import Blocks, Structure

_KINDS = {kind.__name__: kind for kind in (ConstantSparsity, PolynomialDecay)}


def convert_schedule(schedule: Any) -> Schedule:
    """Our schedule with the steps and the sparsities of one of tfmot's.

    `ours(step)` and `theirs(step)` agree at every step. But tfmot counts training batches from 1: its step n is looked
    at before the n-th batch, so that step 0 never comes, and its `begin_step=0, frequency=100` prunes first before
    batch 100. Our step n comes after n batches, and step 0 before the first.

    Args:
        schedule: A `tfmot.sparsity.keras.ConstantSparsity` or `PolynomialDecay`, or what its `get_config()` gives.

    Raises:
        TypeError: If it is something else.
        ValueError: If it is a schedule of another class, or one that we refuse: `end_step` equal to `begin_step` in a
            `PolynomialDecay` (tfmot divides by zero), a power of 0 or less.
    """
    read = getattr(schedule, "get_config", None)
    config = read() if callable(read) and not isinstance(schedule, type) else schedule
    if not (isinstance(config, Mapping) and isinstance(config.get("config"), Mapping) and "class_name" in config):
        raise TypeError(
            "`schedule` must be a tfmot.sparsity.keras.ConstantSparsity or PolynomialDecay, or its configuration. "
            f"Received: schedule={schedule!r}"
        )
    if config["class_name"] not in _KINDS:
        raise ValueError(
            f"`schedule` must be one of {', '.join(_KINDS)}; write another class anew, as a "
            f"keras_efficient.pruning.Schedule. Received: schedule of class {config['class_name']!r}"
        )
    return _KINDS[config["class_name"]](**config["config"])


def pruned(wrapper: Any) -> Conversion:
    """`Prunable` with the wrapper's masks, schedule and step; the plain layer where it prunes nothing."""
    if not wrapper.pruning_vars:
        return plain(wrapper.layer)
    new = Prunable(rebuilt(wrapper.layer), convert_schedule(wrapper.pruning_schedule), _structure(wrapper))

    def carry():
        set_weights(new.layer, wrapper.layer.get_weights(), wrapper)
        _carry_masks(wrapper, new)
        new.step.assign(int(wrapper.pruning_step.numpy()))

    return Conversion([new], carry)


def _structure(wrapper: Any) -> Structure | None:
    size = tuple(wrapper.block_size)
    if getattr(wrapper, "sparsity_m_by_n", None):
        _refuse(wrapper, f"sparsity_m_by_n={wrapper.sparsity_m_by_n!r}")
    if size == (1, 1):
        return None
    if wrapper.block_pooling_type != "AVG":
        _refuse(wrapper, f"block_pooling_type={wrapper.block_pooling_type!r}")
    return Blocks(size)


def _refuse(wrapper, received):
    raise ValueError(
        f"`model` has a wrapper {described(wrapper)} whose structure there is not here. Right would be blocks with "
        "block_pooling_type='AVG', or tfmot.sparsity.keras.strip_pruning before: the zeros stay. "
        f"Received: {received}"
    )


def _carry_masks(wrapper, new):
    # Both have the weights in the same order; tfmot may prune fewer of them.
    places = {id(weight): place for place, weight in enumerate(wrapper.layer.weights)}
    kernels = {id(kernel.variable): kernel for kernel in new.kernels}
    for weight, mask, _ in wrapper.pruning_vars:
        kernel = kernels.pop(id(new.layer.weights[places[id(weight)]]))
        kernel.mask.assign(np.asarray(mask.numpy(), "float32"))
    if kernels:
        names = ", ".join(kernel.variable.name for kernel in kernels.values())
        warnings.warn(
            f"tfmot does not prune the {names} of layer {described(wrapper.layer)}; `Prunable` will if it is trained "
            "further. Now nothing of it is masked.",
            stacklevel=2,
        )
