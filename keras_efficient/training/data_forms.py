"""The forms that samples come in: arrays, tables, and data sets of batches, which are gathered."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_efficient.kinds.arguments import real_numbers

# x, y and weights of samples, as they came.
Part = tuple[Any, Any, Any]


def read_parts(data: Any) -> list[Part]:
    """(x, y, weights) of the training, validation and perhaps test samples.

    Args:
        data: (x_train, y_train, x_val, y_val[, x_test, y_test]), or (train, val[, test]) where each is a tuple
            (x, y[, weights]) or a data set of such batches.
    """
    items = tuple(data) if isinstance(data, (list, tuple)) else ()
    if len(items) in (4, 6):
        return [(x, y, None) for x, y in zip(items[0::2], items[1::2], strict=True)]
    if len(items) in (2, 3) and all(map(_is_part, items)):
        return [_pair(item) if isinstance(item, tuple) else _gathered(item) for item in items]
    raise ValueError(
        "`data` must be (x_train, y_train, x_val, y_val) or these and (x_test, y_test), or (train, val) or "
        "(train, val, test), each a data set of batches (x, y) or (x, y, weights) or a tuple of arrays like these. "
        f"Received: {f'{len(items)} items' if items else f'{data=}'}"
    )


def as_table(x: Any) -> Any:
    """A table with columns (pandas, polars) as an array (rows, columns); anything else as it is.

    Raises:
        ValueError: If a column holds no numbers.
    """
    if not (hasattr(x, "columns") and hasattr(x, "to_numpy")):
        return x
    array = x.to_numpy()
    if array.dtype.kind != "O":
        return array
    columns = [real_numbers(np.asarray(x[name]), f"Column {name!r} must hold real numbers") for name in x.columns]
    return np.stack(columns, axis=1)


def _is_part(item):
    if isinstance(item, tuple):
        return len(item) in (2, 3)
    return isinstance(item, (Iterable, keras.utils.PyDataset)) and not isinstance(item, (str, Mapping, np.ndarray))


def _pair(item: Any) -> Part:
    x, y, *weights = item
    return x, y, weights[0] if weights else None


def _gathered(batches: Any) -> Part:
    """All batches of a data set as arrays."""
    cardinality = getattr(batches, "cardinality", None)
    if callable(cardinality) and int(cardinality()) == -1:
        raise ValueError("A data set in `data` must come to an end. Received: one that repeats; take(n) are n batches")
    found = [_pair(_checked(batch)) for batch in _batches(batches)]
    if not found:
        raise ValueError("A data set in `data` must give at least one batch. Received: none")
    x, y, weights = zip(*found, strict=True)
    return _joined(x), _joined(y), _joined(weights)


def _batches(batches):
    if not isinstance(batches, keras.utils.PyDataset):
        return batches
    if batches.num_batches is None:
        raise ValueError("A PyDataset in `data` must come to an end. Received: num_batches=None")
    return (batches[number] for number in range(batches.num_batches))


def _checked(batch):
    if isinstance(batch, (tuple, list)) and len(batch) in (2, 3):
        return batch
    raise ValueError(
        "A data set in `data` must give batches (x, y) or (x, y, weights). "
        f"Received: {type(batch).__name__}{f' of {len(batch)}' if isinstance(batch, Sequence) else ''}"
    )


def _joined(parts):
    def array(part):
        return np.atleast_1d(part if isinstance(part, np.ndarray) else keras.ops.convert_to_numpy(part))

    if parts[0] is None:
        return None
    return keras.tree.map_structure(lambda *arrays: np.concatenate(list(map(array, arrays))), *parts)
