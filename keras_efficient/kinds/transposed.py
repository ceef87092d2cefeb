"""Transposed convolutions: a window of stride 1 over the map with zeros between its places.

With turned kernels that is a convolution; only where no zeros stand between them may the target lie over the source.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_efficient.kinds.fields import QUANTIZER_BITS, check_bits, check_integer, check_size, required
from keras_efficient.kinds.kind import TRANSPOSED, Kind
from keras_efficient.kinds.measures import Config, FeatureMap, Shape, Widths, float_widths, quantized_widths
from keras_efficient.kinds.products import TAKES_IN, convolution_price, kernel_cells
from keras_efficient.kinds.steps import Step
from keras_efficient.kinds.windows import (
    PADDINGS,
    Slide,
    first_of,
    rank_checked,
    read_signal_window,
    read_window,
    window_step,
)


def turned(kernel: np.ndarray) -> np.ndarray:
    """A kernel (..., filters, channels) as the window over the spread map reads it: (..., channels, filters)."""
    return np.flip(kernel, axis=tuple(range(kernel.ndim - 2))).swapaxes(-1, -2)


def _transposed_border(extent: int, stride: int, padding: str, added: int | None) -> tuple[int, int]:
    """Zeros before and after the spread axis, as Keras counts them; `added`: the output padding."""
    if padding not in PADDINGS:
        raise ValueError(f"padding must be 'valid' or 'same'. Received: {padding!r}")
    if added is not None and not 0 <= check_integer(added, "output_padding") < stride:
        raise ValueError(f"output_padding must be at least 0 and less than strides={stride}. Received: {added}")
    if padding == "valid":
        return extent - 1, extent - 1 + (max(stride - extent, 0) if added is None else added)
    zeros = extent - 2 + (stride if added is None else extent % 2 + added)
    before = min(zeros - zeros // 2, extent - 1)
    return before, zeros - before


def read_transposed(config: Config, rank: int) -> Slide:
    """The window of a transposed convolution over inputs of `rank` axes."""
    read = read_window if rank == 3 else read_signal_window
    given = read({**config, "padding": "valid"}, "kernel_size")
    added = config.get("output_padding")
    pair = (None, first_of(added)) if rank == 2 else added if isinstance(added, (list, tuple)) else (added, added)
    if len(pair) != 2:
        raise ValueError(f"output_padding must be an integer, a pair (rows, columns) or None. Received: {added!r}")
    padding = config.get("padding", "valid")
    axes = zip(given.extents, given.strides, pair, strict=True)
    rows, columns = (_transposed_border(extent, stride, padding, each) for extent, stride, each in axes)
    return Slide(given.sizes, (1, 1), (rows, columns), given.dilation, spread=given.strides)


def _transposed_window(rank: int) -> Callable[[Config, Shape], Slide]:
    def window(config: Config, shape: Shape) -> Slide:
        rank_checked(shape, rank)
        return read_transposed(config, rank)

    return window


def transposed(rank: int, widths: Callable[[Config], Widths], **entry: Any) -> Kind:
    window = _transposed_window(rank)

    def shape(config: Config, shape: Shape) -> Shape:
        return (*window(config, shape).places(shape), check_size(required(config, "filters"), "filters"))

    def steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
        return (window_step(window(config, source.shape), source, target, by_channel=False),)

    def products(config: Config, source: FeatureMap, target: FeatureMap) -> int:
        return source.cells * kernel_cells(config, rank) * config["filters"]

    price = convolution_price(rank)(widths)._replace(steps=steps, products=products)
    return Kind(shape=shape, window=window, price=price, prunes=TRANSPOSED, **entry)


OWN = {
    f"Conv{rank - 1}DTransposeQ": transposed(
        rank, quantized_widths, form="Convolution", settings=dict.fromkeys(QUANTIZER_BITS, check_bits)
    )
    for rank in (2, 3)
}
LAYERS = {
    "Conv3DTranspose": Kind(prunes=TRANSPOSED),
    **{
        f"Conv{rank - 1}DTranspose": transposed(rank, float_widths, twin=f"Conv{rank - 1}DTransposeQ", absorbs=TAKES_IN)
        for rank in (2, 3)
    },
}
