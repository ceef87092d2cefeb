"""The steps that the planner places: those that the storage report prices."""

from keras_efficient.storage.steps import CellStep, ResidualStep, Step, WholeStep, WindowStep

__all__ = ["CellStep", "ResidualStep", "Step", "WholeStep", "WindowStep"]
