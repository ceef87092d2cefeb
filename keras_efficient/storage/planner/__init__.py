"""Where every map of a network lies in one arena, and how large that is: asked by the price and by the C."""

from keras_efficient.storage.planner.layouts import Layout
from keras_efficient.storage.planner.plan import ArenaPlan, PlacedStep, plan_arena
from keras_efficient.storage.planner.search import step_bits

__all__ = ["ArenaPlan", "Layout", "PlacedStep", "plan_arena", "step_bits"]
