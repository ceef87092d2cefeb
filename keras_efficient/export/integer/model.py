"""`IntegerModel`: a quantized network in integers."""

import warnings
from typing import Any

import keras
import numpy as np

from keras_efficient.export.integer.floats import is_exact
from keras_efficient.export.integer.operations import IntegerMap
from keras_efficient.export.integer.reading import read_integers
from keras_efficient.kinds.measures import LOGIT_BITS
from keras_efficient.quantization.modes import activation_quantizers, has_scales, quantized_layers
from keras_efficient.reading.network import Entry
from keras_efficient.reading.read import run_nodes

IMAGES_AT_ONCE = 256
LOGIT_RANGE = (-(2**15), 2**15 - 1)


class IntegerModel:
    """The integers that a quantized Keras model stands for, and that its C code computes.

    A chain or a graph of `DenseQ`, `ConvQ`, `Conv1DQ`, the depthwise and transposed ones, `ScaleQ`, `ResidualQ`,
    `AddQ` and the other combinations, `ConcatenateQ`, `ActivationQ`, `AveragePoolingQ`, `MeanPoolingQ`,
    `GlobalMeanPoolingQ`, Keras's max pooling, relu, layers and functions that move numbers, and dropout; of layers made
    of small factors `LowRankDense`, `PHMDense`, `LPHMDense`, `DualLPHMDense`, `PHMConv2D`, `ACDC`, `ACDCDense` and
    `ACDCConv2D`, each of which becomes several operations of its name. Inputs are bytes; a byte stands for byte / 256.

    A model that starts with an `InputQ` (as those of `quantize_model` do) takes the integers of its grid,
    8 or 16 bits, signed or not: `encode` gives them. Its logits are the output codes of the last layer.
    Several inputs are taken in the order of `model.inputs`; several outputs follow one another in the order of
    `model.outputs`, and the class is that of the first.

    Elsewhere logits are integers of 16 bits, saturated: the last layer's sums (kernel and bias) before its
    activation and its output quantizer, in the finer of the bias step and the product step;
    `logits * 2^logit_exponent` are the values. Behind a last layer without products (pooling, a
    quantizer) they are its output codes. A softmax after it is left out: the class is the first
    largest logit.

    Source: integer rules of the 2 KB network (Gural & Murmann, ICML 2019), checked bit for bit.

    Args:
        model: A built Keras model. Its mode does not matter: quantized layers are taken as
            quantized. In float mode a warning says so.
        logits_bits: Bits of an output, 16 or 8; 8 need outputs of at most 8 bits with a sign, or 7 without.

    Attributes:
        inputs: The `IntegerMap` of each input. `input` is the first of them.
        operations: The layers as `Operation` objects.
        sources: For each of them the maps that it reads: the inputs come first, then what each operation makes.
        outputs: The `IntegerMap` of each output.
        logit_exponents: log2 of the step of each output. `logit_exponent` is the first of them.
        inexact_layers: Names of layers whose numbers may leave what the layer's float type holds: 24
            bits in float32, 11 in float16, 8 in bfloat16, or its range. There the Keras model itself
            rounds, and may differ; the integers do not.

    Raises:
        ValueError: A model that holds other layers, or is not built; weights that are not finite;
            inputs of which some are signed and others have 16 bits without a sign.
    """

    def __init__(self, model: keras.Model, logits_bits: int = LOGIT_BITS):
        network = read_integers(model, logits_bits)
        self.inputs, self.operations, self.sources = network.inputs, network.operations, network.sources
        self.network = network
        if any(layer.mode == "float" for layer in quantized_layers(model)):
            warnings.warn(
                "the model is in float mode: it is taken as quantized, with the scales it has. "
                "keras_efficient.calibrate sets them, set_mode makes the model compute so",
                stacklevel=2,
            )
        elif activation_quantizers(model) and not has_scales(model):
            warnings.warn(
                "the scales of all activations are 1, as in a new layer: numbers above 1 are cut off. "
                "keras_efficient.calibrate(model, x=samples) sets them",
                stacklevel=2,
            )

    @property
    def input(self) -> IntegerMap:
        return self.inputs[0]

    @property
    def output(self) -> IntegerMap:
        return self.operations[-1].target if self.operations else self.input

    @property
    def outputs(self) -> tuple[IntegerMap, ...]:
        return self.network.outputs

    @property
    def logit_exponents(self) -> tuple[int, ...]:
        return tuple(output.codes.exponent for output in self.outputs)

    @property
    def logit_exponent(self) -> int:
        return self.logit_exponents[0]

    @property
    def logit_type(self) -> type[np.signedinteger]:
        return np.int16 if self.network.logits_bits == LOGIT_BITS else np.int8

    @property
    def inexact_layers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(operation.name for operation in self.operations if not is_exact(operation)))

    def predict(self, x: Any) -> np.ndarray:
        """Integer logits, (n, outputs) int16, or int8.

        Args:
            x: Integers (n, rows, columns[, channels]) or (n, numbers): bytes from 0 to 255, or what
                `encode` gives. Of several inputs a list.

        Raises:
            ValueError: Wrong shape, or numbers that the input's grid does not have.
        """
        parts = [_as_map(part, each) for part, each in zip(self._parts(x), self.inputs, strict=True)]
        count = _samples_of(parts)
        starts = range(0, count, IMAGES_AT_ONCE)
        logits = [self._run([part[start : start + IMAGES_AT_ONCE] for part in parts]) for start in starts]
        return np.concatenate(logits) if logits else np.zeros((0, self.output.cells), self.logit_type)

    def encode(self, x: Any) -> Any:
        """The integers that stand for the model's inputs `x`: what `predict` takes and a device pushes.

        They are the codes of the `InputQ` at the start, after the layers that prepare its input; without
        one the bytes of x, a byte for byte / 256.

        Args:
            x: Numbers (n, rows, columns[, channels]) or (n, numbers), as the Keras model takes them. Of several inputs
                a list, in the order of `model.inputs`; the integers are a list, too.

        Raises:
            ValueError: Another shape, or what is no finite number.
        """
        entries = self.network.network.entries
        triples = zip(entries, self._parts(x), self.inputs, strict=True)
        codes = [_encoded(entry, part, integers) for entry, part, integers in triples]
        _samples_of(codes)
        return codes[0] if len(codes) == 1 else codes

    def classify(self, x: np.ndarray) -> np.ndarray:
        """The class of each image: the first largest logit. Of one logit 1 where it is above 0, else 0."""
        logits = self.predict(x)[:, : self.outputs[0].cells]
        return (logits[:, 0] > 0).astype(np.int64) if logits.shape[1] == 1 else logits.argmax(axis=1)

    def _run(self, inputs):
        maps = [each.astype(np.int64) for each in inputs]
        for operation, sources in zip(self.operations, self.sources, strict=True):
            views = getattr(operation, "sources", (operation.source,))
            read = [maps[number].reshape(-1, *view.shape) for number, view in zip(sources, views, strict=True)]
            maps.append(operation.run(*read))
        return np.clip(maps[-1], *LOGIT_RANGE).astype(self.logit_type).reshape(len(maps[-1]), -1)

    def _parts(self, x):
        if len(self.inputs) == 1:
            return [x]
        if not isinstance(x, (list, tuple)) or len(x) != len(self.inputs):
            given = f"{type(x).__name__} of {len(x)}" if isinstance(x, (list, tuple)) else type(x).__name__
            raise ValueError(f"x must be a list of {len(self.inputs)} arrays, one for each input. Received: {given}")
        return list(x)


def _samples_of(parts):
    if len({len(part) for part in parts}) > 1:
        raise ValueError(f"all inputs must have as many samples. Received: {[len(part) for part in parts]}")
    return len(parts[0])


def _encoded(entry: Entry, x: Any, integers: IntegerMap) -> np.ndarray:
    last = entry.preparation[-1].outputs[0] if entry.preparation else entry.given
    x = _samples(x, tuple(entry.shape))
    y = keras.ops.convert_to_numpy(run_nodes(entry.preparation, {entry.given: x})[last])
    if not np.isfinite(y).all():
        raise ValueError(f"the layers before the input's grid make of x numbers that are not finite: {_range(x)}")
    if y.dtype == np.float64 and entry.given.dtype == "float32":  # what Keras makes of it, before it is rounded again
        with np.errstate(over="ignore"):
            y = y.astype("float32")
    return integers.codes.nearest(y).reshape(len(x), *integers.shape)


def _as_map(x: Any, integers: IntegerMap) -> np.ndarray:
    """x as (n, rows, columns, channels) of numbers that the grid has."""
    x = _as_array(x)
    rows, columns, channels = integers.shape
    fitting: set[tuple[int, ...]] = {(rows, columns, channels)}
    fitting |= {(rows, columns)} if channels == 1 else set()
    fitting |= {(columns, channels)} if rows == 1 else set()
    fitting |= {(channels,)} if rows == columns == 1 else set()
    if x.ndim < 2 or x.shape[1:] not in fitting:
        raise ValueError(f"x must have the shape (n, {', '.join(map(str, integers.shape))}). Received: shape {x.shape}")
    low, high = integers.codes.low, integers.codes.high
    if not np.issubdtype(x.dtype, np.integer) or (x.size and not low <= x.min() <= x.max() <= high):
        raise ValueError(f"x must hold integers from {low} to {high}. Received: dtype {x.dtype}, values {_range(x)}")
    return x.reshape(len(x), *integers.shape)


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
