"""Where every map of a network lies in one arena."""

from keras_efficient.export.planner.layouts import Layout
from keras_efficient.export.planner.plan import ArenaPlan, PlacedStep, plan_arena
from keras_efficient.export.planner.steps import CellStep, ResidualStep, Step, WholeStep, WindowStep

__all__ = [
    "ArenaPlan",
    "CellStep",
    "Layout",
    "PlacedStep",
    "ResidualStep",
    "Step",
    "WholeStep",
    "WindowStep",
    "plan_arena",
]
