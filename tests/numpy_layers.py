"""Slow, plain numpy forms of the layers: the independent side of the comparisons."""

import numpy as np


def quantize(x, bits, log2_scale, signed=True, rounding="nearest"):
    """The 2019 quantizer."""
    x = np.asarray(x, "float64")
    resolution = 2 ** (bits - 1) if signed else 2**bits
    scale = 2.0 ** np.round(log2_scale)
    half = 0.5 if signed and bits <= 2 else 0.0
    s = x * resolution / scale
    code = np.floor(s) if rounding == "floor" else np.floor(s) + 0.5 if half else np.round(s)
    low = -resolution + half if signed else 0
    return np.clip(code, low, resolution - 1 + half) * scale / resolution


def windows(x, kernel_size, strides, padding, dilation=(1, 1)):
    """All windows of (batch, rows, columns, channels): (batch, i, j, kr, kc, channels)."""
    kernel_size = tuple((size - 1) * rate + 1 for size, rate in zip(kernel_size, dilation, strict=True))
    if not isinstance(padding, str):
        x = np.pad(x, [(0, 0), *padding, (0, 0)])
    if padding == "same":
        pads = [(0, 0)]
        for size, k, s in zip(x.shape[1:3], kernel_size, strides, strict=True):
            total = max((-(-size // s) - 1) * s + k - size, 0)
            pads.append((total // 2, total - total // 2))
        x = np.pad(x, [*pads, (0, 0)])
    view = np.lib.stride_tricks.sliding_window_view(x, kernel_size, axis=(1, 2))
    view = view[:, :: strides[0], :: strides[1]]
    return np.moveaxis(view, 3, -1)[:, :, :, :: dilation[0], :: dilation[1]]


def conv(x, kernel, strides, padding, dilation=(1, 1), groups=1):
    """Convolution, channels last."""
    parts = zip(np.split(x, groups, axis=-1), np.split(kernel, groups, axis=-1), strict=True)
    sums = [
        np.einsum("bijrsc,rscf->bijf", windows(part, kernel.shape[:2], strides, padding, dilation), filters)
        for part, filters in parts
    ]
    return np.concatenate(sums, axis=-1)


def depthwise_conv(x, kernel, strides, padding, dilation=(1, 1)):
    """Depthwise convolution; channel c, multiplier m gives channel c m."""
    y = np.einsum("bijrsc,rscm->bijcm", windows(x, kernel.shape[:2], strides, padding, dilation), kernel)
    return y.reshape(*y.shape[:3], -1)


def conv_transpose(x, kernel, strides, sizes):
    """Transposed convolution of padding "same" to maps of `sizes`: what is too much is cut off at both ends."""
    places = [(n - 1) * s + k for n, s, k in zip(x.shape[1:3], strides, kernel.shape, strict=False)]
    full = np.zeros((len(x), *places, kernel.shape[2]))
    for row, column in np.ndindex(kernel.shape[:2]):
        part = x @ kernel[row, column].T
        down, across = ((n - 1) * s + 1 for n, s in zip(part.shape[1:3], strides, strict=True))
        full[:, row : row + down : strides[0], column : column + across : strides[1]] += part
    top, left = ((place - size) // 2 for place, size in zip(places, sizes, strict=True))
    return full[:, top : top + sizes[0], left : left + sizes[1]]
