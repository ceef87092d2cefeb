"""Depthwise convolution with any pair of strides."""

import math

from keras import ops

from keras_efficient.type_aliases import Tensor


def depthwise_conv(
    x: Tensor,
    kernel: Tensor,
    strides: int | tuple[int, int],
    padding: str,
    dilation_rate: int | tuple[int, int] = 1,
) -> Tensor:
    """Depthwise convolution of images, also for unequal strides, or of signals; channels last.

        y[b, i, j, c m + d] = sum_rs x[b, i sr + r, j sc + s, c] kernel[r, s, c, d]

    TensorFlow has no depthwise convolution with unequal strides. There the convolution runs
    with the greatest common stride, and the rows and columns not asked for are dropped.

    Args:
        x: Tensor (batch, rows, columns, channels). With unequal strides and padding `"same"`
            the rows and columns must be known.
        kernel: Tensor (kernel rows, kernel columns, channels, depth multiplier m).
        strides: Integer, or pair (sr, sc).
        padding: `"valid"` or `"same"`.
        dilation_rate: Integer or pair; with strides of 1 only.

    Returns:
        Tensor (batch, new rows, new columns, channels m).

    Raises:
        ValueError: If the rows or columns would have to be known and are not.
    """
    if isinstance(strides, int) or strides[0] == strides[1]:
        stride = strides if isinstance(strides, int) else strides[0]
        return ops.depthwise_conv(x, kernel, stride, padding, "channels_last", dilation_rate)
    if padding == "same":
        x = ops.pad(x, _same_padding(x.shape, kernel.shape, strides))
    common = math.gcd(*strides)
    y = ops.depthwise_conv(x, kernel, strides=common, padding="valid", data_format="channels_last")
    return y[:, :: strides[0] // common, :: strides[1] // common]


def _same_padding(input_shape, kernel_shape, strides):
    """Zeros before and after each axis, so that an axis of n ends with ceil(n / stride)."""
    padding = [(0, 0)]
    for size, kernel, stride in zip(input_shape[1:3], kernel_shape[:2], strides, strict=True):
        if size is None:
            raise ValueError(
                "`padding='same'` with unequal strides needs known rows and columns. "
                f"Received: input shape {tuple(input_shape)}, strides={tuple(strides)}"
            )
        total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        padding.append((total // 2, total - total // 2))
    return [*padding, (0, 0)]
