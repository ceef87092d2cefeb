"""`IntegerModel`: a quantized network in integers."""

from __future__ import annotations

import warnings

import keras
import numpy as np

from keras_efficient.export.integer.floats import is_exact
from keras_efficient.export.integer.operations import IntegerMap
from keras_efficient.export.integer.reading import read_integers
from keras_efficient.quantization.modes import quantized_layers
from keras_efficient.reading.run import run_nodes

IMAGES_AT_ONCE = 256
LOGIT_RANGE = (-(2**15), 2**15 - 1)


class IntegerModel:
    """The integers that a quantized Keras model stands for, and that its C code computes.

    A chain or a graph of `DenseQ`, `ConvQ`, `Conv1DQ`, the depthwise and transposed ones, `ResidualQ`, `AddQ` and the
    other combinations, `ConcatenateQ`, `ActivationQ`, `AveragePoolingQ`, `MeanPoolingQ`, `GlobalMeanPoolingQ`,
    Keras's max pooling, relu, layers and functions that move numbers, and dropout. Inputs are bytes; a byte stands
    for byte / 256.

    A model that starts with an `InputQ` (as those of `quantize_model` do) takes the integers of its grid,
    8 or 16 bits, signed or not: `encode` gives them. Its logits are the output codes of the last layer.

    Elsewhere logits are integers of 16 bits, saturated: the last layer's sums (kernel and bias) before its
    activation and its output quantizer, in the finer of the bias step and the product step;
    `logits * 2^logit_exponent` are the values. Behind a last layer without products (pooling, a
    quantizer) they are its output codes. A softmax behind it is left out: the class is the first
    largest logit.

    Source: integer rules of the 2 KB network (Gural & Murmann, ICML 2019), checked bit for bit.

    Args:
        model: A built Keras model. Its mode does not matter: quantized layers are taken as
            quantized. In float mode a warning says so.

    Attributes:
        input: The `IntegerMap` of the input.
        operations: The layers as `Operation` objects.
        sources: For each of them the maps that it reads: 0 is the input, k + 1 what operation k makes.
        logit_exponent: log2 of the step of the logits.
        inexact_layers: Names of layers whose numbers may leave what the layer's float type holds: 24
            bits in float32, 11 in float16, 8 in bfloat16, or its range. There the Keras model itself
            rounds, and may differ; the integers do not.

    Raises:
        ValueError: A model that holds other layers, or is not built; weights that are not finite;
            several inputs or outputs; layers with weights that are called twice.
    """

    def __init__(self, model: keras.Model):
        network = read_integers(model)
        self.input, self.operations, self.sources = network.input, network.operations, network.sources
        self.network = network
        if any(layer.mode == "float" for layer in quantized_layers(model)):
            warnings.warn(
                "the model is in float mode: it is taken as quantized, with the scales it has. "
                "keras_efficient.calibrate sets them, set_mode makes the model compute so",
                stacklevel=2,
            )

    @property
    def output(self) -> IntegerMap:
        return self.operations[-1].target if self.operations else self.input

    @property
    def logit_exponent(self) -> int:
        return self.output.codes.exponent

    @property
    def inexact_layers(self) -> tuple[str, ...]:
        return tuple(operation.name for operation in self.operations if not is_exact(operation))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Integer logits, (n, outputs) int16.

        Args:
            x: Integers (n, rows, columns[, channels]) or (n, numbers): bytes from 0 to 255, or what
                `encode` gives.

        Raises:
            ValueError: Wrong shape, or numbers that the input's grid does not have.
        """
        x = self._as_maps(x)
        parts = [self._run(x[start : start + IMAGES_AT_ONCE]) for start in range(0, len(x), IMAGES_AT_ONCE)]
        return np.concatenate(parts) if parts else np.zeros((0, self.output.cells), np.int16)

    def encode(self, x: np.ndarray) -> np.ndarray:
        """The integers that stand for the model's inputs `x`: what `predict` takes and a device pushes.

        They are the codes of the `InputQ` at the start, behind the layers that prepare its input; without
        one the bytes of x, a byte for byte / 256.

        Args:
            x: Numbers (n, rows, columns[, channels]) or (n, numbers), as the Keras model takes them.

        Raises:
            ValueError: Another shape, or what is no finite number.
        """
        network = self.network.network
        source, _ = network.inputs
        last = network.preparation[-1].outputs[0] if network.preparation else source
        x = _samples(x, tuple(source.shape))
        y = keras.ops.convert_to_numpy(run_nodes(network.preparation, {source: x})[last])
        if not np.isfinite(y).all():
            raise ValueError(f"the layers before the input's grid make of x numbers that are not finite: {_range(x)}")
        return self.input.codes.nearest(y).reshape(len(x), *self.input.shape)

    def classify(self, x: np.ndarray) -> np.ndarray:
        """The class of each image: the first largest logit. Of one output 1 where it is above 0, else 0."""
        logits = self.predict(x)
        return (logits[:, 0] > 0).astype(np.int64) if logits.shape[1] == 1 else logits.argmax(axis=1)

    def _run(self, maps):
        maps = [maps.astype(np.int64)]
        for operation, sources in zip(self.operations, self.sources, strict=True):
            views = getattr(operation, "sources", (operation.source,))
            read = [maps[number].reshape(-1, *view.shape) for number, view in zip(sources, views, strict=True)]
            maps.append(operation.run(*read))
        return np.clip(maps[-1], *LOGIT_RANGE).astype(np.int16).reshape(len(maps[-1]), -1)

    def _as_maps(self, x):
        x = _as_array(x)
        rows, columns, channels = self.input.shape
        fitting: set[tuple[int, ...]] = {(rows, columns, channels)}
        fitting |= {(rows, columns)} if channels == 1 else set()
        fitting |= {(columns, channels)} if rows == 1 else set()
        fitting |= {(channels,)} if rows == columns == 1 else set()
        if x.ndim < 2 or x.shape[1:] not in fitting:
            raise ValueError(
                f"x must have the shape (n, {', '.join(map(str, self.input.shape))}). Received: shape {x.shape}"
            )
        low, high = self.input.codes.low, self.input.codes.high
        if not np.issubdtype(x.dtype, np.integer) or (x.size and not low <= x.min() <= x.max() <= high):
            raise ValueError(
                f"x must hold integers from {low} to {high}. Received: dtype {x.dtype}, values {_range(x)}"
            )
        return x.reshape(len(x), *self.input.shape)


def _as_array(x):
    """An array of anything: of rows of several lengths, or of objects, one that holds no numbers."""
    try:
        return x if np.ma.isMaskedArray(x) else np.asarray(keras.ops.convert_to_numpy(x))
    except (ValueError, TypeError):
        return np.asarray(None)


def _samples(x, shape):
    """x as an array (n, *shape) of finite numbers; a single channel may be left out."""
    numbers = _as_array(x)
    if numbers.dtype.name == "bfloat16":
        numbers = numbers.astype(np.float32)
    if numbers.dtype.kind not in "biuf" or np.ma.isMaskedArray(numbers) or not np.isfinite(numbers).all():
        raise ValueError(
            f"x must hold finite numbers, with nothing masked. Received: {type(x).__name__} of dtype {numbers.dtype}"
        )
    if shape[-1:] == (1,) and numbers.ndim == len(shape):
        numbers = numbers[..., None]
    fits = numbers.ndim == len(shape) + 1 and all(
        size in (None, given) for size, given in zip(shape, numbers.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(f"x must have the shape (n, {', '.join(map(str, shape))}). Received: shape {np.shape(x)}")
    return numbers


def _range(x):
    return f"from {x.min()} to {x.max()}" if x.size else "none"
