"""Orders worth trying: for every map of a chain, the strips that suit one of its layers.

A window frees its source as it makes its target. Followed strip by strip, the target's path tells
how to peel the source: each target row frees the source rows that die with it. A path ends in a
single pixel, so the last target row is made column by column, and so is what is left of the source:
its dead pixels are a prefix at every moment. For windows of stride 1 without padding the memory of
such a pair of layouts is the plain exact liveness of the order.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from keras_efficient.kinds.measures import FeatureMap
from keras_efficient.kinds.steps import Step, WindowStep
from keras_efficient.storage.liveness import Axis, Deaths, Strips, strips_of, switch_peaks
from keras_efficient.storage.planner.layouts import PATTERNS, Layout, path_of
from keras_efficient.storage.planner.occupancy import axes, grid, last_readers

Family = tuple[Layout, ...]  # one layout for every map of the chain
TAILS = ("r", "c")  # how to go on where the target's path has ended


def families(first: FeatureMap, steps: Sequence[Step]) -> Iterator[Family]:
    """Families of layouts that follow one sequence of strips, the simplest ones first; some come twice."""
    shapes = [grid(first), *(grid(step.target) for step in steps)]
    for name in PATTERNS:
        yield tuple(Layout.of(*shape, PATTERNS[name] * sum(shape)) for shape in shapes)
    for position, path in _starting_paths(shapes, steps):
        for tail in TAILS:
            yield follow(position, path, tail, shapes, steps)


def _starting_paths(shapes: list[tuple[int, int]], steps: Sequence[Step]) -> Iterator[tuple[int, str]]:
    """(number of a map, path): the patterns on the last map of the window steps, and for every
    window step the four orders of its target."""
    windows = {number: step for number, step in enumerate(steps, start=1) if isinstance(step, WindowStep)}
    for number in list(windows)[-1:]:
        yield from ((number, path_of(*shapes[number], strips * sum(shapes[number]))) for strips in PATTERNS.values())
    for number, step in windows.items():
        yield from ((number, path_of(*shapes[number], strips)) for strips in four_orders(step))


def four_orders(step: WindowStep) -> list[str]:
    """Row, column, the best order with one switch, and herringbone (see `storage.liveness`)."""
    rows, columns = axes(step)
    made, freed = step.target.pixel_bits, step.source.pixel_bits
    down, across = Deaths.along(rows), Deaths.along(columns)
    row_strips = strips_of(down, across, columns.kernel, made, freed, step.cell_by_cell)
    column_strips = strips_of(across, down, rows.kernel, made, freed, step.cell_by_cell)
    rows_first = switch_peaks(row_strips, column_strips, made, freed)
    columns_first = switch_peaks(column_strips, row_strips, made, freed)
    if rows_first.min() <= columns_first.min():
        transpose = "r" * int(rows_first.argmin()) + "c" * columns.outputs
    else:
        transpose = "c" * int(columns_first.argmin()) + "r" * rows.outputs
    return ["r" * rows.outputs, "c" * columns.outputs, transpose, herringbone(row_strips, column_strips, made, freed)]


def herringbone(rows: Strips, columns: Strips, made: int, freed: int) -> str:
    """The strips that `liveness.herringbone_peak` takes."""
    strips, i, j = "", 0, 0
    while i < len(rows.climbs) and j < len(columns.climbs):
        by_row = rows.rating(j, made, freed) <= columns.rating(i, made, freed)
        strips += "r" if by_row else "c"
        i, j = (i + 1, j) if by_row else (i, j + 1)
    return strips


def follow(number: int, path: str, tail: str, shapes: Sequence[tuple[int, int]], steps: Sequence[Step]) -> Family:
    """Map `number` lies along `path`, all maps before and after it accordingly."""
    paths = {number: path}
    for k in range(number - 1, -1, -1):
        paths[k] = source_path(steps[k], paths[k + 1], tail, shapes[k])
    for k in range(number, len(steps)):
        paths[k + 1] = target_path(steps[k], paths[k], shapes[k + 1])
    return tuple(Layout.of(*shape, paths[k]) for k, shape in enumerate(shapes))


def source_path(step: Step, path: str, tail: str, shape: tuple[int, int]) -> str:
    """How the source is used up by a target made along `path`."""
    if not isinstance(step, WindowStep):
        return path_of(*shape, path + tail * sum(shape))
    rows, columns = (_used_up(axis) for axis in axes(step))
    strips, i, j = "", 0, 0
    for letter in path:
        if letter == "r":
            strips, i = strips + "r" * (rows[i + 1] - rows[i]), i + 1
        else:
            strips, j = strips + "c" * (columns[j + 1] - columns[j]), j + 1
    return path_of(*shape, strips + tail * sum(shape))


def target_path(step: Step, path: str, shape: tuple[int, int]) -> str:
    """The target's path whose strips become possible as the source is peeled along `path`."""
    if not isinstance(step, WindowStep):
        return path_of(*shape, path)
    rows, columns = (_used_up(axis) for axis in axes(step))
    strips, i, j, top, left = "", 0, 0, 0, 0
    for letter in path:
        top, left = (top + 1, left) if letter == "r" else (top, left + 1)
        while i < shape[0] - 1 and rows[i + 1] <= top:
            strips, i = strips + "r", i + 1
        while j < shape[1] - 1 and columns[j + 1] <= left:
            strips, j = strips + "c", j + 1
    return path_of(*shape, strips)


def _used_up(axis: Axis) -> list[int]:
    """[i]: source positions that are past once output i - 1 is done."""
    last = last_readers(axis)
    return [
        0,
        *(1 + int(np.flatnonzero((last >= 0) & (last <= output)).max(initial=-1)) for output in range(axis.outputs)),
    ]
