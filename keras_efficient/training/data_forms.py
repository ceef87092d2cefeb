"""The forms that samples come in (arrays, tables, data sets of batches), and those that a network takes and gives."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_efficient.checks import real_numbers
from keras_efficient.quantization.samples import parts_of
from keras_efficient.reading.keras_private import functional_of, input_names, input_structure
from keras_efficient.training.data import as_inputs, samples, with_channel

# x, y and weights of samples, as they came.
Part = tuple[Any, Any, Any]


def read_parts(data: Any) -> list[Part]:
    """(x, y, weights) of the training, validation and perhaps test samples, from `data` as `train_network` takes it."""
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
    """A table with columns (pandas, polars) as an array (rows, columns), a ValueError where a column holds no numbers;
    anything else as it is."""
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
    cardinality = getattr(batches, "cardinality", None)
    if callable(cardinality) and int(cardinality()) == -1:
        raise ValueError("A data set in `data` must come to an end. Received: one that repeats; take(n) are n batches")
    if isinstance(batches, keras.utils.PyDataset):
        if batches.num_batches is None:
            raise ValueError("A PyDataset in `data` must come to an end. Received: num_batches=None")
        batches = map(batches.__getitem__, range(batches.num_batches))
    found = []
    for batch in batches:
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            size = f" of {len(batch)}" if isinstance(batch, Sequence) else ""
            form = "A data set in `data` must give batches (x, y) or (x, y, weights)"
            raise ValueError(f"{form}. Received: {type(batch).__name__}{size}")
        found.append(_pair(batch))
        if not isinstance(batch[1], (Mapping, list, tuple)) and np.ndim(batch[1]) == 0:
            form = "A data set in `data` must give batches, as dataset.batch(64) does"
            raise ValueError(f"{form}. Received: single samples")
    if not found:
        raise ValueError("A data set in `data` must give at least one batch. Received: none")
    x, y, weights = map(_joined, zip(*found, strict=True))
    return x, y, weights


def _joined(parts):
    def array(part):
        return np.atleast_1d(part if isinstance(part, np.ndarray) else keras.ops.convert_to_numpy(part))

    if parts[0] is None:
        return None
    return keras.tree.map_structure(lambda *arrays: np.concatenate(list(map(array, arrays))), *parts)


def input_array(x: Any) -> np.ndarray:
    """One input, in any form, as float32."""
    if isinstance(x, Mapping) and len(x) == 1:
        (x,) = x.values()
    return as_inputs(as_table(x))


def network_inputs(model: keras.Model, x: Any, part: str) -> Any:
    """Samples in the structure that a network takes, of the rank of its inputs; a ValueError names what is missing."""
    functional = functional_of(model)
    if functional is None:
        several = isinstance(x, (Mapping, tuple))
        return keras.tree.map_structure(input_array, x) if several else _of_tried_rank(model, input_array(x))
    structure = input_structure(functional)
    names = sorted(structure) if isinstance(structure, Mapping) else input_names(functional)
    if len(names) == 1:
        array = _with_last_axis(input_array(x), functional.inputs[0])
        return {names[0]: array} if isinstance(structure, Mapping) else array
    _check_several(x, names, part)
    pairs = zip(parts_of(x, names), functional.inputs, strict=True)
    return keras.tree.pack_sequence_as(
        structure, [_with_last_axis(input_array(part), tensor) for part, tensor in pairs]
    )


def network_outputs(model: keras.Model, x: Any) -> Any:
    """What a network gives for samples, as float32 arrays; a ValueError if it does not take them."""
    try:
        outputs = model(keras.tree.map_structure(keras.ops.convert_to_tensor, x), training=False)
    except Exception as error:  # whatever a layer says of a shape
        shapes = [array.shape[1:] for array in keras.tree.flatten(x)]
        raise ValueError(
            f"`x_train` of `data` does not fit the network. Received: samples of {shapes}: {error}"
        ) from error
    return keras.tree.map_structure(lambda part: keras.ops.convert_to_numpy(keras.ops.cast(part, "float32")), outputs)


def output_names(model: keras.Model, outputs: Any) -> list[str]:
    """The names of the outputs of a network, by which losses and metrics are given."""
    if isinstance(outputs, Mapping):
        return sorted(outputs)
    functional = functional_of(model)
    if functional is not None:
        return list(functional.output_names)
    return [f"output_{number}" for number in range(len(keras.tree.flatten(outputs)))]


def _check_several(x, names, part):
    several = isinstance(x, (list, tuple, Mapping))
    if several and len(x) == len(names) and (not isinstance(x, Mapping) or set(x) == set(names)):
        return
    found: Any = sorted(x) if isinstance(x, Mapping) else f"{len(x)} of them" if several else type(x).__name__
    raise ValueError(
        f"`x_{part}` must be a list or dictionary of arrays for the inputs {names} of the network. Received: {found}"
    )


def _of_tried_rank(model, x):
    """Gray images with their channel, for a model that does not say what it takes: if it takes that."""
    try:
        model(keras.ops.convert_to_tensor(with_channel(samples(x, slice(1)))), training=False)
    except Exception:  # whatever a layer says of a shape
        return x
    return with_channel(x)


def _with_last_axis(x, tensor):
    """Gray images may come without their channel, single numbers without their axis: where the input has it."""
    wanted = tuple(tensor.shape)
    return x[..., np.newaxis] if len(wanted) == x.ndim + 1 and wanted[-1] in (1, None) else x
