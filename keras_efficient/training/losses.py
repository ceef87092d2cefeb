"""What a loss says about labels, and about the end of a network."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_efficient.training.engines.engine import Loss

# What a loss compares: classes or one-hot rows, numbers from 0 to 1 each for itself, or anything.
CLASSES, BINARY, TARGETS = "classes", "binary", "targets"
BINARY_LOSS = "binary_crossentropy"
# The losses as functions; those that are objects have theirs in `fn`.
_KINDS = {
    CLASSES: (
        keras.losses.categorical_crossentropy,
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.categorical_focal_crossentropy,
        keras.losses.kl_divergence,
    ),
    BINARY: (keras.losses.binary_crossentropy, keras.losses.binary_focal_crossentropy),
}
_HEADS = {CLASSES: "softmax", BINARY: "sigmoid", TARGETS: "linear"}


def losses_of(loss: Any) -> list:
    """The losses in a list or dictionary by output name; of one loss alone a list of it."""
    if isinstance(loss, Mapping) and "class_name" not in loss:
        return list(loss.values())
    return list(loss) if isinstance(loss, (list, tuple)) else [loss]


def loss_kind(loss: Loss | None) -> str:
    """What a loss compares; None stands for a cross-entropy of classes."""
    found = keras.losses.get(loss or "categorical_crossentropy")
    function = getattr(found, "fn", found)
    return next((kind for kind, known in _KINDS.items() if function in known), TARGETS)


def is_keras_loss(loss: Loss) -> bool:
    """Whether Keras defines the loss."""
    found = keras.losses.get(loss)
    return getattr(found, "__module__", type(found).__module__).split(".")[0] == "keras"


def takes_logits(loss: Loss | None) -> bool:
    """Whether a loss takes what goes into a softmax or sigmoid."""
    return bool(loss is not None and getattr(keras.losses.get(loss), "from_logits", False))


def losses_by_output(loss: Any, names: Sequence[str]) -> list:
    """The loss of each output, from one for all, a list or a dictionary by output name."""
    if isinstance(loss, Mapping) and "class_name" not in loss:
        unknown = sorted(set(loss) - set(names))
        if unknown or not loss:
            raise ValueError(f"`loss` must name outputs of the network, {list(names)}. Received: {unknown or loss}")
        return [loss.get(name) for name in names]
    if not isinstance(loss, (list, tuple)):
        return [loss] * len(names)
    if len(loss) != len(names):
        raise ValueError(
            f"`loss` must hold one loss for each of the {len(names)} outputs. Received: {len(loss)} losses"
        )
    return list(loss)


def head_of(stages: Sequence[Any]) -> str:
    """How a network of a description ends, for the losses of all stages: see `head` of `build_network`.

    `"linear"` is also for losses that take logits.

    Raises:
        ValueError: Stages of one run want different heads.
    """
    heads = []
    for losses in (losses_of(stage.loss) for stage in stages):
        linear = len(losses) > 1 or takes_logits(losses[0])
        heads.append("linear" if linear else _HEADS[loss_kind(losses[0])])
    if len(set(heads)) > 1:
        raise ValueError(
            f"the losses of all stages must take the same outputs. Received: losses for {', '.join(heads)}; a function "
            "that builds the network says itself how it ends"
        )
    return heads[0]
