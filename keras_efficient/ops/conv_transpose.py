"""Transposed convolution with any zeros around it, the same on every backend."""

from collections.abc import Sequence

from keras import ops

from keras_efficient.type_aliases import Tensor


def conv_transpose(
    x: Tensor,
    kernel: Tensor,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation_rate: Sequence[int],
) -> Tensor:
    """Transposed convolution of signals or images, channels last.

        y[b, i, f] = sum_rc z[b, i - r d, c] kernel[r, f, c],    z[b, j s + p, c] = x[b, j, c], and 0 elsewhere

    with p = before - (rows - 1) d, and the same along columns.

    Args:
        x: Tensor (batch, ..., channels).
        kernel: Tensor (..., filters, channels).
        strides: How far apart the places of x lie (s).
        padding: Zeros (before, after) around x with s - 1 zeros between its places, over which the turned kernel
            slides with stride 1.
        dilation_rate: Steps between the places of the kernel (d).
    """
    y = ops.conv_transpose(
        x, kernel, tuple(strides), "valid", data_format="channels_last", dilation_rate=tuple(dilation_rate)
    )
    kept, zeros = [slice(None)], [(0, 0)]
    for size, stride, (before, after), rate in zip(kernel.shape[:-2], strides, padding, dilation_rate, strict=True):
        extent = (size - 1) * rate + 1
        rest = max(extent, stride) - 1 - after
        kept.append(slice(extent - 1 - before, -rest if rest > 0 else None))
        zeros.append((0, max(-rest, 0)))
    y = y[tuple(kept)]
    return ops.pad(y, [*zeros, (0, 0)]) if any(map(sum, zeros)) else y
