"""What a loss says about labels, and about the end of a network."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_efficient.training.engines.engine import Loss

# What a loss compares: classes or one-hot rows, numbers from 0 to 1 each for itself, or anything.
CLASSES, BINARY, TARGETS = "classes", "binary", "targets"
BINARY_LOSS = "binary_crossentropy"
_KINDS: dict[str, tuple] = {
    CLASSES: (
        keras.losses.CategoricalCrossentropy,
        keras.losses.SparseCategoricalCrossentropy,
        keras.losses.CategoricalFocalCrossentropy,
        keras.losses.KLDivergence,
        keras.losses.categorical_crossentropy,
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.categorical_focal_crossentropy,
        keras.losses.kl_divergence,
    ),
    BINARY: (
        keras.losses.BinaryCrossentropy,
        keras.losses.BinaryFocalCrossentropy,
        keras.losses.binary_crossentropy,
        keras.losses.binary_focal_crossentropy,
    ),
}


def loss_kind(loss: Loss | None) -> str:
    """What a loss compares; None stands for a cross-entropy of classes."""
    if loss is None:
        return CLASSES
    found = keras.losses.get(loss)
    for kind, known in _KINDS.items():
        if found in known or isinstance(found, tuple(each for each in known if isinstance(each, type))):
            return kind
    return TARGETS


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
    if isinstance(loss, (list, tuple)):
        if len(loss) != len(names):
            raise ValueError(
                f"`loss` must hold one loss for each of the {len(names)} outputs. Received: {len(loss)} losses"
            )
        return list(loss)
    return [loss] * len(names)
