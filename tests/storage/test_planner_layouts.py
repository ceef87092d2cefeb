"""Layouts of maps by strips."""

import itertools

import numpy as np
import pytest
from storage.strip_paths import paths

from keras_efficient.storage.planner.layouts import Layout


def test_layouts_peel_strips():
    for rows, columns in itertools.product(range(1, 6), repeat=2):
        found = [Layout.of(rows, columns, path) for path in paths(rows, columns)]
        assert len({tuple(layout.addresses.ravel()) for layout in found}) == len(found)
        for path, layout in zip(paths(rows, columns), found, strict=True):
            assert layout.path == path
            assert [layout.addresses[pixel] for pixel in peeled(path, rows, columns)] == list(range(rows * columns))
            assert all(layout.address(*pixel) == layout.addresses[pixel] for pixel in np.ndindex(rows, columns))


def peeled(path, rows, columns):
    top = left = 0
    for letter in path + "r":
        if letter == "r":
            yield from ((top, column) for column in range(left, columns))
            top += 1
        else:
            yield from ((row, left) for row in range(top, rows))
            left += 1


@pytest.mark.parametrize(
    "strips, firsts, pattern",
    [
        ("", (0, 0, 0), "row"),
        ("cccc", (4, 4, 4), "column"),
        ("rcrcr", (0, 1, 2), "alternating"),
        ("crcr", (1, 2, 3), "alternating from a column"),
        ("rcc", (0, 2, 2), "strips"),
        ("ccr", (2, 2, 2), "strips"),
        ("rccc", (0, 4, 4), "strips"),
    ],
)
def test_the_patterns_have_simple_numbers(strips, firsts, pattern):
    layout = Layout.of(3, 4, strips)
    assert (layout.first_columns, layout.pattern) == (firsts, pattern)
