"""Looking at the float values that reach the activation quantizers of a model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from keras_efficient.layers.quantized.quantizer import Quantizer
from keras_efficient.quantization.modes import activation_quantizers
from keras_efficient.quantization.samples import Samples

# Values of an activation that are kept, about.
_KEPT = 100_000
_FEWEST_PLACES = 64


def observed_activations(model: keras.Model, x: Any, sample: bool = False) -> list[np.ndarray]:
    """What each activation quantizer of `model` receives when the model computes `x`.

    The values before rounding, one flat array for each quantizer, in the order of the layers. The
    model runs in its current mode, as in inference, batch by batch. A quantizer that is never reached has seen
    a single zero. With `sample` about 100,000 values of each are kept: all channels of places that are drawn by
    chance, the same ones each time, however the samples are batched.
    """
    quantizers = activation_quantizers(model)
    seen = [SomePlaces() if sample else AllValues() for _ in quantizers]
    with _observing(quantizers, seen):
        for batch in Samples(x, model):
            model(keras.tree.map_structure(keras.ops.convert_to_tensor, batch), training=False)
    return [values.flat() for values in seen]


class AllValues:
    """Every value of an activation."""

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []

    def __call__(self, x: Any) -> None:
        self.parts.append(keras.ops.convert_to_numpy(x))

    def flat(self) -> np.ndarray:
        return np.concatenate([part.ravel() for part in self.parts]) if self.parts else np.zeros(1, "float32")


class SomePlaces(AllValues):
    """All channels at some places.

    Each place draws a number; those below a share are kept, and the share is halved when they are too many. So what
    is kept depends on the places alone, and no regular step can miss a channel, a column or an edge.
    """

    def __init__(self) -> None:
        super().__init__()
        self.random, self.share = np.random.default_rng(0), 1.0
        self.draws: list[np.ndarray] = []

    def __call__(self, x: Any) -> None:
        places = keras.ops.convert_to_numpy(x)
        places = places.reshape(-1, places.shape[-1] if places.ndim > 1 else 1)
        draws = self.random.random(len(places))
        self.parts.append(places[draws < self.share])
        self.draws.append(draws[draws < self.share])
        limit = max(_FEWEST_PLACES, _KEPT // places.shape[1])
        while sum(map(len, self.draws)) > limit:
            self.share /= 2
            self.parts = [part[d < self.share] for part, d in zip(self.parts, self.draws, strict=True)]
            self.draws = [d[d < self.share] for d in self.draws]


@contextmanager
def _observing(quantizers: Sequence[Quantizer], seen: Sequence[Callable[[Any], None]]) -> Iterator[None]:
    for quantizer, values in zip(quantizers, seen, strict=True):
        quantizer.observers.append(values)
    try:
        yield
    finally:
        for quantizer in quantizers:
            quantizer.observers.pop()
