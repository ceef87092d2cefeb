"""Convolution with a sum of Kronecker products over the channels; the kernel is never built."""

from keras import ops

from keras_efficient.kinds.factors import FactorSizes, is_second_first
from keras_efficient.ops.kronecker import Between, passed
from keras_efficient.type_aliases import Tensor


def kronecker_conv(
    x: Tensor,
    a: Tensor,
    b: Tensor,
    strides: tuple[int, int] = (1, 1),
    padding: str = "valid",
    dilation_rate: tuple[int, int] = (1, 1),
    between: Between = None,
) -> Tensor:
    """2-D convolution, channels last, with the kernel `sum_i A_i kron B_i[r, c]` at each tap (r, c).

    Args:
        x: Tensor (batch, rows, columns, q t).
        a: Tensor (terms, p, q).
        b: Tensor (terms, s, t, kernel rows, kernel columns).
        strides, padding, dilation_rate: As in `keras.ops.conv`.
        between: As of `ops.kronecker.kronecker_sum`.

    Returns:
        Tensor (batch, new rows, new columns, p s).

    The q groups of t channels pass through the same small convolution and are then mixed, or are
    mixed first, into p groups; with k taps and the same size on both sides that is
    terms s q (k t + p) or terms p t (q + k s) multiply-adds a pixel, whichever is less. A plain
    convolution takes k p q s t.
    """
    (terms, p, q), (_, s, t, *taps) = a.shape, b.shape
    window = {"strides": strides, "padding": padding, "dilation_rate": dilation_rate}
    settings = {**window, "data_format": "channels_last"}
    if is_second_first(FactorSizes(p, q, s, t), taps[0] * taps[1]):
        kernel = ops.reshape(ops.transpose(b, (3, 4, 2, 0, 1)), (*taps, t, terms * s))
        u = passed(between, 0, ops.conv(_groups_to_batch(x, q, t), kernel, **settings))
        return _mixed(u, ops.reshape(ops.transpose(a, (2, 0, 1)), (q * terms, p)), q, terms, s)
    mixing = ops.reshape(ops.transpose(a, (2, 1, 0)), (q, p * terms))
    # On PyTorch, Keras's product of float64 is float32, and its convolution takes one dtype only.
    mixed = passed(between, 0, ops.cast(_mix_groups(x, mixing, q, p, terms, t), b.dtype))
    kernel = ops.reshape(ops.transpose(b, (3, 4, 0, 2, 1)), (*taps, terms * t, s))
    return _batch_to_groups(ops.conv(mixed, kernel, **settings), p)


def _mixed(u, mixing, q, terms, s):
    """(batch q, rows, columns, terms s) times (q terms, p): (batch, rows, columns, p s)."""
    rows, columns = ops.shape(u)[1:3]
    u = ops.reshape(u, (-1, q, rows, columns, terms, s))
    u = ops.transpose(u, (0, 2, 3, 5, 1, 4))  # batch, rows, columns, s, q, terms
    p = mixing.shape[1]
    y = ops.matmul(ops.reshape(u, (-1, mixing.shape[0])), mixing)
    y = ops.transpose(ops.reshape(y, (-1, s, p)), (0, 2, 1))
    return ops.reshape(y, (-1, rows, columns, p * s))


def _mix_groups(x, mixing, q, p, terms, t):
    """(batch, rows, columns, q t) times (q, p terms): (batch p, rows, columns, terms t)."""
    rows, columns = ops.shape(x)[1:3]
    v = ops.transpose(ops.reshape(x, (-1, q, t)), (0, 2, 1))
    v = ops.matmul(ops.reshape(v, (-1, q)), mixing)
    v = ops.transpose(ops.reshape(v, (-1, rows, columns, t, p, terms)), (0, 4, 1, 2, 5, 3))
    return ops.reshape(v, (-1, rows, columns, terms * t))


def _groups_to_batch(x, groups, channels):
    rows, columns = ops.shape(x)[1:3]
    x = ops.transpose(ops.reshape(x, (-1, rows, columns, groups, channels)), (0, 3, 1, 2, 4))
    return ops.reshape(x, (-1, rows, columns, channels))


def _batch_to_groups(y, groups):
    (rows, columns), channels = ops.shape(y)[1:3], y.shape[-1]
    y = ops.transpose(ops.reshape(y, (-1, groups, rows, columns, channels)), (0, 2, 3, 1, 4))
    return ops.reshape(y, (-1, rows, columns, groups * channels))
