"""The columns of a CSV file as arrays: numbers as they are, text as one-hot columns."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_efficient.outside_files import check_plain_file

MOST_TEXTS = 100
# Different whole numbers that are surely classes.
MOST_NUMBERED = 20
_MANY_NUMBERS = 10  # different ones, of which more than half of a column of text does not consist
_WITH_COMMA = re.compile(r"[+-]?[\d.]*(,\d+)+(\.\d*)?")
_DELIMITERS = ",;\t"
_MISSING = ("", "na", "n/a", "nan", "null", "none", "?")


def read_columns(path: Path) -> dict[str, list[str]]:
    """The cells of each column, by the names in the first line; cells are separated by comma, semicolon or tab.

    A ValueError says where: no text, no names, rows of other lengths, missing values.
    """
    check_plain_file(path, "table")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            lines = csv.reader(file, delimiter=max(_DELIMITERS, key=first.count), strict=True)
            names = [name.strip() for name in next(lines, [])]
            wrong = [name for name in names if not name or _number(name) is not None or names.count(name) > 1]
            if len(names) < 2 or wrong:
                raise ValueError(
                    f"the first line of {path} must name the columns, two or more: different names that are no "
                    f"numbers. Received: {', '.join(map(repr, names))[:300] or 'nothing'}"
                )
            rows = list(_checked_rows(path, lines, names))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no table of text in UTF-8, cells with commas between: {error}") from None
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def _checked_rows(path: Path, lines: Any, names: list[str]) -> Iterator[list[str]]:
    number = 0
    for cells in lines:
        if not cells:  # an empty line
            continue
        number += 1
        place = f"row {number} of {path} (line {lines.line_num})"
        if len(cells) != len(names):
            raise ValueError(f"{place} must have {len(names)} cells, as the first line has. Received: {len(cells)}")
        row = [cell.strip() for cell in cells]
        missing = [name for name, cell in zip(names, row, strict=True) if cell.lower() in _MISSING]
        if missing:
            raise ValueError(f"{place} has no value in the column {missing[0]!r}: fill it in, or leave the row out")
        yield row


def input_columns(path: Path, columns: dict[str, list[str]]) -> tuple[np.ndarray, tuple[str, ...]]:
    """float32 (rows, inputs) and a name for each: that of the column, of text COLUMN=TEXT, texts in sorted order."""
    named: dict[str, np.ndarray] = {}
    for name, cells in columns.items():
        numbers = _as_numbers(path, name, cells)
        if numbers is not None:
            named[name] = numbers
            continue
        _check_texts(path, name, cells)
        texts = np.unique(cells)
        if len(texts) > MOST_TEXTS:
            other = next(cell for cell in cells if _number(cell) is None)
            raise ValueError(
                f"the column {name!r} of {path} must hold numbers, or at most {MOST_TEXTS} different texts. "
                f"Received: {len(texts)}, such as {other!r}; leave it out, or mend it"
            )
        named |= {f"{name}={text}": np.asarray(cells) == text for text in texts}
    return np.stack([column.astype("float32") for column in named.values()], axis=1), tuple(named)


def target_column(path: Path, name: str, cells: Sequence[str]) -> np.ndarray:
    """int64 where all cells are whole numbers as they are written, or few different ones; other numbers as float32,
    or texts."""
    numbers = _as_numbers(path, name, cells)
    if numbers is None:
        _check_commas(path, name, cells)
        return np.asarray(cells)
    whole = all(cell.lstrip("+-").isdigit() for cell in cells) and np.abs(numbers).max() < 2**53
    return numbers.astype("int64" if whole or are_few_whole(numbers) else "float32")


def are_few_whole(numbers: np.ndarray) -> bool:
    """Whether numbers are whole, with few different ones: classes, even when they are written 0.0 and 1.0."""
    return bool(np.array_equal(numbers, np.round(numbers)) and len(np.unique(numbers)) <= MOST_NUMBERED)


def _check_texts(path: Path, name: str, cells: Sequence[str]) -> None:
    """A ValueError for a column of numbers in which some cells are no numbers: it is not meant as text."""
    _check_commas(path, name, cells)
    known = [_number(cell) is not None for cell in cells]
    numbers = {cell for cell, is_number in zip(cells, known, strict=True) if is_number}
    if sum(known) > len(cells) / 2 and len(numbers) >= _MANY_NUMBERS:
        row = known.index(False)
        raise ValueError(
            f"row {row + 1} of {path} must hold a number in the column {name!r}, as most rows do. "
            f"Received: {cells[row]!r}; mend it, or leave the row out"
        )


def _check_commas(path: Path, name: str, cells: Sequence[str]) -> None:
    """A ValueError where what is no number has a comma where others write a point."""
    texts = [cell for cell in cells if _number(cell) is None]
    if all(map(_WITH_COMMA.fullmatch, texts)):
        raise ValueError(
            f"the column {name!r} of {path} must hold numbers with a decimal point and no other commas. "
            f"Received: {texts[0]!r}"
        )


def _as_numbers(path: Path, name: str, cells: Sequence[str]) -> np.ndarray | None:
    """A column as float64; None where a cell is text. What float32 cannot hold is refused."""
    numbers = [_number(cell) for cell in cells]
    if None in numbers:
        return None
    column = np.array(numbers, "float64")
    with np.errstate(over="ignore"):
        infinite = ~np.isfinite(column.astype("float32"))
    if infinite.any():
        row = int(infinite.argmax())
        raise ValueError(
            f"row {row + 1} of {path} must hold a finite number in the column {name!r}. Received: {cells[row]}"
        )
    return column


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)  # Python takes 1_2 for 12
    except ValueError:
        return None
