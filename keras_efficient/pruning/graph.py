"""How the layers of a flat model are connected."""

from __future__ import annotations

import keras

from keras_efficient.reading.keras_private import calls_in_order, functional_of, maker_of


class Graph:
    """The layers of a Functional or Sequential model in the order of computation, and their edges.

    Attributes:
        layers: The layers, inputs included.
        sources: {id(layer): the layers that feed it}, in order.
        consumers: {id(layer): the layers that it feeds}.
        ends: The ids of the layers whose outputs are outputs of the model.
        shared: The ids of the layers that are called more than once.
    """

    def __init__(self, model: keras.Model):
        function = functional_of(model)
        self.layers: list[keras.layers.Layer] = []
        self.sources: dict[int, list[keras.layers.Layer]] = {}
        self.consumers: dict[int, list[keras.layers.Layer]] = {}
        self.shared: set[int] = set()
        for node in calls_in_order(function):
            layer = node.operation
            if id(layer) in self.sources:
                self.shared.add(id(layer))
            else:
                self.layers.append(layer)
            feeding = [maker_of(tensor) for tensor in node.arguments.keras_tensors]
            self.sources.setdefault(id(layer), []).extend(feeding)
            for source in feeding:
                self.consumers.setdefault(id(source), []).append(layer)
        self.ends = {id(maker_of(tensor)) for tensor in function.outputs}

    def source_of(self, layer: keras.layers.Layer) -> keras.layers.Layer | None:
        """The one layer that feeds `layer`, or None."""
        sources = self.sources[id(layer)]
        return sources[0] if len(sources) == 1 else None

    def consumers_of(self, layer: keras.layers.Layer) -> list[keras.layers.Layer]:
        return self.consumers.get(id(layer), [])
