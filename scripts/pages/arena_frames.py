"""What lies in the arena of a network at every moment: a plan of the exporter, run step by step.

A frame is an array with a number for every unit of `UNIT` bits: 0 where nothing lies that is still needed, k for
map k (0 is the first map stored) at 1 + k, its negative where a number of map k is dead and not yet written over.
"""

import dataclasses
from functools import cached_property

import numpy as np

import keras_efficient as ke
from keras_efficient.export.network import feature_map, planner_steps, split_arrival
from keras_efficient.kinds.measures import FeatureMap
from keras_efficient.kinds.steps import WindowStep
from keras_efficient.storage.planner import ArenaPlan, plan_arena
from keras_efficient.storage.planner.candidates import four_orders
from keras_efficient.storage.planner.layouts import Layout
from keras_efficient.storage.planner.occupancy import deaths_by_pixel, grid

UNIT = 4
SUMS = -100  # the running sums of the pooled input


@dataclasses.dataclass(frozen=True)
class Arena:
    """A chain of layers, the first map in front of them, and where everything lies."""

    first: FeatureMap
    line_bits: int
    plan: ArenaPlan

    @classmethod
    def of(cls, description, input_shape):
        """The arena of a described network, as the C code has it."""
        model = ke.export.IntegerModel(ke.build_network(description, input_shape, mode="freeze_scales"))
        arrival, operations = split_arrival(model.input, model.operations)
        first = feature_map(arrival.stored)
        return cls(first, arrival.line_bits, plan_arena(first, planner_steps(operations), arrival.line_bits))

    @cached_property
    def units(self):
        """Units of the whole arena."""
        return self.plan.arena_bytes * 8 // UNIT

    def filling(self):
        """The frames while the input arrives, a row of the first map each."""
        rows, columns = grid(self.first)
        for row in range(rows):
            frame = np.zeros(self.units, int)
            _fill(frame, self.plan.lines_offset, self.line_bits, SUMS)
            for place in self.plan.first_layout.addresses[: row + 1].ravel():
                _fill(frame, self.plan.first_offset + place * self.first.pixel_bits, self.first.pixel_bits, 1)
            yield frame

    def running(self, number):
        """The frames of a step: one before it, then one for each output pixel when it is stored."""
        placed = self.plan.steps[number]
        step, layout = placed.step, placed.relayout or placed.source_layout
        if isinstance(step, WindowStep):
            deaths = deaths_by_pixel(step, placed.target_layout)[layout.order][: placed.kept_pixels]
            outputs, size = placed.target_layout.rows * placed.target_layout.columns, step.target.pixel_bits
        else:  # every output of a dense layer reads all inputs
            outputs, size = step.target.cells, step.target.bits
            deaths = np.full(placed.kept_pixels, outputs)
        yield self._frame(placed, number, deaths >= 0, 0)
        for output in range(outputs):
            alive = deaths > output if getattr(step, "cell_by_cell", False) else deaths >= output
            yield self._frame(placed, number, alive, (output + 1) * size)

    def _frame(self, placed, number, alive, made_bits):
        frame, size = np.zeros(self.units, int), placed.step.source.pixel_bits
        for place, is_alive in enumerate(alive):
            _fill(frame, placed.source_offset + place * size, size, number + 1 if is_alive else -number - 1)
        if (frame[: made_bits // UNIT] > 0).any():
            raise AssertionError(f"step {number} writes over inputs that are still read")
        _fill(frame, 0, made_bits, number + 2)
        return frame


def _fill(frame, offset, bits, value):
    if offset % UNIT or bits % UNIT:
        raise ValueError(f"{bits} bits at bit {offset} are no whole units of {UNIT}")
    frame[offset // UNIT : (offset + bits) // UNIT] = value


def live_cells(step: WindowStep, layout: Layout) -> np.ndarray:
    """Cells alive when each output pixel is stored, wherever they lie: those that `exact_slack` counts."""
    deaths, freed = deaths_by_pixel(step, layout), step.source.shape[-1]
    read = deaths[deaths >= 0]  # what no window reads is free from the start
    died = np.cumsum(np.bincount(read, minlength=layout.rows * layout.columns))
    alive = freed * (len(read) - np.concatenate(([0], died[:-1])))
    return alive + step.target.shape[-1] * np.arange(1, len(died) + 1)


def layouts_of_orders(step: WindowStep) -> dict[str, Layout]:
    """The output in each of the four orders."""
    names = ("row", "column", "transpose", "herringbone")
    return {name: Layout.of(*grid(step.target), strips) for name, strips in zip(names, four_orders(step), strict=True)}
