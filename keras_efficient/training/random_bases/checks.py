"""What an optimizer around another one cannot do, refused with the reason."""

import keras


def check_inner_optimizer(inner_optimizer, redraw: int):
    """The inner optimizer, also from its name, or an error that says why it does not fit.

    Raises:
        TypeError: It is no Keras optimizer.
        ValueError: It moves weights in a way that would leave the basis.
    """
    if isinstance(inner_optimizer, str):
        inner_optimizer = keras.optimizers.get(inner_optimizer)
    if not isinstance(inner_optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            "`inner_optimizer` must be a Keras optimizer, such as keras.optimizers.SGD(1.0). "
            f"Received: inner_optimizer={inner_optimizer!r}"
        )
    if redraw:
        _check_stays_in_basis(inner_optimizer)
    return inner_optimizer


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
