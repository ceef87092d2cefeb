"""How a network of a description ends: in what the loss of the stages takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from keras_efficient.training.losses import BINARY, CLASSES, TARGETS, loss_kind, takes_logits
from keras_efficient.training.stage import Stage

_HEADS = {CLASSES: "softmax", BINARY: "sigmoid", TARGETS: "linear"}


def head_of(stages: Sequence[Stage]) -> str:
    """`"softmax"`, `"sigmoid"` or `"linear"`, which is also for losses that take logits; see `build_network`.

    Raises:
        ValueError: Stages of one run want different heads.
    """
    heads = [_head_of_loss(stage.loss) for stage in stages]
    if len(set(heads)) > 1:
        raise ValueError(
            f"the losses of all stages must take the same outputs. Received: losses for {', '.join(heads)}; a function "
            "that builds the network says itself how it ends"
        )
    return heads[0]


def _head_of_loss(loss: Any) -> str:
    if isinstance(loss, (list, tuple)) or (isinstance(loss, Mapping) and "class_name" not in loss):
        parts = list(loss.values()) if isinstance(loss, Mapping) else loss
        return _head_of_loss(parts[0]) if len(parts) == 1 else "linear"
    return "linear" if takes_logits(loss) else _HEADS[loss_kind(loss)]
