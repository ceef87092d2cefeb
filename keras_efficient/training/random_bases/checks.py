"""What an optimizer around another one cannot do, refused with the reason."""

import contextlib
from collections.abc import Callable

import keras

from keras_efficient.layers.arguments import whole_number
from keras_efficient.training.engines.engine import Optimizer
from keras_efficient.type_aliases import Tensor


def check_inner_optimizer(inner_optimizer: Optimizer, redraw: int) -> keras.optimizers.Optimizer:
    """The inner optimizer, also from its name, or an error that says why it does not fit.

    Raises:
        TypeError: It is no Keras optimizer.
        ValueError: It moves weights in a way that would leave the basis.
    """
    if isinstance(inner_optimizer, str):
        with contextlib.suppress(ValueError):  # no optimizer of this name
            inner_optimizer = keras.optimizers.get(inner_optimizer)
    if not isinstance(inner_optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            "`inner_optimizer` must be a Keras optimizer, such as keras.optimizers.SGD(1.0). "
            f"Received: inner_optimizer={inner_optimizer!r}"
        )
    if redraw:
        _check_stays_in_basis(inner_optimizer)
    return inner_optimizer


def check_exchange(
    reduce: Callable[[Tensor], Tensor] | None, worker: int | Callable[[], Tensor] | None, redraw: int
) -> None:
    """Raise an error unless workers can exchange their coordinates so.

    Raises:
        TypeError: `reduce` is no function.
        ValueError: A worker without a `reduce`, or with a basis that is kept.
    """
    if reduce is not None and not callable(reduce):
        raise TypeError(f"`reduce` must be a function of the coordinates, or None. Received: reduce={reduce!r}")
    if worker is None:
        return
    if not callable(worker) and whole_number(worker, "worker") < 0:
        raise ValueError(f"`worker` must be at least 0. Received: worker={worker!r}")
    if reduce is None:
        raise ValueError(f"A `worker` needs `reduce`, which gets the coordinates of all. Received: worker={worker!r}")
    if not redraw:
        raise ValueError("Workers that keep one basis must share it: redraw=0 takes no `worker`.")


def _check_stays_in_basis(inner_optimizer):
    reasons = {
        "weight_decay": "it shrinks weights along directions outside of the basis; a kernel_regularizer is part of "
        "the loss and is projected like it",
        "clipnorm": "one factor a variable leaves the basis; `global_clipnorm` does not",
        "clipvalue": "limits on single numbers leave the basis; `global_clipnorm` does not",
    }
    for name, reason in reasons.items():
        value = getattr(inner_optimizer, name, None)
        if value:
            raise ValueError(
                f"`{name}` of the inner optimizer does not work with redraw > 0: {reason}. (With redraw=0 it acts on "
                f"the coordinates.) Received: {name}={value!r}"
            )
