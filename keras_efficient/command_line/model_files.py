"""Files of models and of arrays that a command is given."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from keras_efficient.export.integer.grids import UnsupportedLayerError
from keras_efficient.outside_files import check_plain_file, open_arrays
from keras_efficient.outside_models import check_model_file
from keras_efficient.quantization.own_model.quantize_model import is_quantized
from keras_efficient.reading.keras_private import functional_of, input_names
from keras_efficient.reading.network import ADVICE
from keras_efficient.reading.read import is_connected, read_model
from keras_efficient.storage import UnknownLayerError


def load_model(path: Path) -> keras.Model:
    if path.suffix == ".json":
        raise ValueError(f"`--model` takes a .keras file, a description goes to `--network`. Received: {path}")
    try:
        check_model_file(path)
        return keras.saving.load_model(path, compile=False)
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever a file that is no model makes Keras say
        raise ValueError(f"'{path}' cannot be loaded as a Keras model: {error}") from error


def check_quantized(model: keras.Model, path: Path) -> None:
    """A ValueError for a plain model, which has no integers, that says what makes it quantized."""
    if is_connected(model) and not is_quantized(read_model(model).operations):
        raise ValueError(
            f"'{path}' is a plain Keras model. Quantize it first: keras-efficient quantize --model {path} "
            "--samples X.npy --out small.keras"
        )


@contextmanager
def named_next_step(path: Path) -> Iterator[None]:
    """What the package says to do in Python is said as a command."""
    try:
        yield
    except (UnsupportedLayerError, UnknownLayerError) as error:
        reason, next_step = str(error).removesuffix(f". {ADVICE}"), f"keras-efficient check --model {path}"
        raise ValueError(f"{reason}. {next_step} says what each layer can do") from error


def read_inputs(path: Path, model: keras.Model) -> np.ndarray | list[np.ndarray]:
    """The samples in a file, as the model takes them: an .npy file for one input, an .npz file of one array per input.

    A ValueError says what the model takes.
    """
    tensors, names = model.inputs, input_names(functional_of(model))
    if path.suffix == ".npz":
        with open_arrays(path, ".npz file", "arrays of numbers") as archive:
            arrays = dict(archive)
        if len(arrays) != len(names) or (len(names) > 1 and set(arrays) != set(names)):
            raise ValueError(
                f"'{path}' must hold one array for each input: {', '.join(names)}. Received: {', '.join(arrays)}"
            )
        samples = [arrays[name] for name in names] if len(names) > 1 else list(arrays.values())
    else:
        samples = [read_samples(path)]
        if len(names) > 1:
            raise ValueError(f"the model has {len(names)} inputs: give an .npz file with the arrays {', '.join(names)}")
    for name, array, tensor in zip(names, samples, tensors, strict=True):
        sizes = zip(array.shape[1:], tensor.shape[1:], strict=False)
        if array.ndim != len(tensor.shape) or any(size not in (own, None) for own, size in sizes):
            raise ValueError(f"input {name!r} takes shape {tensor.shape}. Received: shape {array.shape}")
    if len({len(array) for array in samples}) > 1:
        raise ValueError(f"'{path}' must hold as many samples for each input. Received: {[len(a) for a in samples]}")
    return samples if len(samples) > 1 else samples[0]


def read_samples(path: Path) -> np.ndarray:
    check_plain_file(path, ".npy file")
    try:
        # Mapped, the file cannot be shorter than its header says: no memory is asked for that no number fills.
        samples = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # what a file that is no array makes numpy say
        raise ValueError(f"'{path}' is no .npy file with an array of numbers: {error}") from error
    if not isinstance(samples, np.ndarray) or not samples.ndim:
        found = "one number" if isinstance(samples, np.ndarray) else type(samples).__name__
        raise ValueError(f"'{path}' must hold one array (samples, ...). Received: {found}")
    return samples
