"""Samples as a network takes them, and what it gives."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_efficient.quantization.samples import parts_of
from keras_efficient.reading.keras_private import functional_of, input_names, input_structure
from keras_efficient.training.data import as_inputs, samples, with_channel
from keras_efficient.training.data_forms import as_table


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
