"""C loops over the places of a window."""

from __future__ import annotations

from keras_efficient.export.c.text import braces, counting, plus, wrapped
from keras_efficient.export.integer.windows import Window


def corner(name: str, window: Window, axis: int) -> str:
    """Row or column of the source where the window of target pixel `name` starts."""
    stride = window.strides[axis]
    return name if stride == 1 else f"({name} * {stride})"


def window_place(window: Window) -> tuple[str, str]:
    """(row, column) of the source at the place (down, across) of the window."""
    names = (("row", "down"), ("column", "across"))
    parts = []
    for axis, (name, offset) in enumerate(names):
        place = corner(name, window, axis) if window.target[axis] > 1 else ""
        if window.sizes[axis] > 1:
            place = f"{place} + {within(offset, window, axis)}" if place else within(offset, window, axis)
        if window.before[axis]:
            place += f" - {window.before[axis]}"
        place = f"({place})" if " " in place else place or "0"
        spread = window.spread[axis]
        parts.append(place if spread == 1 or place == "0" else f"({place} / {spread})")
    return parts[0], parts[1]


def within(name: str, window: Window, axis: int) -> str:
    """Rows or columns from the start of the window to its place `name`."""
    rate = window.dilation[axis]
    return name if rate == 1 else f"{name} * {rate}"


def window_loop(window: Window, lines: list[str], skip: str = "", skip_row: str = "") -> list[str]:
    """`lines` for every place of the window that lies on the map; `skip` and `skip_row` are done
    instead for those outside."""
    across = counting("across", window.sizes[1], [*outside_lines(window, 1, "column", "across", skip), *lines])
    return counting("down", window.sizes[0], [*outside_lines(window, 0, "row", "down", skip_row), *across])


def outside_lines(window: Window, axis: int, name: str, offset: str, skip: str) -> list[str]:
    """Leaves the loop's turn where the window is beside the map, or between its places."""
    before, size, spread = window.before[axis], window.spread_source[axis], window.spread[axis]
    place = f"{corner(name, window, axis)} + {within(offset, window, axis)}"
    conditions = [f"{place} < {before}"] if before else []
    conditions += [f"{place} >= {size + before}"] if window.reach[axis] > size + before else []
    conditions += [f"{wrapped(plus(place, -before))} % {spread} != 0"] if spread > 1 else []
    if not conditions:
        return []
    return braces(f"if ({' || '.join(conditions)})", [*([skip] if skip else []), "continue;"])
