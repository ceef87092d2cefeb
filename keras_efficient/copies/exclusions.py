"""The variables that an optimizer does not decay. Keras leaves them out of its configuration."""

from collections.abc import Iterable

import keras

_VARIABLES, _NAMES = "_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"


def exclude(optimizer: keras.optimizers.Optimizer, variables: Iterable[keras.Variable]) -> None:
    """Exclude variables from weight decay, beside those that are excluded already. Before it is built.

    Of an optimizer around another one, the inner one's decay is meant.
    """
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    excluded: set = getattr(optimizer, _VARIABLES, set())
    names = getattr(optimizer, _NAMES, None)
    optimizer.exclude_from_weight_decay(var_list=list(variables))
    setattr(optimizer, _VARIABLES, getattr(optimizer, _VARIABLES) | excluded)
    setattr(optimizer, _NAMES, names)


def copy_exclusions(source: keras.optimizers.Optimizer, target: keras.optimizers.Optimizer) -> None:
    """Let `target`, made from the configuration of `source`, exclude the same, as deep as they wrap others."""
    for name in (_VARIABLES, _NAMES):
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))
    if hasattr(source, "inner_optimizer"):
        copy_exclusions(source.inner_optimizer, target.inner_optimizer)
