"""Zeros around maps."""

from collections.abc import Sequence

from keras import ops

from keras_efficient.type_aliases import Tensor


def pad_places(x: Tensor, padding: Sequence[tuple[int, int]]) -> Tensor:
    """Zeros before and after each axis between the batch and the channels of `x`."""
    return ops.pad(x, [(0, 0), *padding, (0, 0)])
