"""How a network of a description ends: in what the loss of the stages takes."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_efficient.training.stage import Stage

# By the losses' names in lower case, without underscores; of classes and functions they are the same then.
_HEADS = {
    **dict.fromkeys(("categoricalcrossentropy", "sparsecategoricalcrossentropy"), "softmax"),
    **dict.fromkeys(("categoricalfocalcrossentropy", "kldivergence"), "softmax"),
    **dict.fromkeys(("binarycrossentropy", "binaryfocalcrossentropy"), "sigmoid"),
}


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
    if loss is None:  # a cross-entropy that fits the labels
        return "softmax"
    if isinstance(loss, (list, tuple)) or (isinstance(loss, Mapping) and "class_name" not in loss):
        parts = list(loss.values()) if isinstance(loss, Mapping) else loss
        return _head_of_loss(parts[0]) if len(parts) == 1 else "linear"
    found = keras.losses.get(loss)
    is_object = isinstance(found, keras.losses.Loss)
    if is_object and found.get_config().get("from_logits"):
        return "linear"
    name = type(found).__name__ if is_object else getattr(found, "__name__", "")
    return _HEADS.get(name.replace("_", "").lower(), "linear")
