"""Looking at the float values that reach the activation quantizers of a model."""

from contextlib import contextmanager

import keras
import numpy as np

from keras_efficient.quantization.modes import quantized_layers
from keras_efficient.type_aliases import Inputs

_BATCH = 256


def observed_activations(model: keras.Model, x: Inputs) -> list[np.ndarray]:
    """What each activation quantizer of `model` receives when the model computes `x`.

    The values before rounding, one flat array a quantizer, in the order of the layers. The
    model runs in its current mode, as in inference. A quantizer that is never reached has seen
    a single zero.
    """
    quantizers = [q for layer in quantized_layers(model) for q in layer.quantizers]
    quantizers = [q for q in quantizers if q.weight is None]
    seen: list[list[np.ndarray]] = [[] for _ in quantizers]
    with _observing(quantizers, seen):
        parts = parts_of(x)
        for start in range(0, len(parts[0]), _BATCH):
            batch = [keras.ops.convert_to_tensor(part[start : start + _BATCH]) for part in parts]
            model(_packed_like(x, batch), training=False)
    return [np.concatenate(values) if values else np.zeros(1, "float32") for values in seen]


def parts_of(x: Inputs) -> list:
    """The arrays of the inputs: of one, or of a list or dictionary of several."""
    if isinstance(x, dict):
        return list(x.values())
    return list(x) if isinstance(x, (list, tuple)) else [x]


def check_samples(x: Inputs) -> None:
    """Raise a ValueError unless each input has a sample."""
    shapes = [np.shape(part) for part in parts_of(x)]
    if not shapes or any(shape[:1] in ((), (0,)) for shape in shapes):
        raise ValueError(f"`x` must hold at least one sample. Received: shapes {shapes}")


def _packed_like(x, parts):
    if isinstance(x, dict):
        return dict(zip(x, parts, strict=True))
    return parts if isinstance(x, (list, tuple)) else parts[0]


@contextmanager
def _observing(quantizers, seen):
    for quantizer, values in zip(quantizers, seen, strict=True):
        quantizer.observers.append(lambda x, values=values: values.append(keras.ops.convert_to_numpy(x).ravel()))
    try:
        yield
    finally:
        for quantizer in quantizers:
            quantizer.observers.pop()
