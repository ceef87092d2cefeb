"""Averaged weights: often a little better than the last ones of a noisy training."""

from contextlib import contextmanager

import keras
import numpy as np

STEPS_AT_ONCE = 8


class WeightAverage:
    """The exponential moving average of a model's trainable weights.

        a <- m^8 a + (1 - m^8) w        after every 8 steps (and at the end of an epoch); a starts at the first weights

    Eight steps at once, since looking at the weights takes about as long as a fast step.

    Args:
        model: The model.
        momentum: m, between 0 and 1: what a step leaves of the average.

    Attributes:
        values: a, a list of arrays.
    """

    def __init__(self, model: keras.Model, momentum: float):
        self.model, self.momentum = model, momentum
        self.values = self._weights()

    def follow(self) -> None:
        """Take the weights after some steps into the average."""
        share = np.float32(1 - self.momentum**STEPS_AT_ONCE)
        self.values = [a + share * (w - a) for a, w in zip(self.values, self._weights(), strict=True)]

    @contextmanager
    def in_place(self):
        """The model has the averaged weights for a moment."""
        weights = self._weights()
        self._assign(self.values)
        try:
            yield
        finally:
            self._assign(weights)

    def _weights(self):
        return [np.array(keras.ops.convert_to_numpy(v)) for v in self.model.trainable_variables]

    def _assign(self, values):
        for variable, value in zip(self.model.trainable_variables, values, strict=True):
            variable.assign(value)
