"""From a Keras model to its integer operations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import keras

from keras_efficient.copies.layers import as_layer
from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.floats import loses_signs
from keras_efficient.export.integer.grids import Context, UnsupportedLayerError, codes_of
from keras_efficient.export.integer.layers import read_layer
from keras_efficient.export.integer.merging import Outputs
from keras_efficient.export.integer.operations import IntegerMap, Move, Operation
from keras_efficient.kinds.kind import RENAMES
from keras_efficient.kinds.measures import LOGIT_BITS, as_image, check_logits
from keras_efficient.reading.network import ADVICE, FLATTEN, Call, Entry, Network, read_network, some_names

PIXEL = Codes(bits=8, signed=False, exponent=-8)  # a byte stands for byte / 256
INPUT_WIDTHS = (8, 16)


@dataclass(frozen=True, eq=False)
class _Part:
    layer: Any
    part: tuple


class Wire(NamedTuple):
    """What flows between two layers: the number of a map, its shape there, and whether it is a vector.

    In a network that is no chain all maps lie by rows, so that a flatten or reshape is another view of the same memory.
    In a chain a dense layer reads what was flattened in the order in which it lies.
    """

    number: int
    shape: tuple[int, int, int]
    flat: bool


@dataclass(frozen=True)
class IntegerNetwork:
    """The input maps and the operations, up to the last layers that work; several outputs end in an `Outputs`.

    sources: for each operation the maps that it reads: the inputs come first, then what each operation makes.
    owners: for each operation a part of a layer: those of one owner share its kernel and bias. None of an `Outputs`.
    network: what they were read from; what stands before the grid of an input (`preparation`) is no part of the
    integers. logits_bits: of a number that users read.
    """

    inputs: tuple[IntegerMap, ...]
    operations: list[Operation]
    sources: list[tuple[int, ...]]
    owners: list[_Part | None]
    network: Network
    logits_bits: int = LOGIT_BITS

    @property
    def outputs(self) -> tuple[IntegerMap, ...]:
        last = self.operations[-1] if self.operations else None
        return last.sources if isinstance(last, Outputs) else (last.target if last else self.inputs[0],)


def read_integers(model: keras.Model, logits_bits: int = LOGIT_BITS) -> IntegerNetwork:
    """A network in integers.

    Raises:
        ValueError: A model that is not built, layers without integer form, a weight or scale that is
            not a finite number; inputs that no integer type holds; outputs that do not fit `logits_bits`.
    """
    found = replace(_empty_network(model), logits_bits=logits_bits)
    refusals = _read_layers(found)
    if len(refusals) == 1:
        raise refusals[0]
    if refusals:
        names = some_names([f"{each.name!r}: {each.reason}" for each in refusals], "; ")
        reason = f"{len(refusals)} layers have no integer form: {names}. {ADVICE}"
        raise UnsupportedLayerError(found.network.name, reason, "model")
    for number, output in zip(found.network.outputs, found.outputs, strict=True):
        position = number - len(found.inputs)
        name = found.network.calls[position].name if position >= 0 else "input"
        check_logits(name, output.codes.bits, logits_bits, output.codes.signed)
        if found.network.has_grid and output.codes.bits == LOGIT_BITS and not output.codes.signed:
            raise ValueError(
                f"the output of {name!r} has {LOGIT_BITS} bits without a sign, and logits have {LOGIT_BITS} with one: "
                f"give the layer that makes it less `activation_bits`, or an input less `input_bits`"
            )
    return found


def layers_without_integers(model: keras.Model) -> list[UnsupportedLayerError]:
    """Why layers of a model have no integer form, one error for each; a ValueError for the model as a whole."""
    return _read_layers(_empty_network(model))


def _empty_network(model: keras.Model) -> IntegerNetwork:
    network = _without_heads(read_network(model))
    inputs = tuple(map(_input_map, network.entries))
    input_width([each.codes for each in inputs])
    return IntegerNetwork(inputs, [], [], [], network)


def _input_map(entry: Entry) -> IntegerMap:
    """An input: bytes that stand for byte / 256, or the integers of its grid."""
    shape, codes = entry.shape, PIXEL
    if None in shape or len(shape) not in (1, 2, 3):
        raise ValueError(
            "the model's input must be (numbers,), (steps, channels) or (rows, columns, channels), of fixed size. "
            f"Received: input shape {shape}"
        )
    if entry.grid:
        layer = entry.grid.layer
        codes = codes_of(layer, layer.activation_quantizer)
        if codes.bits not in INPUT_WIDTHS:
            raise ValueError(
                f"cannot export the layer {layer.name!r}: inputs have 8 or 16 bits. Received: bits={codes.bits}"
            )
    return IntegerMap(as_image(shape), codes)


def input_width(codes: Sequence[Codes]) -> Codes:
    """The narrowest type that holds the numbers of all inputs, as codes of exponent 0."""
    signed = any(each.signed for each in codes)
    bits = max(each.bits + (signed and not each.signed) for each in codes)
    if bits > max(INPUT_WIDTHS):
        raise ValueError(
            "inputs of 16 bits must be all signed or all unsigned. Received: one signed beside one unsigned"
        )
    return Codes(min(width for width in INPUT_WIDTHS if width >= bits), signed, 0)


def _read_layers(found: IntegerNetwork) -> list[UnsupportedLayerError]:
    """Add the operations of all layers. What has none is refused, and read on as if it kept its input."""
    network, refusals, count = found.network, [], len(found.inputs)
    maps, parts = list(found.inputs), dict[tuple, _Part]()
    wires = [
        Wire(number, integers.shape, len(entry.shape) == 1)
        for number, (entry, integers) in enumerate(zip(network.entries, found.inputs, strict=True))
    ]
    for position, call in enumerate(network.calls):
        sources = [wires[place] for place in call.sources]
        views = [IntegerMap(wire.shape, maps[wire.number].codes) for wire in sources]
        flat = network.is_chain and (sources[0].flat or call.node.form.key == FLATTEN)
        is_last = (count + position,) == network.outputs
        context = Context(flat, network.is_sum(position), is_last, not network.is_chain)
        layer = as_layer(call.node)
        if context.in_graph and call.kind.codes == RENAMES:
            wires.append(Wire(sources[0].number, _shape_after(call), flat))
            continue
        try:
            operations = read_layer(call, layer, views, context)
        except UnsupportedLayerError as error:
            refusals.append(error)
            error.operation = call.node.operation
            maps.append(IntegerMap(_shape_after(call), views[0].codes))
            wires.append(Wire(len(maps) - 1, maps[-1].shape, flat))
            continue
        if not operations:
            wires.append(sources[0]._replace(flat=flat))
            continue
        # A function computes in what it gives.
        dtype = getattr(layer, "compute_dtype", None) or call.node.outputs[0].dtype
        numbers = tuple(wire.number for wire in sources)
        lost = loses_signs(layer, dtype)
        for operation in operations:
            owner = parts.setdefault((id(layer), operation.part), _Part(layer, operation.part))
            _add(found, replace(operation, compute_dtype=dtype, loses_signs=lost), numbers, owner)
            maps.append(operation.target)
            numbers = (len(maps) - 1,)
        shape = _shape_after(call) if call.kind.stages and context.in_graph else maps[-1].shape
        wires.append(Wire(len(maps) - 1, shape, flat and not isinstance(operations[-1], Move)))
    if network.gives_all:
        ends = [wires[number].number for number in network.outputs]
        _add(found, Outputs.of([maps[number] for number in ends]), tuple(ends), None)
    return refusals


def _add(found: IntegerNetwork, operation: Operation, sources: tuple[int, ...], owner: _Part | None) -> None:
    found.operations.append(operation)
    found.sources.append(sources)
    found.owners.append(owner)


def _shape_after(call: Call) -> tuple[int, int, int]:
    """The shape that Keras gives, for what stands after a layer that is refused; open sizes count as 1."""
    shape = tuple(size or 1 for size in call.node.outputs[0].shape)
    return as_image(shape) if len(shape) <= 3 else (1, 1, math.prod(shape))


def _without_heads(network: Network) -> Network:
    """Up to the last layer that works, which a network of heads alone does not have."""
    calls = list(network.calls)
    while network.is_chain and calls and calls[-1].kind.is_head:
        calls.pop()
    if not calls and not network.has_grid:
        raise ValueError(f"the model {network.name!r} holds no layer that could be exported")
    return network if len(calls) == len(network.calls) else network._replace(calls=tuple(calls), outputs=(len(calls),))
