"""Loss, metrics and settings of a compiled model, and the variables that its optimizer does not decay."""

import warnings
from collections.abc import Iterable
from typing import Any

import keras

from keras_efficient.reading.keras_private import compile_arguments


def copy_compiling(source: keras.Model, target: keras.Model) -> None:
    """Compile `target` as `source` is compiled, if it is.

    Losses, metrics and functions are handed over as the objects they are: a configuration does not say all of them.
    So the metrics of both models share their state. The optimizer starts anew, from the settings of the other one.
    """
    arguments = compile_arguments(source)
    if arguments is None:
        return
    try:
        optimizer = copy_of_optimizer(arguments["optimizer"])
    except (TypeError, ValueError, NotImplementedError):
        warnings.warn(
            f"The optimizer of the model {source.name!r} can not be copied from its configuration: call `compile` on "
            "the copy before `fit`.",
            stacklevel=3,
        )
        return
    target.compile(**{**arguments, "optimizer": optimizer})
    # As after loading: a file holds the optimizer's variables, and a model that is loaded from it has them at once.
    target.optimizer.build(target.trainable_variables)


def copy_of_optimizer(optimizer: Any) -> Any:
    """A new optimizer of the same settings; names stay names."""
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        return optimizer
    copy = type(optimizer).from_config(optimizer.get_config())
    copy_exclusions(optimizer, copy)
    return copy


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
