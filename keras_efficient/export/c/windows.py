"""C tables of windows over maps."""

from __future__ import annotations

from keras_efficient.export.integer.windows import Window


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
