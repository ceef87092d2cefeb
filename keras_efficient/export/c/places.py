"""Where the pixels of a map lie: the tables and the function of a `Layout`; and where windows do."""

from __future__ import annotations

from dataclasses import dataclass

from keras_efficient.export.c.text import function, stored_type
from keras_efficient.export.integer.windows import Window
from keras_efficient.storage.planner.layouts import Layout


@dataclass(frozen=True)
class Places:
    """The places of a layout's pixels. `name` distinguishes its functions and tables from others."""

    layout: Layout
    name: str

    @property
    def is_row_order(self) -> bool:
        return not any(self.layout.first_columns)

    @property
    def is_column_order(self) -> bool:
        return set(self.layout.first_columns) == {self.layout.columns}

    @property
    def is_alternating(self) -> bool:
        """Row, column, row, column ..."""
        columns = self.layout.columns
        return self.layout.first_columns == tuple(min(row, columns) for row in range(self.layout.rows))

    @property
    def order_name(self) -> str:
        """For people."""
        if self.is_row_order:
            return "row"
        return "column" if self.is_column_order else "alternating" if self.is_alternating else "strips"

    @property
    def needs_function(self) -> bool:
        return not self.is_row_order and not self.is_column_order

    @property
    def needs_tables(self) -> bool:
        return self.needs_function and not self.is_alternating

    def tables(self, is_looked_up: bool) -> list[str]:
        """The tables of the loop; of the function, where pixels are looked up, one more."""
        if not self.needs_tables:
            return []
        columns = table(f"network_first_columns_{self.name}", self.layout.first_columns)
        return [columns, *([table(f"network_first_rows_{self.name}", self.layout.first_rows)] if is_looked_up else [])]

    def function_lines(self) -> list[str]:
        """`network_place_NAME(row, column)`, for the layers that look pixels up."""
        rows, columns = self.layout.rows, self.layout.columns
        before: tuple[str, ...] = ("row", "column + 1")
        if self.needs_tables:
            before = tuple(
                f"NETWORK_TABLE(network_first_{what}s_{self.name}, {at})"
                for what, at in (("column", "row"), ("row", "column"))
            )
        call = f"network_place_in_strips({rows}, {columns}, row, column, {', '.join(before)})"
        return [
            f"/* Where a pixel of a {rows}x{columns} map lies, in pixels: {self.order_name} order. */",
            *function(
                f"static network_index network_place_{self.name}(network_count row, network_count column)",
                [f"return {call};"],
            ),
        ]

    @property
    def reference(self) -> str:
        return f"&network_layout_{self.name}"

    @property
    def finder(self) -> str:
        """The function that finds a pixel in strips, as an argument."""
        return f"network_place_{self.name}" if self.needs_function else "0"

    @property
    def declaration(self) -> str:
        """The layout, as functions in C take it."""
        orders = {"row": "ROWS", "column": "COLUMNS", "alternating": "ALTERNATING", "strips": "STRIPS"}
        columns = f"network_first_columns_{self.name}" if self.needs_tables else "0"
        is_wide = int(max(self.layout.first_columns) > 255)
        numbers = (self.layout.rows, self.layout.columns, f"NETWORK_{orders[self.order_name]}", is_wide, columns)
        return f"static const network_layout network_layout_{self.name} = {{{', '.join(map(str, numbers))}}};"


def table(name: str, numbers: tuple[int, ...]) -> str:
    """A table of numbers in flash."""
    size = stored_type(max(numbers))
    return f"static const {size} {name}[{len(numbers)}] NETWORK_FLASH = {{{', '.join(map(str, numbers))}}};"


def axis_lines(window: Window) -> list[str]:
    """The declarations of a window along both axes."""
    return [axis_line(name, window, axis) for axis, name in enumerate(("rows", "columns"))]


def axis_line(name: str, window: Window, axis: int) -> str:
    """The declaration of a window along an axis."""
    size, before = window.source[axis], window.before[axis]
    over = int(window.reach[axis] > window.spread_source[axis] + before)
    slide = (window.dilation[axis], window.spread[axis])
    numbers = (size, window.sizes[axis], window.strides[axis], before, over, *slide)
    return f"static const network_axis {name} = {{{', '.join(map(str, numbers))}}};"
