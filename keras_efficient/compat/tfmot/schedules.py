"""tfmot's schedule objects as ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_efficient.layers.pruning.schedules import ConstantSparsity, PolynomialDecay, Schedule

_KINDS = {kind.__name__: kind for kind in (ConstantSparsity, PolynomialDecay)}


def convert_schedule(schedule: Any) -> Schedule:
    """Our schedule with the steps and the sparsities of one of tfmot's.

    `ours(step)` and `theirs(step)` agree at every step. But tfmot counts training batches from 1: its step n is looked
    at before the n-th batch, so that step 0 never comes, and its `begin_step=0, frequency=100` prunes first before
    batch 100. Our step n lies behind n batches, and step 0 before the first.

    Args:
        schedule: A `tfmot.sparsity.keras.ConstantSparsity` or `PolynomialDecay`, or what its `get_config()` gives.

    Raises:
        TypeError: If it is something else.
        ValueError: If it is a schedule of another class, or one that we refuse: `end_step` equal to `begin_step` in a
            `PolynomialDecay` (tfmot divides by zero), a power of 0 or less.
    """
    config = schedule if isinstance(schedule, Mapping) else _config_of(schedule)
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


def _config_of(schedule):
    read = getattr(schedule, "get_config", None)
    return read() if callable(read) and not isinstance(schedule, type) else None
