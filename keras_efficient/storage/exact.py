"""`exact_slack`: the checked front door of `liveness`, in cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_efficient.kinds.fields import check_pair, is_integer
from keras_efficient.kinds.windows import PADDINGS, window_output_size
from keras_efficient.storage.liveness import ORDERS, Axis, window_slacks


def exact_slack(
    input_shape: Sequence[int],
    output_shape: Sequence[int],
    kernel_size: int | Sequence[int],
    strides: int | Sequence[int],
    order: str = "best",
    padding: str = "valid",
) -> int:
    """Cells that a convolution needs beyond its input map, exactly.

    With output pixel t of the order stored (all its channels fb) before the inputs that die with it
    are freed:

        slack = max over t of  fb (t + 1) - fa (input pixels dead before t, and those that no window
        reads)

    Args:
        input_shape, output_shape: (rows, columns, channels); the output must be what the window
            gives.
        kernel_size, strides: one integer, or (rows, columns).
        order: "row" (row by row), "column", "transpose" (the best order with one switch between
            rows and columns), "herringbone" (each time the row or column that adds less) or "best"
            (the smallest of the four).
        padding: "valid" or "same" (zeros are not stored; their place is as in Keras).

    Returns:
        Cells; 0 or less where the order frees at least as much as it makes.

    Raises:
        ValueError: an argument out of range, or shapes that do not belong together.

    Source: liveness simulation of the 2 KB network study (2 KB network: 533, 149 and 46 cells).
    """
    check_order(order)
    if padding not in PADDINGS:
        raise ValueError(f"padding must be 'valid' or 'same'. Received: padding={padding!r}")
    (rows_in, columns_in, channels) = check_map(input_shape, "input_shape")
    (rows_out, columns_out, filters) = check_map(output_shape, "output_shape")
    kernel = check_pair(kernel_size, "kernel_size")
    stride = check_pair(strides, "strides")
    fitting = tuple(
        window_output_size(*axis, padding) for axis in zip((rows_in, columns_in), kernel, stride, strict=True)
    )
    if fitting != (rows_out, columns_out):
        raise ValueError(
            f"output_shape must start with {fitting}: kernel_size {kernel}, strides {stride} and "
            f"padding {padding!r} on {rows_in} x {columns_in}. "
            f"Received: output_shape={(rows_out, columns_out, filters)}"
        )
    down = Axis(rows_in, rows_out, kernel[0], stride[0], padding)
    across = Axis(columns_in, columns_out, kernel[1], stride[1], padding)
    return window_slacks(down, across, made=filters, freed=channels).pick(order)[0]


def check_order(order: Any) -> str:
    if order not in ORDERS:
        raise ValueError(f"order must be one of {', '.join(map(repr, ORDERS))}. Received: {order!r}")
    return order


def check_map(shape: Any, name: str) -> tuple[int, int, int]:
    is_map = hasattr(shape, "__len__") and not isinstance(shape, str) and len(shape) == 3
    if not is_map or not all(is_integer(size) and size >= 1 for size in shape):
        raise ValueError(f"{name} must be (rows, columns, channels), positive integers. Received: {shape!r}")
    rows, columns, channels = (int(size) for size in shape)
    return rows, columns, channels
