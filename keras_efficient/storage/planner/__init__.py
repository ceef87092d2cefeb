"""Where every map of a network lies in one arena."""

from keras_efficient.storage.planner.graph import GraphPlacement, place_graph
from keras_efficient.storage.planner.layouts import Layout
from keras_efficient.storage.planner.plan import ArenaPlan, PlacedStep, plan_arena
from keras_efficient.storage.steps import CellStep, ResidualStep, Step, WholeStep, WindowStep

__all__ = [
    "ArenaPlan",
    "CellStep",
    "GraphPlacement",
    "Layout",
    "PlacedStep",
    "ResidualStep",
    "Step",
    "WholeStep",
    "WindowStep",
    "place_graph",
    "plan_arena",
]
