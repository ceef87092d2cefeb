"""exact_slack against the golden cases and against a simulator that knows no formula."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_efficient.descriptions import window_output_size
from keras_efficient.storage import exact_slack
from keras_efficient.storage.live_bits import residual_slack
from keras_efficient.storage.liveness import ORDERS, Axis, window_slacks

# The simulator keeps the set of live pixels and steps through time; it knows no strips, no closed forms.


def padding_before(size, outputs, kernel, stride, padding):
    return max((outputs - 1) * stride + kernel - size, 0) // 2 if padding == "same" else 0


def read_pixels(size_in, size_out, kernel, strides, padding, output):
    """Input pixels that the window of one output pixel reads."""
    ranges = []
    for d in (0, 1):
        before = padding_before(size_in[d], size_out[d], kernel[d], strides[d], padding)
        start = output[d] * strides[d] - before
        ranges.append(range(max(start, 0), min(start + kernel[d], size_in[d])))
    return set(itertools.product(*ranges))


def peak_above_input(size_in, made, freed, windows, release_first=False):
    """Peak above the input map for output pixels made in the order of `windows`.

    windows: for each output pixel in order, the set of input pixels that it reads.
    """
    still_to_read = [set().union(*windows[t + 1 :]) for t in range(len(windows))]
    live = set().union(*windows)  # what nobody reads is free from the start
    peak = -(10**18)
    for t, window in enumerate(windows):
        dying = (live & window) - still_to_read[t]
        if release_first:
            live -= dying
        peak = max(peak, made * (t + 1) + freed * len(live))
        live -= dying
    return peak - freed * size_in[0] * size_in[1]


def row_order(rows, columns):
    return list(itertools.product(range(rows), range(columns)))


def column_order(rows, columns):
    return [(i, j) for j in range(columns) for i in range(rows)]


def strip_order(strips, rows, columns):
    """strips: text of "r" and "c", each the next row or column of what is left."""
    order, top, left = [], 0, 0
    for strip in strips:
        if strip == "r":
            order += [(top, j) for j in range(left, columns)]
            top += 1
        else:
            order += [(i, left) for i in range(top, rows)]
            left += 1
    return order


def one_switch_orders(rows, columns):
    """Every order that makes some rows and then columns, or some columns and then rows."""
    yield from (strip_order("r" * x + "c" * columns, rows, columns) for x in range(rows + 1))
    yield from (strip_order("c" * x + "r" * rows, rows, columns) for x in range(columns + 1))


def herringbone_order(rows, columns, kernel, made, freed):
    strips, top, left = "", 0, 0
    while top < rows and left < columns:
        row = (columns - left) * (made - freed) - (kernel[1] - 1) * freed
        column = (rows - top) * (made - freed) - (kernel[0] - 1) * freed
        strips += "r" if row <= column else "c"
        top, left = strips.count("r"), strips.count("c")
    return strip_order(strips, rows, columns)


def neighbours(rows, columns, place):
    i, j = place
    return {(a, b) for a in range(max(i - 1, 0), min(i + 2, rows)) for b in range(max(j - 1, 0), min(j + 2, columns))}


def residual_peak_above_input(rows, columns, inner, made, freed):
    """Peak of a residual block: y in row order, each z as soon as it can be made."""
    places = row_order(rows, columns)
    x, y, waiting, done = set(places), set(), list(places), set()
    made_inner = set()
    peak = 0

    def level():
        return freed * len(x) + inner * len(y) + made * len(done)

    for place in places:
        y.add(place)
        made_inner.add(place)
        peak = max(peak, level())
        for output in [p for p in waiting if neighbours(rows, columns, p) <= made_inner]:
            waiting.remove(output)
            done.add(output)
            peak = max(peak, level())
            needed = set().union(*(neighbours(rows, columns, p) for p in waiting)) if waiting else set()
            y &= needed | (set(places) - made_inner)
            inner_left = [p for p in places if p not in made_inner]
            read_later = set().union(*(neighbours(rows, columns, p) for p in inner_left), waiting)
            x &= read_later
    return peak - freed * rows * columns


NOT_COMPUTED = -999999
STUDY_CONVOLUTIONS = [
    ((14, 14, 1), (12, 12, 5), {"best": 533}),
    (
        (12, 12, 5),
        (10, 10, 8),
        {"row": 195, "transpose": 153, "herringbone": 149, "best": 149},
    ),
    (
        (10, 10, 8),
        (8, 8, 11),
        {"row": 80, "transpose": 48, "herringbone": 46, "best": 46},
    ),
]


def golden_cases(golden):
    cases = dict(np.load(golden("exact_slack.npz")))
    for n, case in enumerate(cases["case"].tolist()):
        yield (case[:3], case[3:6], case[6:8], case[8:]), {name: cases[name][n] for name in cases}


@pytest.mark.parametrize("order", [order for order in ORDERS if order != "best"])
def test_every_golden_case(golden, order):
    wrong = [
        arguments
        for arguments, expected in golden_cases(golden)
        if exact_slack(*arguments, order=order) != expected[order]
    ]
    assert wrong == []


def test_best_is_the_smallest_golden_value_and_the_optimum_where_it_is_known(golden):
    compared = 0
    for arguments, expected in golden_cases(golden):
        best = exact_slack(*arguments)
        assert best == min(expected[order] for order in ORDERS if order != "best")
        if expected["optimum"] != NOT_COMPUTED:
            assert best == expected["optimum"]
            compared += 1
    assert compared > 100


@pytest.mark.parametrize(("input_shape", "output_shape", "expected"), STUDY_CONVOLUTIONS)
def test_the_studys_convolutions(input_shape, output_shape, expected):
    slacks = {order: exact_slack(input_shape, output_shape, 3, 1, order) for order in expected}
    assert slacks == expected


@st.composite
def windows(draw):
    """Sizes, kernel, strides and padding of a window that fits somewhere."""
    padding = draw(st.sampled_from(["valid", "same"]))
    size = (draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    limits = size if padding == "valid" else (6, 6)
    kernel = tuple(draw(st.integers(1, limit)) for limit in limits)
    strides = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    outputs = tuple(window_output_size(size[d], kernel[d], strides[d], padding) for d in (0, 1))
    return size, outputs, kernel, strides, padding


def simulated(window, orders, made, freed, release_first=False):
    size, outputs, kernel, strides, padding = window
    return min(
        peak_above_input(
            size,
            made,
            freed,
            [read_pixels(size, outputs, kernel, strides, padding, pixel) for pixel in order],
            release_first,
        )
        for order in orders
    )


def simulated_orders(window, made, freed):
    _, (rows, columns), kernel, _, _ = window
    return {
        "row": [row_order(rows, columns)],
        "column": [column_order(rows, columns)],
        "transpose": list(one_switch_orders(rows, columns)),
        "herringbone": [herringbone_order(rows, columns, kernel, made, freed)],
    }


@settings(max_examples=150)
@given(windows(), st.integers(1, 6), st.integers(1, 6))
def test_it_equals_the_simulator(window, filters, channels):
    size, outputs, kernel, strides, padding = window
    shapes = ((*size, channels), (*outputs, filters))
    for order, orders in simulated_orders(window, filters, channels).items():
        expected = simulated(window, orders, filters, channels)
        assert exact_slack(*shapes, kernel, strides, order, padding=padding) == expected


@settings(max_examples=80)
@given(windows(), st.integers(1, 24), st.integers(1, 24))
def test_releasing_first_equals_the_simulator(window, made, freed):
    size, outputs, kernel, strides, padding = window
    axes = [Axis(size[d], outputs[d], kernel[d], strides[d], padding) for d in (0, 1)]
    slacks = window_slacks(*axes, made, freed, release_first=True)
    for order, orders in simulated_orders(window, made, freed).items():
        expected = simulated(window, orders, made, freed, release_first=True)
        assert getattr(slacks, order) == expected


@settings(max_examples=60)
@given(*[st.integers(1, 6)] * 5)
def test_the_residual_block_equals_the_simulator(rows, columns, inner, made, freed):
    expected = residual_peak_above_input(rows, columns, inner, made, freed)
    assert residual_slack(rows, columns, inner, made, freed, "row") == (expected, "row")
    transposed = residual_peak_above_input(columns, rows, inner, made, freed)
    assert residual_slack(rows, columns, inner, made, freed, "column") == (transposed, "column")
    assert residual_slack(rows, columns, inner, made, freed, "best")[0] == min(expected, transposed)


@pytest.mark.parametrize("columns", [3, 5, 14, 32])
def test_the_residual_block_needs_two_rows_and_four_pixels(columns):
    assert residual_slack(columns, columns, 7, 7, 7, "row") == ((2 * columns + 4) * 7, "row")


def test_the_unit_does_not_matter():
    axes = (Axis(9, 7, 3, 1, "valid"), Axis(8, 6, 3, 1, "valid"))
    in_cells = window_slacks(*axes, made=8, freed=5)
    assert window_slacks(*axes, made=32, freed=20) == tuple(4 * slack for slack in in_cells)


def test_transposing_everything_swaps_rows_and_columns():
    first = exact_slack((9, 5, 3), (7, 2, 4), (3, 4), (1, 1), order="row")
    assert exact_slack((5, 9, 3), (2, 7, 4), (4, 3), (1, 1), order="column") == first


def test_large_maps_are_priced_without_delay():
    assert exact_slack((226, 226, 64), (224, 224, 64), 3, 1) > 0


WRONG_ARGUMENTS = [
    (((5, 5, 1), (4, 3, 2), 3, 1), r"output_shape must start with \(3, 3\).*\(4, 3, 2\)"),
    (((5, 5), (3, 3, 2), 3, 1), r"input_shape must be \(rows, columns, channels\)"),
    (((5, 5, 0), (3, 3, 2), 3, 1), "input_shape"),
    (((5, 5, 1), (3, 3, 2.0), 3, 1), "output_shape"),
    (((5, 5, 1), (3, 3, 2), 3.5, 1), "kernel_size must be an integer.*fractional"),
    (((5, 5, 1), (3, 3, 2), (3, 3, 3), 1), "kernel_size must be an integer or a pair"),
    (((5, 5, 1), (3, 3, 2), 3, 0), "strides must be at least 1"),
    (((5, 5, 1), (3, 3, 2), 3, 1, "zigzag"), "`order` must be one of 'row', 'column'"),
    (((5, 5, 1), (3, 3, 2), 3, 1, "row", "full"), "`padding` must be one of 'valid', 'same'"),
    (((6, 6, 1), (4, 4, 1), 3, 1, "row", 3), "`padding` must be one of 'valid', 'same'. Received: padding=3"),
    (((10**6, 10**6, 1), (10**6, 10**6, 2), 1, 1), "too large"),
    (((5, 5, 10**30), (3, 3, 2), 3, 1), "too large"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG_ARGUMENTS)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        exact_slack(*arguments)
