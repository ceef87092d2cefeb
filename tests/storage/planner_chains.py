"""Chains of steps for the planner, random and written out."""

from keras_efficient.descriptions import window_output_size
from keras_efficient.kinds.measures import FeatureMap
from keras_efficient.kinds.steps import CellStep, ResidualStep, WholeStep, WindowStep
from keras_efficient.storage.planner.layouts import Layout
from keras_efficient.storage.planner.occupancy import grid, step_need

BITS = (1, 2, 3, 4, 5, 6, 7, 8)
KINDS = ("conv", "conv", "conv", "pool", "depthwise", "cells", "residual")


def random_network(draw, kinds=KINDS, plain=False, longest=9, bits=BITS):
    """(first map, steps). draw: a `random.Random`. `plain`: windows of stride 1 without padding only,
    sometimes dense at the end."""
    shape = (draw.randint(1, longest), draw.randint(1, longest), draw.randint(1, 4))
    first = source = FeatureMap(shape, draw.choice(bits))
    steps = []
    for _ in range(draw.randint(0, 4)):
        steps.append(random_step(draw, source, draw.choice(kinds), plain, bits))
        source = steps[-1].target
    if steps and draw.random() < 0.5:
        steps.append(WholeStep(source, FeatureMap((1, 1, draw.randint(1, 6)), 8)))
    return with_logits(first, steps)


def with_logits(first, steps):
    """The last map has cells of 16 bits."""
    if not steps:
        return first._replace(bits=16), []
    last = steps[-1]
    changed = {**vars(last), "target": last.target._replace(bits=16)}
    return first, [*steps[:-1], type(last)(**changed)]


def random_step(draw, source, kind, plain, bits):
    rows, columns, channels = source.shape
    width = draw.choice(bits)
    if kind == "cells":
        return CellStep(source, FeatureMap(source.shape, width))
    if kind == "residual":
        return ResidualStep(source, FeatureMap(source.shape, width), draw.choice(bits))
    padding = "valid" if plain else draw.choice(("valid", "same"))
    limits = (rows, columns) if padding == "valid" else (5, 5)
    kernel = tuple(draw.randint(1, min(limit, 4)) for limit in limits)
    strides = (1, 1) if plain else tuple(draw.choice((1, 1, 2, 3)) for _ in limits)
    sizes = [window_output_size(source.shape[d], kernel[d], strides[d], padding) for d in (0, 1)]
    made = channels if kind != "conv" else draw.randint(1, 8)
    return WindowStep(source, FeatureMap((*sizes, made), width), kernel, strides, padding, kind != "conv")


def window(source, kernel, made, stride=1, bits=4, padding="valid", cell_by_cell=False):
    """A window step with a square kernel."""
    sizes = [window_output_size(size, kernel, stride, padding) for size in source.shape[:2]]
    target = FeatureMap((*sizes, made), bits)
    return WindowStep(source, target, (kernel, kernel), (stride, stride), padding, cell_by_cell)


def study_network():
    """The 2 KB network after its pooled input: the first map is 14 x 14 x 1, all cells have 4 bits."""
    first = FeatureMap((14, 14, 1), 4)
    steps = [window(first, 3, 5)]
    steps += [window(steps[-1].target, 3, 8)]
    steps += [window(steps[-1].target, 3, 11)]
    steps += [window(steps[-1].target, 2, 11, stride=2, cell_by_cell=True)]
    return first, [*steps, WholeStep(steps[-1].target, FeatureMap((1, 1, 10), 16))]


def ping_pong_bits(first, steps):
    """Arena of the published alternative: row order, and nothing is ever moved. Odd steps run
    forward, from the top of the arena to its bottom; even steps backward, from the bottom to the top.
    (As published, it holds the sums of one pixel outside of the arena and needs a pixel less in it.)

    `plan_arena` never needs more. Row order for all maps is one of its choices, with the same need
    for every step forward. A step backward is the step turned by half a turn. That changes nothing
    but the zeros before the map, where the larger half now comes first, so pixels die later; and the
    rows and columns at the far end that no window reads, which are now free from the start. Forward
    they are the end of the source, and `PlacedStep.kept_pixels` leaves them out.
    """
    bits = [first.total_bits]
    for number, step in enumerate(steps):
        source, target = (Layout.by_rows(*grid(each)) for each in (step.source, step.target))
        need = step_need(step, source, target, from_the_end=number % 2 == 1)
        bits.append(need._replace(kept=source.rows * source.columns).bits(step))
    return max(bits)
