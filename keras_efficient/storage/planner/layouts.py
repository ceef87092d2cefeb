"""`Layout`: the order in which the pixels of a map lie in memory, by strips."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, chain, repeat

import numpy as np

CACHED_LAYOUTS = 1 << 10
PATTERNS = {"row": "r", "column": "c", "alternating": "rc", "alternating from a column": "cr"}


@dataclass(frozen=True)
class Layout:
    """The pixels of a map in strips that peel it from its top left corner: whole rows from the top,
    whole columns from the left, each starting after what is already peeled.

    `first_columns[r]` is the number of columns peeled before row r: row strip r holds the pixels
    (r, first_columns[r]) to (r, columns - 1), unless it is empty. The numbers never fall from row to
    row. All 0: row order. All `columns`: column order. 0, 1, 2 ...: row, column, row, column ...

    Several tuples can mean the same order, as the last row may be peeled pixel by pixel too;
    `Layout.of` always gives the same one of them.
    """

    columns: int
    first_columns: tuple[int, ...]

    @classmethod
    def of(cls, rows: int, columns: int, strips: str) -> Layout:
        """The layout of a map peeled by `strips`: text of "r" and "c". What lies after the end of
        the text goes by rows; letters too many do nothing."""
        return _layout_along(rows, columns, path_of(rows, columns, strips))

    @classmethod
    def by_rows(cls, rows: int, columns: int) -> Layout:
        return cls.of(rows, columns, "")

    @property
    def rows(self) -> int:
        return len(self.first_columns)

    @cached_property
    def path(self) -> str:
        """The strips down to the last pixel: text of rows - 1 "r" and columns - 1 "c"."""
        rises = np.diff(self.first_columns, prepend=0)
        strips = "".join("c" * int(rise) + "r" for rise in rises) + "c" * (self.columns - self.first_columns[-1])
        return path_of(self.rows, self.columns, strips)

    @cached_property
    def pattern(self) -> str:
        """The name of the rule that gives this order, "strips" where there is none."""
        return next((name for name in PATTERNS if self.path == _pattern_path(self.rows, self.columns, name)), "strips")

    @cached_property
    def first_rows(self) -> tuple[int, ...]:
        """For each column, the number of rows peeled before it."""
        firsts = np.asarray(self.first_columns)
        return tuple(int(np.searchsorted(firsts, column, side="right")) for column in range(self.columns))

    def address(self, row: int, column: int) -> int:
        """Place of a pixel, from 0: the pixels peeled before its strip, and its place in the strip."""
        first = self.first_columns[row]
        if column >= first:
            return row * self.columns + first * (self.rows - row) + column - first
        first = self.first_rows[column]
        return first * self.columns + column * (self.rows - first) + row - first

    @cached_property
    def addresses(self) -> np.ndarray:
        """(rows, columns): the place of each pixel."""
        row, column = np.ogrid[: self.rows, : self.columns]
        lefts, tops = np.asarray(self.first_columns)[:, None], np.asarray(self.first_rows)[None, :]
        in_row_strip = row * self.columns + lefts * (self.rows - row) + column - lefts
        in_column_strip = tops * self.columns + column * (self.rows - tops) + row - tops
        return np.where(column >= lefts, in_row_strip, in_column_strip)

    def cells(self, channels: int) -> np.ndarray:
        """For each cell of a map of so many channels, as it lies, the cell by rows."""
        return (self.order[:, None] * channels + np.arange(channels)).ravel()

    @cached_property
    def order(self) -> np.ndarray:
        """For each place, the pixel that lies there, counted by rows."""
        pixels = np.empty(self.addresses.size, dtype=np.int64)
        pixels[self.addresses.ravel()] = np.arange(pixels.size)
        return pixels


def path_of(rows: int, columns: int, strips: str) -> str:
    """`strips` down to the last pixel. A last row is peeled by columns and a last column by rows, so
    every order has exactly one path."""
    path: list[str] = []
    downs, acrosses = rows - 1, columns - 1
    for letter in chain(strips, repeat("r")):
        if not downs or not acrosses:
            return "".join(path) + "r" * downs + "c" * acrosses
        path.append(letter)
        downs, acrosses = (downs - 1, acrosses) if letter == "r" else (downs, acrosses - 1)
    raise AssertionError("the strips go on for ever")


@lru_cache(maxsize=CACHED_LAYOUTS)
def _layout_along(rows: int, columns: int, path: str) -> Layout:
    """The layout of a path. The four patterns keep their simple numbers; elsewhere the last row is a
    row strip, and the last column a column strip."""
    name = next((name for name in PATTERNS if path == _pattern_path(rows, columns, name)), None)
    if name is not None:
        start, rise = {"row": (0, 0), "column": (columns, 0), "alternating": (0, 1)}.get(name, (1, 1))
        return Layout(columns, tuple(min(start + rise * row, columns) for row in range(rows)))
    lefts = accumulate(map(len, path.split("r")[:-1]))  # for each "r", the number of "c" before it
    firsts = [columns if left >= columns - 1 else left for left in lefts]
    return Layout(columns, (*firsts, firsts[-1]))


@lru_cache(maxsize=CACHED_LAYOUTS)
def _pattern_path(rows: int, columns: int, name: str) -> str:
    return path_of(rows, columns, PATTERNS[name] * (rows + columns))
