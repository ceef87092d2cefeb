"""Rebuilds a model with quantized layers."""

from __future__ import annotations

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
from keras_efficient.layers.quantized.input import InputQ
from keras_efficient.quantization.own_model.conversions import convert
from keras_efficient.quantization.own_model.float_layers import prepares
from keras_efficient.quantization.own_model.functions import for_table, reads_through_table
from keras_efficient.quantization.own_model.fusion import leads_out, plan_fusions
from keras_efficient.quantization.own_model.kinds import relu_name
from keras_efficient.quantization.own_model.request import Request, StaysFloatError
from keras_efficient.quantization.own_model.settings import Choice
from keras_efficient.quantization.own_model.weights import carry_over, core
from keras_efficient.quantization.samples import Samples, parts_of
from keras_efficient.reading.graph import ModelGraph, Node
from keras_efficient.reading.read import is_connected, run_nodes
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
    """

    choices: Mapping[int, Choice]
    fold: bool
    input_bits: int | None
    x: Samples | None
    reasons: dict[int, str] = field(default_factory=dict)
    made: dict[int, list] = field(default_factory=dict)

    def copy(self, model: keras.Model, is_inner: bool = False) -> keras.Model:
        """A quantized copy, in float mode."""
        walk = Walk(model, self, is_inner)
        copy = walk.run()
        for node, new in walk.made.values():
            fusion = walk.fusions.get(node)
            carry_over(node.operation, new, fusion.batch_norm.operation if fusion and fusion.batch_norm else None)
            self.made[id(node.operation)] = new
        self.made.update({id(node.operation): [] for node in walk.absorbed})
        return copy


class Walk(Rebuilder):
    """One walk through a model.

    made: What each operation became, by id, with its first call.
    outside, preparing: The values and nodes that stand before the grids of the inputs.
    non_negative: The values that are known not to be negative.
    on_grid: The tensors of values of the outside on a grid.
    wide: The values with more codes than a table has entries.
    """

    def __init__(self, model: keras.Model, settings: Quantizing, is_inner: bool):
        super().__init__(model)
        self.settings, self.is_inner = settings, is_inner
        floats = {node for node in self.graph.nodes if not self.has_quantized_form(node)}
        self.fusions = plan_fusions(self.graph, floats, settings.fold)
        self.absorbed = {node for fusion in self.fusions.values() for node in fusion.absorbed}
        self.made: dict[int, tuple[Node, list]] = {}
        self.outside, self.preparing = set(self.graph.inputs), prepares(self.graph)
        self.non_negative: set[Value] = set()
        self.on_grid: dict[Value, Any] = {}
        with_grid = settings.input_bits is not None and not is_inner
        self.signed = signed_values(self.graph, settings.x) if with_grid else {}
        self.wide = set(self.signed) if (settings.input_bits or 0) > TABLE_BITS else set()

    def choice_of(self, node: Node) -> Choice:
        """The widths of a node; inner models, and what only makes masks, have none of their own."""
        return self.settings.choices.get(id(node.operation), Choice(None))

    def has_quantized_form(self, node: Node) -> bool:
        """Whether a node is to be quantized, and can be as it is set."""
        choice = self.choice_of(node)
        if choice.settings is None:
            return False
        try:
            convert(Request(node, choice))
        except StaysFloatError as error:
            self.settings.reasons[id(node.operation)] = str(error)
            return False
        return True

    def call(self, node: Node, args: tuple, kwargs: dict[str, Any]) -> Any:
        known = bool(node.inputs) and all(value in self.non_negative for value in node.inputs)
        if node in self.absorbed:
            self.non_negative.update(node.outputs if known else ())
            self.wide.update(node.outputs if self.reads_wide(node) else ())
            return args[0]
        if node in self.preparing:
            self.outside.update(node.outputs)
        if id(node.operation) not in self.made:
            # Called again, it may meet other inputs.
            once = len(self.graph.calls_of(node.operation)) == 1
            self.made[id(node.operation)] = (node, self.make(node, known and once))
        first, *others = self.made[id(node.operation)][1]
        if type(first) is type(node.operation):
            y = first(*args, **kwargs)
        else:  # x + y calls the operation with two tensors, 1 - x with a number and a tensor; the layer takes a list
            tensors = [each for each in (*args, *kwargs.values()) if isinstance(each, keras.KerasTensor)]
            y = first(tensors if len(tensors) > 1 else tensors[0] if tensors else args[0])
        for layer in others:
            y = layer(y)
        last = [first, *others][-1]
        if self.keeps_sign(node, last, known):
            self.non_negative.update(node.outputs)
        quantizer = getattr(core(last), "activation_quantizer", None)
        keeps = node.kind.keeps_grid or relu_name(*node.form) == "relu"
        if (quantizer and quantizer.bits > TABLE_BITS) or (not quantizer and keeps and self.reads_wide(node)):
            self.wide.update(node.outputs)
        return y

    def reads_wide(self, node: Node) -> bool:
        return not self.wide.isdisjoint(node.inputs)

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
            self.non_negative.update(() if signed else (value,))
        return self.on_grid[value]

    def make(self, node: Node, known: bool) -> list:
        """What takes the place of the operation of a node."""
        if is_connected(node.operation):
            return [self.settings.copy(node.operation, is_inner=True)]
        works = node in self.fusions and node not in self.preparing
        made = convert(self.request(node, known)) if works else None
        return made or [copy_of(node.operation)]

    def request(self, node: Node, known: bool) -> Request:
        choice, fusion = self.choice_of(node), self.fusions[node]
        is_output = leads_out(self.graph, [node, *fusion.after][-1]) and not self.is_inner
        if is_output and choice.settings is not None and "activation_bits" not in choice.given:
            settings = replace(choice.settings, activation_bits=LOGIT_BITS)
            choice = replace(choice, settings=settings, asked=choice.asked - {"activation_bits"})
        if choice.settings is not None and "activation_bits" not in choice.given:
            readers = self.graph.readers([node, *fusion.after][-1].outputs[0])
            if not is_output and any(map(reads_through_table, readers)):
                choice = replace(choice, settings=for_table(choice.settings))
        norm, relu = fusion.batch_norm, fusion.activation
        return Request(
            node,
            choice,
            batch_norm=norm and norm.operation,
            frozen_statistics=norm is not None and norm.kwargs.get("training") is False,
            padding=None if fusion.padding is None else fusion.padding.form.config["padding"],
            activation=None if relu is None else relu_name(*relu.form),
            is_output=is_output,
            non_negative=known,
            wide=self.reads_wide(node),
        )

    @staticmethod
    def keeps_sign(node: Node, layer: Any, inputs_known: bool) -> bool:
        """Whether an output can not be negative: unsigned codes can not, and what keeps codes does not change that."""
        quantizer = getattr(layer, "activation_quantizer", None)
        if quantizer is not None:
            return not quantizer.signed
        return relu_name(*node.form) is not None or (inputs_known and node.kind.keeps_grid)


def signed_values(graph: ModelGraph, x: Samples | None) -> dict[Value, bool]:
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
