"""The mask that a `Prunable` lays on a weight, applied where a layer of ours uses the weight."""

import keras
from keras import ops

from keras_efficient.type_aliases import Tensor


def masked(values: Tensor, variable: keras.Variable) -> Tensor:
    """`values`, made of `variable` (rounded, say), with zeros where its pruning mask has them.

    Without a mask these are the `values` themselves. The mask comes after the quantizer: with one or
    two signed bits a grid has no zero.
    """
    mask = getattr(variable, "pruning_mask", None)
    if mask is None:
        return values
    return keep(mask, ops.convert_to_tensor(values))


def keep(mask: Tensor, values: Tensor) -> Tensor:
    """`values` where `mask` is 1, else 0; no gradient and no infinity comes through a zero."""
    return ops.where(ops.cast(mask, "bool"), values, ops.zeros_like(values))
