"""Representative samples in every form that Keras takes data in, batch by batch."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_efficient.checks import real_numbers

# Of a batch: a network may hold a hundred times as many numbers while it computes them.
BATCH = 256
BATCH_NUMBERS = 1 << 21
# A batch as a model takes it: one array, or a list or dictionary of them.
Batch = Any


class Samples:
    """Samples for a model, to be gone through several times.

    Args:
        x: An array (samples, ...), a list or dictionary of them for several inputs; for one input also a list of
            samples; a `tf.data.Dataset`, `keras.utils.PyDataset`, generator or other iterable of batches, or a
            function that gives one. Of batches (x, y) or (x, y, weights) x is taken.
        model: The model that they are for.

    Raises:
        ValueError: No sample, or an endless data set. While going through them: numbers that are not finite, none, or
            samples of another shape than the model takes.
    """

    def __init__(self, x: Any, model: keras.Model):
        self.batches: Iterable[Batch]
        self.inputs: int
        self.shape: tuple | None
        if isinstance(x, Samples):
            self.batches, self.inputs, self.shape = x.batches, x.inputs, x.shape
            return
        self.inputs = len(getattr(model, "inputs", None) or [None])
        self.shape = tuple(model.inputs[0].shape) if self.inputs == 1 and getattr(model, "inputs", None) else None
        x = x() if callable(x) and not hasattr(x, "shape") else x
        cardinality = getattr(x, "cardinality", None)
        if callable(cardinality) and int(cardinality()) == -1:
            raise ValueError("`x` must come to an end: x.take(10) are ten batches of a data set that repeats")
        self.batches = self._of_arrays(x) if _is_arrays(x) else (x if hasattr(x, "__len__") else _kept(x))

    def __iter__(self) -> Iterator[Batch]:
        """Batches of at most 256 samples and about two million numbers of arrays, or as they come."""
        empty = True
        for batch in self.batches:
            checked = keras.tree.map_structure(_finite, batch[0] if isinstance(batch, tuple) else batch)
            if self.inputs == 1 and isinstance(checked, list) and len(checked) == 1:
                (checked,) = checked  # as LiteRT's representative data sets are; Keras takes it, with a warning
            if self.shape is not None and not all(_fits(part.shape[1:], self.shape[1:]) for part in parts_of(checked)):
                raise ValueError(
                    f"`x` must hold samples of shape {self.shape[1:]}, as the model takes them (one sample is "
                    f"x[None]; a data set gives batches: dataset.batch(32)). Received: shapes "
                    f"{[part.shape for part in parts_of(checked)]}"
                )
            empty = False
            yield checked
        if empty:
            raise ValueError("`x` must hold at least one sample. Received: no batch")

    def _of_arrays(self, x: Any) -> list[Batch]:
        if self.inputs == 1 and isinstance(x, (list, tuple)):
            x = _stacked(x, None if self.shape is None else len(self.shape))
        shapes = [np.shape(part) for part in parts_of(x)]
        if not shapes or any(shape[:1] in ((), (0,)) for shape in shapes):
            raise ValueError(f"`x` must hold at least one sample. Received: shapes {shapes}")
        numbers = sum(math.prod(shape[1:]) for shape in shapes)
        size = max(min(BATCH, BATCH_NUMBERS // max(numbers, 1)), 1)
        return [_mapped(x, lambda part, at=at: part[at : at + size]) for at in range(0, shapes[0][0], size)]


def parts_of(x: Batch, names: Sequence[str] = ()) -> list:
    """The arrays of the inputs; of a dictionary in the order of `names`, the names of the input layers."""
    if isinstance(x, Mapping):
        return [x[name] for name in (names if set(names) == set(x) else x)]
    return list(x) if isinstance(x, (list, tuple)) else [x]


def _is_arrays(x: Any) -> bool:
    """Whether something is arrays, and not batches of them."""
    if isinstance(x, Mapping):
        return True
    if isinstance(x, (list, tuple)):
        return all(not isinstance(part, (list, tuple, Mapping)) or _is_numbers(part) for part in x)
    return hasattr(x, "shape") and not isinstance(x, type)


def _is_numbers(x: Any) -> bool:
    try:
        return np.asarray(x).dtype.kind in "biuf"
    except ValueError:  # parts of several shapes
        return False


def _stacked(x: Sequence, rank: int | None) -> Any:
    """One array of the list of one array, or of samples."""
    if len(x) == 1 and (rank is None or np.ndim(x[0]) >= rank):
        return x[0]
    arrays = [np.asarray(part) for part in x]
    if len({array.shape for array in arrays}) > 1:
        raise ValueError(
            "`x` must be one array, or samples of one shape, as the model has one input (of (x, y) give x). "
            f"Received: {len(x)} arrays of shapes {', '.join(str(array.shape) for array in arrays[:4])}"
        )
    return np.stack(arrays) if arrays else x


def _mapped(x: Any, function: Any) -> Any:
    if isinstance(x, Mapping):
        return {key: function(part) for key, part in x.items()}
    return [function(part) for part in x] if isinstance(x, (list, tuple)) else function(x)


def _kept(x: Any) -> Iterable:
    """A data set as it is; a generator can be gone through once, so that its batches are kept."""
    if not isinstance(x, Iterable):
        raise TypeError(f"`x` must be arrays, or a data set or generator of batches. Received: x={x!r}")
    return list(x) if isinstance(x, Iterator) else x


def _fits(shape: tuple, wanted: tuple) -> bool:
    """Whether Keras takes samples of a shape: it adds an axis of size 1 at the end, or leaves one out."""
    same = [known in (None, size) for size, known in zip((*shape, 1), (*wanted, 1), strict=False)]
    return all(same) and abs(len(shape) - len(wanted)) <= 1


def _finite(part: Any) -> np.ndarray:
    masked = isinstance(part, np.ma.MaskedArray)
    part = real_numbers(part if masked else keras.ops.convert_to_numpy(part), "`x` must hold real numbers")
    if part.dtype.kind not in "fV":  # "V" is bfloat16
        return part
    with np.errstate(over="ignore"):
        finite = np.isfinite(part.astype("float32", copy=False))  # as the model computes with them
    if not finite.all():
        raise ValueError(
            f"`x` must hold finite numbers. Received: {int((~finite).sum())} that are not, among {part.size}"
        )
    return part
