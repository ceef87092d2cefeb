"""Runs a plan of the arena cell by cell. Every bit remembers which value it holds; every read must
find its value. Knows no layouts' theory, no liveness and no prefix."""

import itertools

import numpy as np

from keras_efficient.kinds.steps import CellStep, ResidualStep, WholeStep

EMPTY, LINES = -1, -2


class Overwritten(AssertionError):
    """A value was read that is not there any more."""


class Arena:
    def __init__(self, bits):
        self.bits = np.full(bits, EMPTY)

    def write(self, offset, bits, value):
        self.check_place(offset, bits)
        self.bits[offset : offset + bits] = value

    def read(self, offset, bits, value):
        self.check_place(offset, bits)
        if (self.bits[offset : offset + bits] != value).any():
            raise Overwritten(f"value {value} at bit {offset}")

    def check_place(self, offset, bits):
        assert offset >= 0 and offset + bits <= len(self.bits), "outside of the arena"
        if bits in (1, 2, 4, 8):
            assert offset // 8 == (offset + bits - 1) // 8, "a cell straddles bytes"
        assert bits != 16 or offset % 8 == 0, "a cell of 16 bits starts within a byte"


class PlacedMap:
    """A map in the arena: its cells and where they lie. `number` tells the maps apart."""

    def __init__(self, arena, feature_map, number, offset, layout):
        self.arena, self.map, self.number, self.offset = arena, feature_map, number, offset
        self.places = {pixel: layout.address(*pixel) for pixel in pixels_of(feature_map)}
        self.order = sorted(self.places, key=self.places.get)
        assert sorted(self.places.values()) == list(range(len(self.places)))

    def value(self, pixel, channel):
        row, column = pixel
        return ((self.number * 1000 + row) * 1000 + column) * 1000 + channel

    def where(self, pixel, channel):
        return self.offset + self.places[pixel] * self.map.pixel_bits + channel * self.map.bits

    def read(self, pixel, channel):
        self.arena.read(self.where(pixel, channel), self.map.bits, self.value(pixel, channel))

    def write(self, pixel, channel):
        self.arena.write(self.where(pixel, channel), self.map.bits, self.value(pixel, channel))

    @property
    def channels(self):
        return range(self.map.shape[-1])


def pixels_of(feature_map):
    sizes = feature_map.shape[:2] if len(feature_map.shape) == 3 else (1, 1)
    return list(itertools.product(*map(range, sizes)))


def simulate(plan, first, line_bits=0):
    """Raises `Overwritten` where a value is gone before its last reader."""
    arena = Arena(plan.arena_bytes * 8)
    current = PlacedMap(arena, first, 0, plan.first_offset, plan.first_layout)
    assert plan.lines_offset % 8 == 0 or not line_bits
    assert plan.lines_offset + line_bits <= len(arena.bits)
    arena.bits[plan.lines_offset : plan.lines_offset + line_bits] = LINES
    for pixel, channel in itertools.product(pixels_of(first), current.channels):
        current.write(pixel, channel)
    assert (arena.bits[plan.lines_offset : plan.lines_offset + line_bits] == LINES).all(), "running sums overwritten"
    for placed in plan.steps:
        current = run_step(arena, placed, current)
    if plan.final_relayout:
        current = permute(arena, current, natural(current.map))
    check_result(current)


def run_step(arena, placed, current):
    assert (current.map, current.offset) == (placed.step.source, placed.arrives_at)
    assert current.places == PlacedMap(arena, current.map, 0, 0, placed.source_layout).places
    if placed.relayout is not None:
        current = permute(arena, current, placed.relayout)
    layout = placed.relayout or placed.source_layout
    source = move(arena, current, layout, placed.source_offset, placed.kept_pixels)
    target = PlacedMap(arena, placed.step.target, source.number + 1, 0, placed.target_layout)
    if isinstance(placed.step, WholeStep):
        run_whole(source, target)
    elif isinstance(placed.step, CellStep):
        run_cells(source, target)
    elif isinstance(placed.step, ResidualStep):
        run_residual(arena, placed, source, target)
    else:
        run_windows(placed.step, source, target)
    return target


def permute(arena, current, layout):
    """All pixels change places at once; all must be there."""
    for pixel, channel in itertools.product(current.order, current.channels):
        current.read(pixel, channel)
    return written_anew(arena, current, layout, current.offset, current.order)


def move(arena, current, layout, offset, kept):
    """The first `kept` pixels go up, nothing else."""
    assert offset >= current.offset
    bits = kept * current.map.pixel_bits
    arena.bits[offset : offset + bits] = arena.bits[current.offset : current.offset + bits].copy()
    return PlacedMap(arena, current.map, current.number, offset, layout)


def written_anew(arena, current, layout, offset, pixels):
    changed = PlacedMap(arena, current.map, current.number, offset, layout)
    for pixel, channel in itertools.product(pixels, current.channels):
        changed.write(pixel, channel)
    return changed


def natural(feature_map):
    class ByRows:
        @staticmethod
        def address(row, column):
            return row * feature_map.shape[1] + column if len(feature_map.shape) == 3 else 0

    return ByRows


def check_result(last):
    """By rows, from bit 0 on."""
    cells = itertools.product(pixels_of(last.map), last.channels)
    for place, (pixel, channel) in enumerate(cells):
        last.arena.read(place * last.map.bits, last.map.bits, last.value(pixel, channel))


def run_whole(source, target):
    """All outputs grow while the inputs are read again and again."""
    for channel in target.channels:
        target.write((0, 0), channel)
        for pixel, other in itertools.product(source.order, source.channels):
            source.read(pixel, other)


def run_cells(source, target):
    assert source.order == target.order
    for pixel, channel in itertools.product(source.order, source.channels):
        source.read(pixel, channel)
        target.write(pixel, channel)


def window(step, output):
    """The source pixels that one output reads; of the padding, the smaller half comes first."""
    ranges = []
    for d in (0, 1):
        size, outputs = step.source.shape[d], step.target.shape[d]
        kernel, stride = step.kernel_size[d], step.strides[d]
        padding = max((outputs - 1) * stride + kernel - size, 0) if step.padding == "same" else 0
        start = output[d] * stride - padding // 2
        ranges.append(range(max(start, 0), min(start + kernel, size)))
    return list(itertools.product(*ranges))


def run_windows(step, source, target):
    for output in target.order:
        reads = window(step, output)
        if step.cell_by_cell:
            for channel in target.channels:
                for pixel in reads:
                    source.read(pixel, channel)
                target.write(output, channel)
            continue
        for pixel, channel in itertools.product(reads, source.channels):
            source.read(pixel, channel)
        for channel in target.channels:
            target.write(output, channel)
        # Stored first: the inputs may still be needed while the last output is stored.
        for pixel, channel in itertools.product(reads, source.channels):
            source.read(pixel, channel)


def around(feature_map, pixel):
    rows, columns = feature_map.shape[:2]
    return [
        (r, c)
        for r in range(max(pixel[0] - 1, 0), min(pixel[0] + 2, rows))
        for c in range(max(pixel[1] - 1, 0), min(pixel[1] + 2, columns))
    ]


class Ring:
    """Inner pixels of a residual block, in a ring: the n-th lies at n modulo the length."""

    def __init__(self, arena, placed, order):
        self.arena, self.placed = arena, placed
        self.number = {pixel: n for n, pixel in enumerate(order)}
        self.cells = placed.step.source.shape[-1]

    def each(self, pixel):
        slot = self.number[pixel] % self.placed.inner_pixels
        for channel in range(self.cells):
            offset = self.placed.inner_offset + (slot * self.cells + channel) * self.placed.step.inner_bits
            yield offset, self.placed.step.inner_bits, -10 - (self.number[pixel] * self.cells + channel)

    def write(self, pixel):
        for cell in self.each(pixel):
            self.arena.write(*cell)

    def read(self, pixel):
        for cell in self.each(pixel):
            self.arena.read(*cell)


def run_residual(arena, placed, source, target):
    ring, waiting, there = Ring(arena, placed, target.order), list(target.order), set()
    for inner in target.order:
        for pixel, channel in itertools.product(around(source.map, inner), source.channels):
            source.read(pixel, channel)
        ring.write(inner)
        there.add(inner)
        while waiting and there.issuperset(around(source.map, waiting[0])):
            output = waiting.pop(0)
            for channel in target.channels:
                for pixel in around(source.map, output):
                    ring.read(pixel)
                source.read(output, channel)
                target.write(output, channel)
