"""The closed formulas of 2019 for the memory a convolution needs beyond its input, faults included.

Kept for parity with the published numbers. For the true value use `exact_slack`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keras_efficient.checks import one_of


@dataclass(frozen=True)
class ConvolutionSizes:
    """Sizes of a convolution. `fa` and `fb` of the paper are `channels` and `filters`."""

    rows_in: int
    columns_in: int
    channels: int
    rows: int
    columns: int
    filters: int
    kernel_rows: int
    kernel_columns: int
    stride_rows: int
    stride_columns: int

    @property
    def growth(self) -> int:
        """Cells that each output pixel adds once the input pixel it replaces is gone."""
        return self.filters - self.channels

    def transposed(self) -> ConvolutionSizes:
        source, target = (self.columns_in, self.rows_in, self.channels), (self.columns, self.rows, self.filters)
        window = (self.kernel_columns, self.kernel_rows, self.stride_columns, self.stride_rows)
        return ConvolutionSizes(*source, *target, *window)

    def prefers_columns(self, rows: int, columns: int) -> bool:
        """Whether a column of the remaining `rows` x `columns` outputs adds less than a row of
        them."""
        return columns + (self.kernel_rows - self.kernel_columns) * self.channels / self.growth > rows

    def row_cost(self, columns: int) -> int:
        """Cells that a row of `columns` outputs adds: every input above it is gone but for the
        window's reach."""
        return columns * self.growth - (self.kernel_columns - 1) * self.channels

    def column_cost(self, rows: int) -> int:
        return rows * self.growth - (self.kernel_rows - 1) * self.channels


def convolution_slack(
    input_shape: Sequence[int],
    output_shape: Sequence[int],
    kernel_size: Sequence[int],
    strides: Sequence[int],
    convolution_strategy: str,
) -> float:
    """Cells beyond the input map, by the formulas of 2019.

    Args:
        input_shape, output_shape: (rows, columns, channels).
        kernel_size, strides: (rows, columns).
        convolution_strategy: "naive" | "normal" | "transpose" | "herringbone".

    Known faults, kept: "naive" divides the output size, already strided, by the strides again; no
    slack where filters <= channels * strides; strided convolutions are guessed; "normal" and
    "transpose" can be negative; "transpose" divides by an output size of 0 (ZeroDivisionError).

    Source: Gural & Murmann, ICML 2019.
    """
    one_of(convolution_strategy, "convolution_strategy", STRATEGIES)
    sizes = ConvolutionSizes(*input_shape, *output_shape, *kernel_size, *strides)
    if convolution_strategy == "naive":
        return (sizes.rows // sizes.stride_rows) * (sizes.columns // sizes.stride_columns) * sizes.filters
    if sizes.filters <= sizes.channels * sizes.stride_rows * sizes.stride_columns:
        return 0
    if (sizes.stride_rows, sizes.stride_columns) != (1, 1):
        return strided(sizes)
    if sizes.prefers_columns(sizes.rows, sizes.columns):
        sizes = sizes.transposed()
    return STRATEGIES[convolution_strategy](sizes)


def strided(sizes: ConvolutionSizes) -> int:
    cells_in = sizes.rows_in * sizes.columns_in * sizes.channels
    cells_out = sizes.rows * sizes.columns * sizes.filters
    return max(0, cells_out - cells_in) + sizes.kernel_columns * sizes.channels


def normal(sizes: ConvolutionSizes) -> int:
    row = sizes.columns * sizes.filters - sizes.columns_in * sizes.channels
    return sizes.rows * row + sizes.kernel_columns * sizes.channels


def transpose(sizes: ConvolutionSizes) -> int:
    """Rows, then columns: the better of the two switches at which the cost of a column changes its
    sign."""
    if sizes.columns == 0:
        # The 2019 code divides by it in a consistency check that it then only prints.
        raise ZeroDivisionError("division by zero: the output has no columns")
    reach = (sizes.kernel_rows - 1) * sizes.channels
    switch = reach // sizes.growth
    early = (sizes.rows - switch) * sizes.row_cost(sizes.columns) + sizes.kernel_columns * sizes.channels
    late = (sizes.rows - switch - 1) * sizes.row_cost(sizes.columns)
    late += sizes.columns * sizes.column_cost(switch + 1) + sizes.kernel_rows * sizes.channels
    return min(early, late)


def herringbone(sizes: ConvolutionSizes) -> int:
    """A row or a column each time, whichever adds less; what would be negative counts 0."""
    rows, columns, cost, last_window = sizes.rows, sizes.columns, 0, 0
    while rows > 0 and columns > 0:
        if sizes.prefers_columns(rows, columns):
            cost += max(0, sizes.column_cost(rows))
            last_window = sizes.kernel_rows * sizes.channels
            columns -= 1
        else:
            cost += max(0, sizes.row_cost(columns))
            last_window = sizes.kernel_columns * sizes.channels
            rows -= 1
    return cost + last_window


STRATEGIES: dict[str, Callable[[ConvolutionSizes], int]] = {
    "naive": lambda sizes: 0,  # decided before the orders come into play
    "normal": normal,
    "transpose": transpose,
    "herringbone": herringbone,
}
