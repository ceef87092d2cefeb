"""remove_filters: a smaller model without the filters that are zero."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from keras_efficient.copies.rebuild import check_model, replace_layers
from keras_efficient.kinds import Key
from keras_efficient.kinds.kind import TRAINING_ONLY
from keras_efficient.layers.pruning.prunable import PrunedChannels
from keras_efficient.pruning.constants import constants_of, is_producer, kernel_and_bias, passes_channels
from keras_efficient.pruning.strip import strip_pruning
from keras_efficient.pruning.updates import prunable_layers
from keras_efficient.quantization.modes import layers_of
from keras_efficient.reading import ModelGraph, Node, read_model

FLATTEN = Key("layers", "Flatten")


def remove_filters(model: keras.Model) -> keras.Model:
    """A copy of `model` without the filters, and units of dense layers, whose weights are all zero.

    The outputs stay the same (float32: to about 1e-6). With a filter go its bias, its channel of the
    BatchNormalization, depthwise convolution and so on after it, and its share of the kernels that read it,
    after a Flatten, too: there, one row for each place. What the filter's bias alone gives is added to the
    bias of the layer that reads it.

    A filter stays where the network would change without it: in a layer whose channels reach an output of the
    model, an Add, a Concatenate, a nested model or another layer that is no chain of convolutions, Dense and
    layers that treat each channel alone; where it gives a constant that is not zero to a convolution with
    padding, to a quantized layer, or to one without a bias; and one of each layer.

    Args:
        model: A built Functional or Sequential model, in any mode; `Prunable` wrappers are taken off first.

    Raises:
        TypeError: If the model is neither Functional nor Sequential.
        ValueError: See `strip_pruning`.
    """
    check_model(model)
    if prunable_layers(model) or layers_of(model, PrunedChannels):
        model = strip_pruning(model)
    graph = read_model(model, inner=False)
    constants = constants_of(graph)
    changes = {id(node.operation): _Change(node.operation) for node in graph.nodes}
    for node in graph.operations:
        if is_producer(node):
            _plan(node, graph, constants, changes)
    return replace_layers(model, lambda layer: changes[id(layer)].replacement() if id(layer) in changes else None)


@dataclass
class _Change:
    """What becomes of one layer."""

    layer: keras.layers.Layer
    kept: np.ndarray | None = None  # channels of its output
    rows: np.ndarray | None = None  # rows of its kernel, one for each entry of its input's last axis
    added: np.ndarray | None = None  # to its bias
    passes: bool = False  # channels, each to itself

    def replacement(self) -> tuple[keras.layers.Layer, list[np.ndarray]] | None:
        """The smaller layer and the values of its variables, or None for the same one."""
        if self.kept is None and self.rows is None:
            return None
        config = self.layer.get_config()
        if self.kept is not None and not self.passes:
            config["units" if "units" in config else "filters"] = len(self.kept)
        values = [self._value(variable) for variable in self.layer.variables]
        return type(self.layer).from_config(config), values

    def _value(self, variable):
        value = keras.ops.convert_to_numpy(variable)
        if self.passes:
            return self._channels(variable, value)
        if variable is self.layer.kernel or variable is getattr(self.layer, "_kernel", None):
            value = value if self.rows is None else value.take(self.rows, axis=-2)
            return value if self.kept is None else value[..., self.kept]
        if self.added is not None and variable is self.layer.bias:
            value = value + self.added
        # All other vectors have a number for each filter: biases, normalizations, scales.
        return value if self.kept is None or value.ndim != 1 else value[self.kept]

    def _channels(self, variable, value):
        """The channels of a layer that passes them: its vectors have them, and a thin kernel and its scales last but
        one."""
        if value.ndim > 1:
            return value.take(self.kept, axis=-2)
        return value[self.kept] if value.ndim == 1 and "float" in variable.dtype else value


def _plan(producer: Node, graph: ModelGraph, constants: Mapping, changes: dict[int, _Change]) -> None:
    """Take the channels out of everything between `producer` and the kernels that read them."""
    path, readers = _follow(producer, graph)
    if readers is None:
        return
    filters = kernel_and_bias(producer.operation)[0].shape[-1]
    removable = np.ones(filters, bool)
    for reader, source, _ in readers:
        removable &= _may_go(reader, constants[source])
    if removable.all():
        removable[0] = False
    if not removable.any():
        return
    kept = np.flatnonzero(~removable)
    changes[id(producer.operation)].kept = kept
    for layer in path:
        changes[id(layer)].kept, changes[id(layer)].passes = kept, True
    for reader, source, places in readers:
        change = changes[id(reader)]
        change.rows = np.flatnonzero(np.tile(~removable, places))
        known = constants[source]
        assert known is not None  # else nothing would be removable
        change.added = _from_constants(reader, np.tile(np.where(removable, known[1], 0), places))


def _follow(producer, graph):
    """The layers that pass the channels on, and for each kernel that reads them: (layer, the value whose
    channels they are, places of a flattened map). The latter None if the channels go elsewhere, too."""
    path: list[keras.layers.Layer] = []
    readers, waiting = [], [(producer, 1, producer.outputs[0])]
    while waiting:
        node, places, source = waiting.pop()
        (value,) = node.outputs
        consumers = graph.readers(value)
        if value in graph.outputs or len(graph.calls_of(node.operation)) > 1 or not consumers:
            return path, None
        for consumer in consumers:
            layer = consumer.operation
            if len(graph.calls_of(layer)) > 1 or consumer.inputs != (value,):
                return path, None
            if is_producer(consumer):
                readers.append((layer, source, places))
            elif consumer.form.key == FLATTEN and layer.data_format == "channels_last" and places == 1:
                size = value.shape[:-1]
                if None in size:
                    return path, None
                waiting.append((consumer, int(np.prod(size)), source))
            elif places == 1 and passes_channels(consumer):
                path += [layer] if isinstance(layer, keras.layers.Layer) else []
                waiting.append((consumer, 1, consumer.outputs[0]))
            elif consumer.kind.codes == TRAINING_ONLY:
                waiting.append((consumer, places, source))
            else:
                return path, None
    return path, readers


def _may_go(reader, known):
    """Which channels `reader` can do without."""
    if known is None:
        return np.zeros(1, bool)
    constant, values = known
    folds = reader.use_bias and not hasattr(reader, "quantizers") and getattr(reader, "padding", "valid") == "valid"
    return constant & ((values == 0) | folds)


def _from_constants(reader, values):
    """What constant inputs add to the outputs of a layer."""
    if not values.any():
        return None
    kernel = kernel_and_bias(reader)[0].astype("float64")
    return (values @ kernel.reshape(-1, *kernel.shape[-2:]).sum(axis=0)).astype("float32")
