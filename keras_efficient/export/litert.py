"""LiteRT (TensorFlow Lite) files of networks, in the forms that its converter gets right."""

import contextlib
import functools
import io
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_efficient.checks import path_of
from keras_efficient.copies.rebuild import Rebuilder
from keras_efficient.export.litert_layers import LitertLayers
from keras_efficient.export.litert_process import convert_saved_model, start_converter
from keras_efficient.export.litert_report import LitertReport, litert_report
from keras_efficient.files import write_atomically
from keras_efficient.reading import Node
from keras_efficient.reading.read import is_connected

# Where a .tflite file says what it is.
MARK_PLACE, FILE_MARK = slice(4, 8), b"TFL3"


def export_litert(model: keras.Model, path: str | Path, samples: np.ndarray | None = None) -> LitertReport:
    """Write a .tflite file of a network, and say its bytes beside those of this package's C.

    Args:
        model: See `convert_litert`.
        path: The file; its folder is made if missing. An earlier .tflite file is replaced.
        samples: See `convert_litert`: with them the file computes in int8, without them in float32.

    Returns:
        A `LitertReport`.

    Raises:
        RuntimeError, TypeError, ValueError: As `convert_litert`.
        ValueError: If `path` is a file that is no .tflite file. Nothing is written then.
    """
    path = path_of(path, "path")
    if path.exists() and not (path.is_file() and path.read_bytes()[MARK_PLACE] == FILE_MARK):
        raise ValueError(f"'{path}' exists and is no .tflite file: nothing was written")
    content = convert_litert(model, samples)
    report = litert_report(content, model, is_int8=samples is not None)
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
    return report


def convert_litert(model: keras.Model, samples: np.ndarray | None = None) -> bytes:
    """The bytes of a .tflite file that computes what `model` does, for one sample at a time.

    Quantized layers are taken as their mode says: in the quantized modes the file holds the rounded
    weights (batch normalizations folded in, pruned numbers as zeros), and activations of up to 8 bits
    saturate where theirs do (a minimum or maximum after those layers where the samples reach it), on
    LiteRT's own 8-bit grids in between: outputs are near, not equal. In float mode it is LiteRT's
    quantization alone, after training. LiteRT stores a weight in 8 bits, whatever its width here.

    LiteRT knows no FFT. So ACDC layers with the transform "dct" are written as matrices: a linear
    one as its own (inputs x outputs numbers; a depthwise convolution stays before it), one with an
    activation between its layers as those of the transform (2 N^2 numbers per layer). With "dct2d"
    they stay small products of 2 N numbers per layer: the smallest file, but each layer rounds five
    times, and a deep stack loses more than with "dct".

    Args:
        model: Functional or Sequential model with one input: of this package's layers, of Keras's, or
            of both.
        samples: Representative inputs as the model takes them, an array (samples, ...). With them
            weights, sums, input and output are int8; without them everything is float32.

    Raises:
        RuntimeError: If Keras runs on another backend than TensorFlow.
        TypeError: If `model` is no built Functional or Sequential model.
        ValueError: If `samples` holds none, has not the model's input shape, or numbers that are not
            finite; if the converter cannot write a layer, or ends. It runs in a process of its own, which it
            may end, and which then waits for the next model for five minutes.
    """
    check_backend()
    if not is_connected(model) or len(getattr(model, "inputs", None) or ()) != 1:
        raise TypeError(
            f"`model` must be a built Functional or Sequential model with one input. Received: model={model!r}"
        )
    samples = None if samples is None else _checked_samples(samples, model.inputs[0])
    # TensorFlow's own optimizer would compute a chain of constant products only up to some size.
    inputs, outputs = _Plain(model, LitertLayers(model, samples)).ends()
    return converted(keras.Model(keras.tree.flatten(inputs)[0], outputs), samples, model.name)


def check_backend() -> None:
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"LiteRT converts models of the TensorFlow backend. Received: backend {keras.backend.backend()!r}; "
            "save the model, and load it with KERAS_BACKEND=tensorflow"
        )


def _checked_samples(samples: np.ndarray, model_input: keras.KerasTensor) -> np.ndarray:
    """Samples as an array of the dtype that the model's input has."""
    samples = np.asarray(samples)
    if not samples.size:
        raise ValueError(f"`samples` must hold at least one sample. Received: shape {samples.shape}")
    shape = tuple(model_input.shape[1:])
    fits = len(samples.shape) == 1 + len(shape) and all(
        known in (None, size) for known, size in zip(shape, samples.shape[1:], strict=True)
    )
    if not fits or not np.issubdtype(samples.dtype, np.number):
        expected = ", ".join(["samples", *map(str, shape)])
        raise ValueError(
            f"`samples` must hold numbers of shape ({expected}), as the model takes them. "
            f"Received: shape {samples.shape}, dtype {samples.dtype}"
        )
    if not np.isfinite(samples).all():
        raise ValueError("`samples` must hold finite numbers. Received: some that are not")
    return samples.astype(model_input.dtype)


class _Plain(Rebuilder):
    """Calls what takes the place of each layer; the layers that stay are the model's own."""

    def __init__(self, model: keras.Model, replacement: LitertLayers, is_inner: bool = False):
        super().__init__(model)
        self.replacement, self.is_inner = replacement, is_inner
        self.made: dict[int, Any] = {}

    def input(self, tensor: Any) -> Any:
        """With a batch of one, which the converter needs to know all shapes."""
        if self.is_inner:
            return super().input(tensor)
        return keras.Input(batch_shape=(1, *tensor.shape[1:]), dtype=tensor.dtype)

    def call(self, node: Node, args: tuple, kwargs: dict[str, Any]) -> Any:
        operation = node.operation
        if node.kind.why_no_litert:
            raise ValueError(
                f"Layer '{node.name}' ({node.kind_name}) cannot become LiteRT's: {node.kind.why_no_litert}"
            )
        if id(operation) not in self.made:
            made = self.replacement(operation, args)
            if is_connected(operation):
                made = keras.Model(*_Plain(operation, self.replacement, is_inner=True).ends())
            self.made[id(operation)] = made
        return self.made[id(operation)](*args, **kwargs)


def converted(model: keras.Model, samples: np.ndarray | None, name: str) -> bytes:
    """The bytes of the .tflite file of such a model; `name` is that of the user's, for errors."""
    start_converter()
    with tempfile.TemporaryDirectory(prefix="keras_efficient-") as folder:
        try:
            _write_saved_model(model, folder)
        except Exception as error:  # of many classes, by what TensorFlow could not trace
            raise ValueError(f"TensorFlow cannot write the model {name!r} for LiteRT: {error}") from error
        if samples is not None:
            np.save(Path(folder) / "samples.npy", samples)
        return convert_saved_model(Path(folder), name)


def _write_saved_model(model, folder):
    """What LiteRT's own `from_keras_model` writes, in inference."""
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = [tf.TensorSpec(tensor.shape, dtype=tensor.dtype, name=tensor.name) for tensor in model.inputs]
    archive.add_endpoint("serve", functools.partial(model.__call__, training=False), signature)
    with contextlib.redirect_stdout(io.StringIO()):  # Keras prints what it exports
        archive.write_out(folder)
