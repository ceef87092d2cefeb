"""Loss, metrics and settings of a compiled model."""

from __future__ import annotations

import warnings
from typing import Any

import keras

from keras_efficient.copies.exclusions import copy_exclusions
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
