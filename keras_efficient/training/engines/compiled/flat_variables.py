"""Many small Keras variables as one vector."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np


class FlatVariables:
    """Reads and writes variables as one float32 vector, in their order.

    On TensorFlow in one graph call each way: one by one they take longer than an epoch of a small network.
    """

    def __init__(self, variables: Iterable[keras.Variable]):
        self.variables = list(variables)
        self.places = np.cumsum([0, *(int(np.prod(variable.shape)) for variable in self.variables)]).tolist()
        self._joined: Callable[[], Any] = self._read
        self._set: Callable[[Any], None] = self._write
        if self.variables and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            self._joined, self._set = tf.function(self._read), tf.function(self._write)

    def read(self) -> np.ndarray:
        """The values, in an array of the caller's own."""
        if not self.variables:
            return np.empty(0, "float32")
        return np.array(keras.ops.convert_to_numpy(self._joined()), dtype="float32", order="C")

    def write(self, vector: np.ndarray) -> None:
        """Set all variables."""
        if self.variables:
            self._set(keras.ops.convert_to_tensor(vector))

    def split(self, vector: np.ndarray) -> Iterator[np.ndarray]:
        """The parts of a vector that belong to the variables, in their shapes."""
        for variable, first, end in zip(self.variables, self.places, self.places[1:], strict=False):
            yield vector[first:end].reshape(variable.shape)

    def _read(self):
        return keras.ops.concatenate([keras.ops.reshape(variable, (-1,)) for variable in self.variables])

    def _write(self, vector):
        for variable, first, end in zip(self.variables, self.places, self.places[1:], strict=False):
            variable.assign(keras.ops.reshape(vector[first:end], variable.shape))
