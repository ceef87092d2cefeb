"""Rebuilds a model with quantized layers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from keras_efficient.copies.layers import copy_of
from keras_efficient.copies.rebuild import Rebuilder
from keras_efficient.kinds import Key
from keras_efficient.kinds.elementwise import TABLE_BITS
from keras_efficient.kinds.measures import LOGIT_BITS
from keras_efficient.layers.quantized.activation import InputQ
from keras_efficient.quantization.own_model.conversions import convert
from keras_efficient.quantization.own_model.float_layers import prepares
from keras_efficient.quantization.own_model.functions import for_table, reads_through_table
from keras_efficient.quantization.own_model.fusion import leads_out, plan_fusions
from keras_efficient.quantization.own_model.request import Request, StaysFloatError, relu_name
from keras_efficient.quantization.own_model.settings import Choice
from keras_efficient.quantization.own_model.weights import carry_over, core
from keras_efficient.quantization.samples import Samples, parts_of
from keras_efficient.reading.graph import ModelGraph, Node
from keras_efficient.reading.read import is_connected, read_model, run_nodes
from keras_efficient.reading.value import Value

# They are grids themselves.
BEFORE_GRID = (Key("own", "InputQ"), Key("own", "ActivationQ"), Key("own", "AveragePoolingQ"))


@dataclass
class Quantizing:
    """What is asked of the copy of a model and of the models within it.

    choices: For each operation, by id, its widths.
    fold: Whether batch normalizations are folded.
    input_bits: Width of the grids of the inputs; None puts none.
    x: Samples that say whether those grids are signed, or None.
    reasons: Gets, for each operation that has a quantized form but not as it is set, by id, why it stays float.
    made: Gets, for each operation by id, what took its place: layers, none where another one took it in.
    graph: Of the whole model, inner ones written out: where a layer stands does not depend on the model that it is in.
    non_negative, wide: What gives numbers that are known not to be negative, and what more codes than a table has
        entries (see `sources`).
    """

    choices: Mapping[int, Choice]
    fold: bool
    input_bits: int | None
    x: Samples | None
    reasons: dict[int, str] = field(default_factory=dict)
    made: dict[int, list] = field(default_factory=dict)
    graph: ModelGraph = field(init=False)
    non_negative: set[int] = field(default_factory=set)
    wide: set[int] = field(default_factory=set)

    def copy(self, model: keras.Model) -> keras.Model:
        """A quantized copy, in float mode."""
        self.graph = read_model(model)
        for node in self.graph.operations:
            _check_weights(node)
        return self.copy_part(model, is_inner=False)

    def copy_part(self, model: keras.Model, is_inner: bool) -> keras.Model:
        """A copy of the model, or of one within it."""
        walk = Walk(model, self, is_inner)
        copy = walk.run()
        for node, new in walk.made.values():
            fusion = walk.fusions.get(node)
            carry_over(node.operation, new, fusion.batch_norm.layer if fusion and fusion.batch_norm else None)
            self.made[id(node.operation)] = new
        self.made.update({id(node.operation): [] for node in walk.absorbed})
        return copy

    def sources(self, node: Node) -> set[int]:
        """What all calls of an operation read, by the ids of the operations, or of the inputs, that give it."""
        values = [value for call in self.graph.calls_of(node.operation) for value in call.inputs]
        return {_source_of(self.graph, value) for value in values}

    def is_non_negative(self, node: Node) -> bool:
        """Whether all that an operation reads is known not to be negative."""
        sources = self.sources(node)
        return bool(sources) and sources <= self.non_negative

    def reads_wide(self, node: Node) -> bool:
        return not self.wide.isdisjoint(self.sources(node))

    def leads_out(self, node: Node) -> bool:
        """Whether an operation gives an output of the model, but for a head."""
        return any(leads_out(self.graph, call) for call in self.graph.calls_of(node.operation))

    def is_read_through_table(self, node: Node) -> bool:
        """Whether tables alone read what an operation gives."""
        values = [value for call in self.graph.calls_of(node.operation) for value in call.outputs]
        readers = [reader for value in values for reader in self.graph.readers(value)]
        return bool(readers) and all(map(reads_through_table, readers))


class Walk(Rebuilder):
    """One walk through a model.

    made: What each operation became, by id, with its first call.
    outside, preparing: The values and nodes that stand before the grids of the inputs.
    on_grid: The tensors of values of the outside on a grid.
    """

    def __init__(self, model: keras.Model, settings: Quantizing, is_inner: bool):
        super().__init__(model)
        self.settings = settings
        floats = {node for node in self.graph.nodes if not self.has_quantized_form(node)}
        self.fusions = plan_fusions(self.graph, floats, settings.fold)
        self.absorbed = {node for fusion in self.fusions.values() for node in fusion.absorbed}
        self.made: dict[int, tuple[Node, list]] = {}
        self.outside, self.preparing = set(self.graph.inputs), set() if is_inner else prepares(self.graph)
        self.on_grid: dict[Value, Any] = {}
        with_grid = settings.input_bits is not None and not is_inner
        self.signed = _signed_values(self.graph, settings.x) if with_grid else {}
        if (settings.input_bits or 0) > TABLE_BITS:
            settings.wide.update(_source_of(self.graph, value) for value in self.signed)

    def choice_of(self, node: Node) -> Choice:
        """The widths of a node; inner models, and what only makes masks, have none of their own."""
        return self.settings.choices.get(id(node.operation), Choice(None))

    def has_quantized_form(self, node: Node) -> bool:
        """Whether a node is to be quantized, and can be as it is set."""
        choice = self.choice_of(node)
        if choice.settings is None:
            return False
        try:
            converts = convert(Request(node, choice)) is not None
        except StaysFloatError as error:
            self.settings.reasons[id(node.operation)] = str(error)
            return False
        return converts or not node.kind.absorbs  # what stays as it is takes in nothing

    def call(self, node: Node, args: tuple, kwargs: dict[str, Any]) -> Any:
        known = self.settings.is_non_negative(node)
        if node in self.absorbed:
            self.settings.non_negative.update([id(node.operation)] if known else [])
            self.settings.wide.update([id(node.operation)] if self.settings.reads_wide(node) else [])
            return args[0]
        if node in self.preparing:
            self.outside.update(node.outputs)
        if id(node.operation) not in self.made:
            self.made[id(node.operation)] = (node, self.make(node, known))
        first, *others = self.made[id(node.operation)][1]
        if type(core(first)) is type(core(node.operation)):
            y = first(*args, **kwargs)
        else:  # x + y calls the operation with two tensors, 1 - x with a number and a tensor; the layer takes a list
            tensors = [each for each in (*args, *kwargs.values()) if isinstance(each, keras.KerasTensor)]
            y = first(tensors if len(tensors) > 1 else tensors[0] if tensors else args[0])
        for layer in others:
            y = layer(y)
        last = [first, *others][-1]
        if self.keeps_sign(node, last, known):
            self.settings.non_negative.add(id(node.operation))
        quantizer = getattr(core(last), "activation_quantizer", None)
        keeps = node.kind.keeps_grid or relu_name(*node.form) == "relu"
        if (quantizer and quantizer.bits > TABLE_BITS) or (not quantizer and keeps and self.settings.reads_wide(node)):
            self.settings.wide.add(id(node.operation))
        return y

    def tensor(self, node: Node, value: Value) -> Any:
        """A value of the outside on its grid, for a layer that works."""
        needs_grid = value in self.outside and value in self.signed
        if not needs_grid or node.layer_key in BEFORE_GRID or node in self.preparing:
            return self.known[value]
        if value not in self.on_grid:
            number = len(self.on_grid)
            name, signed = f"input_q_{number}" if number else "input_q", self.signed[value]
            grid = InputQ(self.settings.input_bits or 0, signed, name=name, dtype=value.dtype)
            self.on_grid[value] = grid(self.known[value])
            self.settings.non_negative.update(() if signed else [_source_of(self.graph, value)])
        return self.on_grid[value]

    def make(self, node: Node, known: bool) -> list:
        """What takes the place of the operation of a node."""
        if is_connected(node.operation):
            return [self.settings.copy_part(node.operation, is_inner=True)]
        works = node in self.fusions and node not in self.preparing
        made = convert(self.request(node, known)) if works else None
        return made or [copy_of(node.operation)]

    def request(self, node: Node, known: bool) -> Request:
        choice, fusion = self.choice_of(node), self.fusions[node]
        last = [node, *fusion.after][-1]
        is_output = self.settings.leads_out(last)
        free = None if "activation_bits" in choice.given else choice.settings
        if free and is_output:
            settings = replace(free, activation_bits=LOGIT_BITS)
            choice = replace(choice, settings=settings, asked=choice.asked - {"activation_bits"})
        elif free and self.settings.is_read_through_table(last):
            choice = replace(choice, settings=for_table(free))
        norm, relu = fusion.batch_norm, fusion.activation
        return Request(
            node,
            choice,
            batch_norm=norm and norm.layer,
            frozen_statistics=norm is not None and norm.kwargs.get("training") is False,
            padding=None if fusion.padding is None else fusion.padding.form.config["padding"],
            activation=None if relu is None else relu_name(*relu.form),
            is_output=is_output,
            non_negative=known,
            wide=self.settings.reads_wide(node),
        )

    @staticmethod
    def keeps_sign(node: Node, layer: Any, inputs_known: bool) -> bool:
        """Whether an output can not be negative: unsigned codes can not, and what keeps codes does not change that."""
        quantizer = getattr(layer, "activation_quantizer", None)
        if quantizer is not None:
            return not quantizer.signed
        return relu_name(*node.form) is not None or (inputs_known and node.kind.keeps_grid)


def _check_weights(node: Node) -> None:
    """A ValueError for weights that Keras has put another form in the place of."""
    for wanted, why in (("lora_enabled", "an update of low rank"), ("quantization_mode", "integers of Keras's own")):
        if getattr(node.layer, wanted, None):
            raise ValueError(
                f"Layer '{node.name}' ({node.described}) must have its plain weights. Received: {why} ({wanted}). "
                "Quantize a model without it; a file that Keras saves has such an update merged in"
            )


def _source_of(graph: ModelGraph, value: Value) -> int:
    """The id of the operation that gives a value, or of the input that it is."""
    maker = graph.makers.get(value)
    return id(value.tensor if maker is None else maker.operation)


def _signed_values(graph: ModelGraph, x: Samples | None) -> dict[Value, bool]:
    """Whether the values before the grids of the inputs are negative somewhere: the inputs, and what is prepared.

    Without samples they may be. Values that are no floats (the indices of an embedding, say) get no grid.
    """
    before = prepares(graph)
    nodes = [node for node in graph.nodes if node in before]
    outside = [*graph.inputs, *(value for node in nodes for value in node.outputs)]
    floats = [value for value in outside if "float" in value.dtype]
    if x is None:
        return dict.fromkeys(floats, True)
    found = dict.fromkeys(floats, False)
    for batch in x:
        known = run_nodes(nodes, dict(zip(graph.inputs, parts_of(batch, graph.input_names), strict=True)))
        for value in floats:
            found[value] |= bool(np.min(keras.ops.convert_to_numpy(known[value])) < 0)
    return found
