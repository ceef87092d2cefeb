"""The random numbers of `ops.hashing` once more, in numpy."""

import numpy as np

from keras_efficient.ops.hashing import hashed_words


def numpy_signs(seed: int, salt: int, n: int) -> np.ndarray:
    """`hashed_signs` (int8)."""
    words = hashed_words(seed, salt, -(-n // 32))
    bits = (words[:, None] >> np.arange(32, dtype=np.uint32)) & np.uint32(1)
    return (1 - 2 * bits.reshape(-1)[:n].astype(np.int8)).astype(np.int8)


def numpy_uniform(seed: int, salt: int, n: int) -> np.ndarray:
    """`hashed_uniform` (float32)."""
    low = hashed_words(seed, salt, n) & np.uint32(0xFFFFFF)
    return low.astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
