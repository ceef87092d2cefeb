"""What a stage is made of, checked when it is made: before a run writes its first file."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_efficient.checks import is_integer, non_negative_number
from keras_efficient.training.losses import losses_of


def check_loss(loss: Any) -> None:
    """A ValueError unless Keras finds the loss; a list or dictionary holds one for each output."""
    losses = losses_of(loss)
    if not losses or not all(each is None or is_found(each, keras.losses.get, callable) for each in losses):
        raise ValueError(
            "`loss` must be the name of a Keras loss, such as 'mse', a loss, a function or None. "
            f"Received: loss={loss!r}"
        )


def check_optimizer(optimizer: Any) -> None:
    """A ValueError unless it is an optimizer of Keras, or the name of one."""
    if not is_found(optimizer, keras.optimizers.get, lambda found: isinstance(found, keras.optimizers.Optimizer)):
        raise ValueError(
            "`optimizer` must be the name of a Keras optimizer, such as 'adam', or an optimizer. "
            f"Received: optimizer={optimizer!r}"
        )


def is_found(given: Any, get: Callable[[Any], Any], is_right: Callable[[Any], bool]) -> bool:
    """Whether Keras makes something right of a name, a configuration or an object; a class is none yet."""
    if isinstance(given, type) or not (isinstance(given, (str, Mapping)) or is_right(given)):
        return False
    try:
        return is_right(get(given))
    except Exception:  # whatever a configuration makes of itself
        return False


def check_callbacks(callbacks: Any) -> None:
    """A ValueError unless they are callbacks of Keras, or a function that makes some."""
    if callable(callbacks) and not isinstance(callbacks, type):
        return
    if isinstance(callbacks, Sequence) and all(isinstance(each, keras.callbacks.Callback) for each in callbacks):
        return
    raise ValueError(
        "`callbacks` must be a list of Keras callbacks, or a function that makes one. "
        f"Received: callbacks={callbacks!r}"
    )


def check_schedule(schedule: Any, named: Sequence[str]) -> None:
    """A ValueError unless it is None, one of those that have a name, or gives the learning rate of epoch 0."""
    if schedule is None or (isinstance(schedule, str) and schedule in named):
        return
    if not callable(schedule) or isinstance(schedule, type):
        names = ", ".join(map(repr, named))
        raise ValueError(f"`schedule` must be {names}, a function or None. Received: schedule={schedule!r}")
    try:
        rate = float(schedule(0))
    except (TypeError, ValueError) as error:
        raise ValueError(f"`schedule` must give a number for an epoch. Received: schedule(0) ends in {error}") from None
    if not (math.isfinite(rate) and rate >= 0):
        raise ValueError(f"`schedule` must give a learning rate of at least 0. Received: schedule(0)={rate}")


def check_class_weight(weights: Any) -> dict[int | str, float]:
    """The weights by class number or text; a ValueError unless they are such."""
    if isinstance(weights, Mapping) and weights and all(isinstance(key, str) or is_integer(key) for key in weights):
        for key, weight in weights.items():
            non_negative_number(weight, f"class_weight[{key!r}]")
        return {key if isinstance(key, str) else int(key): float(weight) for key, weight in weights.items()}
    raise ValueError(
        "`class_weight` must be a dictionary from classes to numbers, such as {0: 1.0, 1: 5.0}, or None. "
        f"Received: class_weight={weights!r}"
    )
