"""Fixed permutations of the last axis: the riffle, random ones from a seed, and how to apply them."""

import numpy as np
from keras import KerasTensor, ops

from keras_efficient.checks import integer
from keras_efficient.kinds.cosine import riffled
from keras_efficient.ops.hashing import hashed_words
from keras_efficient.type_aliases import Tensor


def riffle_order(size: int) -> np.ndarray:
    """The even entries first, then the odd ones: 0, 2, 4 ... 1, 3, 5."""
    return riffled(integer(size, "size", 1))


def random_order(size: int, seed: int = 0, salt: int = 0) -> np.ndarray:
    """A random permutation of 0 .. size - 1, the same on every backend, version and machine.

    The indices sorted by their hashes, `hashed_words(seed, salt, size)`. No two hashes are equal,
    so the order depends on nothing else.
    """
    return np.argsort(hashed_words(seed, salt, integer(size, "size", 1)))


def permute(x: Tensor, order: np.ndarray) -> Tensor:
    """`y[..., i] = x[..., order[i]]`.

    The gradient is written out as what it is, the inverse permutation: the frameworks would add
    each entry to a tensor of zeros.

    Args:
        x: Tensor (..., N).
        order: Every integer from 0 to N - 1, once.

    Raises:
        ValueError: If `order` is no such order.
    """
    order = np.asarray(order)
    if order.ndim != 1 or order.dtype.kind not in "iu" or not np.array_equal(np.sort(order), np.arange(len(order))):
        raise ValueError(f"`order` must hold every integer from 0 to N - 1, once. Received: order={order}")
    if np.array_equal(order, np.arange(len(order))):
        return x
    if isinstance(x, KerasTensor):
        return ops.take(x, order, axis=-1)
    order = np.asarray(order, "int32")
    inverse = np.argsort(order).astype("int32")

    @ops.custom_gradient
    def reordered(x):
        def gradient(*arguments, upstream=None):
            return ops.take(arguments[-1] if upstream is None else upstream, inverse, axis=-1)

        return ops.take(x, order, axis=-1), gradient

    return reordered(x)
