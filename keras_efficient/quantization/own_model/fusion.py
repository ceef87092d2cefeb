"""Which layers become one: a kernel with the batch normalization and the relu behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from keras_efficient.quantization.own_model.kinds import (
    ADDITIONS,
    BATCH_NORM,
    HEADS,
    KERNELS,
    core,
    is_linear,
    kind_of,
    relu_name,
)
from keras_efficient.storage.models import model_graph, tensor_sources


@dataclass(frozen=True)
class Fusion:
    """What a layer takes in: the batch normalization and the relu behind it, by name."""

    batch_norm: str | None = None
    activation: str | None = None

    @property
    def absorbed(self) -> list[str]:
        return [name for name in (self.batch_norm, self.activation) if name is not None]


class Graph:
    """The operations of a Functional model by name, and who reads whom."""

    def __init__(self, model: keras.Model):
        self.operations: dict[str, Any] = {operation.name: operation for operation in model.operations}
        self.outputs = {tensor._keras_history.operation.name for tensor in model.outputs}
        self.readers: dict[str, list[str]] = {name: [] for name in self.operations}
        self.calls: dict[str, int] = {}
        self.operands: dict[str, int] = {}
        for layer in model_graph(model):
            self.calls[layer["name"]] = len(layer["inbound_nodes"])
            for node in layer["inbound_nodes"]:
                sources = list(tensor_sources(node))
                self.operands[layer["name"]] = len(sources)
                for source in sources:
                    self.readers[source].append(layer["name"])

    def only_reader(self, name: str) -> str | None:
        """The one layer that reads `name`, if both are called once and nobody else sees the map between."""
        readers = self.readers[name]
        if name in self.outputs or len(readers) != 1:
            return None
        return readers[0] if self.calls[name] == self.calls[readers[0]] == 1 else None

    def leads_out(self, name: str) -> bool:
        """Whether what `name` gives is the model's output, but for a head such as a softmax."""
        return name in self.outputs or (
            bool(self.readers[name])
            and all(kind_of(self.operations[r]) in HEADS and self.leads_out(r) for r in self.readers[name])
        )


def plan_fusions(graph: Graph, stays_float: Mapping[str, bool], fold: bool) -> dict[str, Fusion]:
    """The fusions by the name of the layer that takes others in."""
    fusions, absorbed = {}, set()
    for name, operation in graph.operations.items():
        if name not in absorbed and not stays_float[name]:
            fusion = fusion_of(graph, name, operation, stays_float, fold)
            absorbed.update(fusion.absorbed)
            fusions[name] = fusion
    return fusions


def fusion_of(graph: Graph, name: str, operation: Any, stays_float: Mapping[str, bool], fold: bool) -> Fusion:
    kind = kind_of(operation)
    if kind in KERNELS and not is_linear(core(operation)):
        return Fusion()
    batch_norm, last = None, name
    if fold and kind in KERNELS:
        reader = graph.only_reader(name)
        if reader and folds(graph.operations[reader]) and not stays_float[reader]:
            batch_norm = last = reader
    activation = None
    is_sum = kind in ADDITIONS and graph.operands[name] > 1  # x + 1 stays as it is
    if kind in KERNELS or is_sum or is_depthwise(operation):
        reader = graph.only_reader(last)
        if reader and relu_name(graph.operations[reader]) and not stays_float[reader]:
            activation = reader
    return Fusion(batch_norm, activation)


def is_depthwise(operation: Any) -> bool:
    """Whether a layer is a batch normalization of images: a depthwise 1x1 convolution."""
    return folds(operation) and len(operation.input.shape) == 4


def folds(operation: Any) -> bool:
    """Whether a layer is a batch normalization over the channels."""
    return kind_of(operation) == BATCH_NORM and operation.axis in (-1, len(operation.input.shape) - 1)
