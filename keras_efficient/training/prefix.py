"""The part of a network in front of its first weight: computed once, not in every epoch."""

import keras
import numpy as np

from keras_efficient.kinds.kind import TRAINING_ONLY, UNKNOWN
from keras_efficient.reading import ModelGraph, Value, read_model
from keras_efficient.reading.keras_private import functional_of, input_structure, output_structure
from keras_efficient.reading.read import is_connected
from keras_efficient.training.network_source import layers_identity

_BATCH = 1024
_MOST_BYTES = 2**30


def split_prefix(model: keras.Model, whole: bool = False) -> tuple[keras.Model | None, keras.Model]:
    """Split a model into a prefix that never changes and the body that trains.

    Both share their layers with `model`, so training the body trains the model, which itself stays uncompiled (a
    subclassed model is its own body). The prefix is None where there is nothing to compute beforehand: a model that
    starts with a weight, or is no chain at its beginning (several inputs or outputs, a skip from the input); and where
    `whole` asks for a body that is the whole network.
    """
    if not is_connected(model):
        return None, model
    functional = functional_of(model)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        return None, keras.Model(input_structure(functional), output_structure(functional))
    graph = read_model(model, inner=False)
    (first,), (last,) = graph.inputs, graph.outputs
    start = first if whole else _end_of_prefix(graph)
    body = keras.Model(start.tensor, last.tensor)
    return (None if start is first else keras.Model(first.tensor, start.tensor)), body


def apply_prefix(prefix: keras.Model | None, x: np.ndarray) -> np.ndarray:
    """The outputs of the prefix for all samples; `x` itself without one."""
    if prefix is None:
        return x
    # Not by `predict`: it would compile a graph and copy the samples, which takes longer than the few layers.
    parts = (prefix(x[start : start + _BATCH], training=False) for start in range(0, len(x), _BATCH))
    return np.concatenate(list(map(keras.ops.convert_to_numpy, parts)))


class PrefixCache:
    """What prefixes make of the same samples, kept for the next network that begins in the same way."""

    def __init__(self):
        self._outputs: dict[tuple[int, str], tuple[np.ndarray, np.ndarray]] = {}

    def apply(self, prefix: keras.Model | None, x: np.ndarray) -> np.ndarray:
        """As `apply_prefix`; the samples are known by their array."""
        if prefix is None:
            return x
        key = id(x), layers_identity(prefix)
        if key not in self._outputs:
            found = apply_prefix(prefix, x)
            if sum(outputs.nbytes for _, outputs in self._outputs.values()) + found.nbytes > _MOST_BYTES:
                return found
            self._outputs[key] = x, found  # with the samples, whose identity must stay theirs
        return self._outputs[key][1]


def _end_of_prefix(graph: ModelGraph) -> Value:
    """The last value that layers without weights or chance make of the input alone, and that nothing reads past."""
    (value,) = graph.inputs
    while (node := graph.only_reader(value)) is not None and node.inputs == (value,):
        known = node.kind is not UNKNOWN and node.kind.codes != TRAINING_ONLY
        if not known or getattr(node.operation, "variables", None):
            break
        (value,) = node.outputs
    return value
