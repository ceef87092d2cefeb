"""From a Keras model to its integer operations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import keras

from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.context import Context
from keras_efficient.export.integer.grids import codes_of
from keras_efficient.export.integer.layers import read_layer
from keras_efficient.export.integer.operations import IntegerMap, Operation
from keras_efficient.export.integer.wiring import read_wiring
from keras_efficient.storage.graphs.reading import is_chain
from keras_efficient.storage.models import model_input_shape

PIXEL = Codes(bits=8, signed=False, exponent=-8)  # a byte stands for byte / 256
INPUT_WIDTHS = (8, 16)


class Wire(NamedTuple):
    """What flows between two layers: the number of a map, and whether it is a vector."""

    number: int
    flat: bool


@dataclass(frozen=True)
class IntegerNetwork:
    """The input map and the operations, up to the last layer that works.

    sources: for each operation the maps that it reads: 0 is the input, k + 1 what operation k makes.
    layers: the Keras layer of each operation. grid: the `InputQ` at the start, or None; what stands
    before it (`preparation`) is no part of the network.
    """

    input: IntegerMap
    operations: list[Operation]
    sources: list[tuple[int, ...]]
    layers: list[keras.layers.Layer]
    grid: keras.layers.Layer | None
    preparation: list[keras.layers.Layer]
    last: keras.layers.Layer

    @property
    def is_chain(self) -> bool:
        return all(sources == (number,) for number, sources in enumerate(self.sources))


def read_network(model: keras.Model) -> IntegerNetwork:
    """A network in integers.

    Raises:
        ValueError: A model that is not built, a layer without integer form, a weight or scale that is
            not a finite number; in a model with branches also several inputs or outputs, layers used
            twice, and models inside.
    """
    shape = model_input_shape(model)
    if None in shape or len(shape) not in (1, 2, 3):
        raise ValueError(
            "the model's input must be (numbers,), (steps, channels) or (rows, columns, channels), of fixed size. "
            f"Received: input shape {shape}"
        )
    wiring = read_wiring(model)
    first = IntegerMap((1,) * (3 - len(shape)) + tuple(shape), input_codes(wiring.grid))
    maps, wires = [first], [Wire(0, len(shape) == 1)]
    operations, numbers, layers = [], [], []
    has_branches = not is_chain(model)
    for position, (layer, places) in enumerate(zip(wiring.layers, wiring.sources, strict=True), start=1):
        sources = [wires[place] for place in places]
        flat = sources[0].flat or type(layer).__name__ == "Flatten"
        is_last = position == len(wiring.layers)
        context = Context(flat, is_last and wiring.grid is None, is_last, has_branches)
        operation = read_layer(layer, [maps[wire.number] for wire in sources], context)
        if operation is None:
            wires.append(Wire(sources[0].number, flat))
            continue
        operations.append(replace(operation, compute_dtype=layer.compute_dtype))
        numbers.append(tuple(wire.number for wire in sources))
        layers.append(layer)
        maps.append(operation.target)
        wires.append(Wire(len(maps) - 1, flat))
    return IntegerNetwork(
        first,
        operations,
        numbers,
        layers,
        wiring.grid,
        wiring.preparation,
        wiring.layers[-1] if wiring.layers else None,
    )


def input_codes(grid: Any) -> Codes:
    """Bytes that stand for byte / 256, or the integers of the input's grid."""
    if grid is None:
        return PIXEL
    codes = codes_of(grid, grid.activation_quantizer)
    if codes.bits not in INPUT_WIDTHS:
        raise ValueError(
            f"cannot export the layer {grid.name!r}: inputs have 8 or 16 bits. Received: bits={codes.bits}"
        )
    return codes
