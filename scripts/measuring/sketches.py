"""A basis to compare the strided one with: random columns of a Hadamard matrix with random signs (SRHT)."""

import math

import numpy as np
from keras import ops

import keras_efficient as ke
from keras_efficient.ops.hashing import as_word, hashed_signs


class SRHTBases(ke.RandomBases):
    """`RandomBases` in an SRHT basis, O(D log D) in the place of O(D)."""

    def project(self, vector, layout, seed, salt):
        return srht_project(vector, layout.dimensions, seed, salt)

    def expand(self, coordinates, layout, seed, salt):
        return srht_expand(coordinates, layout.size, seed, salt)


def srht_project(x, dimensions: int, seed=0, salt=0):
    """Coordinates in d random columns of a Hadamard matrix with random signs, `n^(-1/2) (H diag(s) x)_k`.

    O(n log n). Its directions have length 1 but are orthogonal on average only, unless n is a power
    of two. Ailon & Chazelle 2009, Tropp 2011.
    """
    n = x.shape[0]
    mixed = _hadamard(ops.pad(x * hashed_signs(seed, salt, n, x.dtype), ((0, _power_of_two(n) - n),)))
    return ops.take(mixed, _random_columns(dimensions, n, seed, salt), axis=0) / math.sqrt(n)


def srht_expand(coordinates, n: int, seed=0, salt=0):
    """The vector (n,) with these coordinates; see `srht_project`."""
    columns = _random_columns(coordinates.shape[0], n, seed, salt)
    spread = ops.scatter(ops.expand_dims(columns, 1), coordinates, (_power_of_two(n),))
    return _hadamard(spread)[:n] * hashed_signs(seed, salt, n, coordinates.dtype) / math.sqrt(n)


def _power_of_two(n):
    return 1 << max(n - 1, 0).bit_length()


def _hadamard(x):
    """The Walsh-Hadamard transform, not normalized, of a vector whose length is a power of two."""
    size = x.shape[0]
    half = 1
    while half < size:
        pairs = ops.reshape(x, (-1, 2, half))
        first, second = pairs[:, 0], pairs[:, 1]
        x = ops.reshape(ops.stack([first + second, first - second], axis=1), (-1,))
        half *= 2
    return x


def _random_columns(count, n, seed, salt):
    """`count` different columns: an arithmetic progression with a random odd step, modulo a power of two."""
    bits = (1 - hashed_signs(seed, as_word(salt) + 0x5EED, 64, "int32")) // 2
    powers = ops.convert_to_tensor(2 ** np.arange(31, dtype="int32"))
    step, start = ops.sum(bits[:31] * powers), ops.sum(bits[32:63] * powers)
    columns = ops.arange(count, dtype="int32") * ops.bitwise_or(step, 1) + start
    return ops.bitwise_and(columns, _power_of_two(n) - 1)
