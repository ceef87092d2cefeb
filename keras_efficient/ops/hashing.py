"""Random words from a seed by integer arithmetic alone: the same bits everywhere, also in C."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_efficient.checks import integer
from keras_efficient.type_aliases import Tensor

_GOLDEN_RATIO = 0x9E3779B9
_FACTORS = (0x7FEB352D, 0x846CA68B)
_WORD_BITS = 32
_SMALLEST_STEP = 2.0**-23  # of a uniform number between -1 and 1 in float32


def _mix(values: np.ndarray) -> np.ndarray:
    """The finalizer of the hash: a bijection of the 32-bit words.

    v ^= v >> 16;  v *= 0x7feb352d;  v ^= v >> 15;  v *= 0x846ca68b;  v ^= v >> 16
    """
    values = np.array(values, dtype=np.uint32)
    for shift, factor in zip((16, 15), _FACTORS, strict=True):
        values ^= values >> np.uint32(shift)
        values *= np.uint32(factor)
    return values ^ (values >> np.uint32(16))


def hashed_words(seed: int, salt: int, count: int) -> np.ndarray:
    """`count` different 32-bit words: word k is `_mix(k + mix(seed ^ (0x9e3779b9 * (salt + 1))))`.

    Args:
        seed: Any integer, taken modulo 2^32.
        salt: Integer that tells the uses of one seed apart.
        count: Number of words, up to 2^32.
    """
    seed, salt, count = integer(seed, "seed"), integer(salt, "salt"), integer(count, "count", 0)
    key = _mix(np.array([(int(seed) ^ (_GOLDEN_RATIO * (int(salt) + 1))) & 0xFFFFFFFF]))
    return _mix(np.arange(count, dtype=np.uint32) + key)


def hashed_signs(seed: int | Tensor, salt: int | Tensor, n: int, dtype: str = "int8") -> Tensor:
    """`n` random signs, the same bits on every backend and in C.

    In 32-bit words, with `_mix` as in this module,

        key = mix(seed ^ (0x9e3779b9 (salt + 1)))        word k = mix(k + key)

    and sign i is -1 where bit `i % 32` (least significant first) of word `i // 32` is set, else +1.

    Args:
        seed, salt: Any integers, taken modulo 2^32, or integer tensors (a step number, say).
        n: How many; a Python integer, at least 0.
        dtype: Of the result.

    Returns:
        Tensor (n,) of +1 and -1.

    Raises:
        ValueError: If `n` is no integer or negative.
    """
    words = _tensor_words(seed, salt, -(-integer(n, "n", 0) // _WORD_BITS))
    shifts = ops.expand_dims(ops.arange(_WORD_BITS, dtype="int32"), 0)
    bits = ops.bitwise_and(ops.right_shift(ops.expand_dims(words, 1), shifts), 1)
    return 1 - 2 * ops.cast(ops.reshape(bits, (-1,))[:n], dtype)


def hashed_uniform(seed: int | Tensor, salt: int | Tensor, n: int) -> Tensor:
    """`n` random numbers, uniform on [-1, 1), the same bits on every backend and in C.

        u_k = (word k & 0xffffff) 2^-23 - 1

    with the words of `hashed_signs`; every step of it is exact in float32. Arguments as there.
    """
    low = ops.bitwise_and(_tensor_words(seed, salt, n), 0xFFFFFF)
    return ops.cast(low, "float32") * _SMALLEST_STEP - 1.0


def hashed_halves(seed: int | Tensor, salt: int | Tensor, n: int) -> Tensor:
    """The numbers of `hashed_uniform` as integers of 16 bits: `floor(2^15 u_k)`, an int32 tensor (n,).

    ((word k & 0xffffff) >> 8) - 2^15
    """
    return ops.right_shift(ops.bitwise_and(_tensor_words(seed, salt, n), 0xFFFFFF), 8) - 2**15


def hashed_normals(seed: int | Tensor, salt: int | Tensor, n: int) -> Tensor:
    """`n` normal numbers from the same words by Box and Muller's transform.

    The last bits differ from backend to backend, as logarithms and cosines do: for comparisons, not for
    files. Arguments as in `hashed_signs`.
    """
    pairs = -(-integer(n, "n", 0) // 2)
    uniform = hashed_uniform(seed, salt, 2 * pairs)
    # From [-1, 1) to (0, 1], whose logarithm is finite, and to an angle.
    radius = ops.sqrt(-2.0 * ops.log(0.5 - 0.5 * uniform[:pairs]))
    angle = np.pi * uniform[pairs:]
    return ops.concatenate([radius * ops.cos(angle), radius * ops.sin(angle)])[:n]


def _word(value, name):
    """An integer, or an integer tensor as it is."""
    is_tensor = (
        hasattr(value, "dtype") and hasattr(value, "shape") and "int" in keras.backend.standardize_dtype(value.dtype)
    )
    return value if is_tensor else integer(value, name)


def _tensor_words(seed, salt, n):
    """`hashed_words` as int32 tensors: torch has no arithmetic in uint32, and the bits are the same."""
    seed, salt = _word(seed, "seed"), _word(salt, "salt")
    salted = multiply_words(add_words(salt, 1), _GOLDEN_RATIO)
    key = _mix_tensor(ops.bitwise_xor(as_word(seed), salted))
    return _mix_tensor(add_words(ops.arange(integer(n, "n", 0), dtype="int32"), key))


def _mix_tensor(values):
    for shift, factor in zip((16, 15), _FACTORS, strict=True):
        values = multiply_words(_xor_shift(values, shift), factor)
    return _xor_shift(values, 16)


def _xor_shift(values, shift):
    # The shift of an int32 drags the sign bit along; the mask makes it that of an uint32.
    return ops.bitwise_xor(values, ops.bitwise_and(ops.right_shift(values, shift), (1 << (32 - shift)) - 1))


def add_words(first: int | Tensor, second: int | Tensor) -> Tensor:
    """The sum of two words modulo 2^32, integers or integer tensors as in `as_word`, as an int32 tensor."""
    return _wrapped(ops.add, first, second)


def multiply_words(first: int | Tensor, second: int | Tensor) -> Tensor:
    """The product of two words modulo 2^32. Arguments as in `add_words`."""
    return _wrapped(ops.multiply, first, second)


def _wrapped(operation: Callable[..., Tensor], first: int | Tensor, second: int | Tensor) -> Tensor:
    first, second = as_word(first), as_word(second)
    if keras.backend.backend() != "torch":
        return operation(first, second)
    # torch's own int32 wraps as well, but `torch.compile` (up to 2.13) writes it as int of C++, whose overflow is
    # undefined: the compiler gives other bits. In 64 bits nothing overflows; the cast keeps the low 32 of them.
    return ops.cast(operation(ops.cast(first, "int64"), ops.cast(second, "int64")), "int32")


def as_word(value: int | Tensor) -> Tensor:
    """An integer modulo 2^32, or an integer tensor, as an int32 tensor with the same bits."""
    if isinstance(value, (int, np.integer)):
        return ops.convert_to_tensor((int(value) + 2**31) % 2**32 - 2**31, dtype="int32")
    return ops.cast(value, "int32")
