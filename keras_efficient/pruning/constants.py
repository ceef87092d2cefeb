"""Which channels of a trained model always have the same value."""

from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_efficient.kinds.kind import CHANNELS, FILTERS, THIN
from keras_efficient.layers.activation_names import activation_name
from keras_efficient.quantization.own_model.fusion import folds
from keras_efficient.quantization.own_model.request import ACTIVATION, BATCH_NORM
from keras_efficient.reading import ModelGraph, Node, Value
from keras_efficient.reading.read import run_nodes

_NOT_ELEMENTWISE = ("softmax", "log_softmax", "glu", "sparsemax")
_SIZE_IF_OPEN = 32

# Which channels are constant, and their values.
Channels: TypeAlias = tuple[np.ndarray, np.ndarray]


def constants_of(graph: ModelGraph) -> dict[Value, Channels | None]:
    """The constant channels of the values of a model: a pair of arrays, one entry per channel.

    They say whether it is constant over all inputs and places, and its value then (else 0). None where channels have
    no meaning any more.
    """
    known: dict[Value, Channels | None] = {}
    for node in graph.nodes:
        before = known.get(node.inputs[0]) if len(node.inputs) == 1 else None
        known.update(dict.fromkeys(node.outputs, _after(node, before)))
    return known


def passes_channels(node: Node) -> bool:
    """Whether output channel c of a node comes from its input channel c alone."""
    if not _channels_last(node):
        return False
    if node.form.key == BATCH_NORM:
        return folds(node)
    if node.form.key == ACTIVATION:
        return _is_elementwise(node.form.config["activation"])
    # The slopes of a PReLU may be one for each cell.
    has_slopes = any(len(variable.shape) > 1 for variable in getattr(node.operation, "variables", ()))
    return _is_thin(node) or (node.kind.prunes == CHANNELS and not has_slopes)


def _is_thin(node: Node) -> bool:
    """Whether a node is a depthwise convolution with one filter per channel."""
    return node.kind.prunes == THIN and node.form.config["depth_multiplier"] == 1


def is_producer(node: Node) -> bool:
    """Whether a node has a kernel (..., inputs, outputs) whose inputs and outputs can be taken out."""
    has_kernel = node.kind.prunes == FILTERS and node.form.key == node.layer_key  # a wrapper has none of its own
    return has_kernel and _channels_last(node) and node.form.config.get("groups", 1) == 1


def _channels_last(node: Node) -> bool:
    return node.form.config.get("data_format") in (None, "channels_last")


def kernel_and_bias(layer: keras.layers.Layer) -> tuple[np.ndarray, np.ndarray | None]:
    """Kernel and bias as the layer computes with them in inference: rounded in the quantized modes, and with the
    batch normalization that it may have taken in."""
    if hasattr(layer, "quantize_weight"):
        kernel = layer.quantize_weight(layer.kernel_quantizer)
        bias = layer.quantize_weight(layer.bias_quantizer) if layer.has_bias else None
    else:
        kernel, bias = layer.kernel, layer.bias if layer.use_bias else None
    return ops.convert_to_numpy(kernel), None if bias is None else ops.convert_to_numpy(bias)


def _after(node, before):
    layer = node.operation
    if is_producer(node) or _is_thin(node):
        found = _silent_filters(layer, _is_thin(node))
        if _is_thin(node) and before is not None:
            other = _passed_on(node, *before)
            found = found[0] | other[0], np.where(found[0], found[1], other[1])
        return found
    return _passed_on(node, *before) if before is not None and passes_channels(node) else None


def _silent_filters(layer, thin):
    """A filter of zeros gives what the layer makes of its bias."""
    kernel, bias = kernel_and_bias(layer)
    kernel = kernel[..., 0] if thin else kernel
    silent = ~kernel.reshape(-1, kernel.shape[-1]).any(axis=0)
    constant = np.asarray(silent & _is_elementwise(activation_name(layer.activation)))
    values = np.zeros(len(constant), "float32") if bias is None else bias
    y = layer.activation(ops.convert_to_tensor(values))
    if hasattr(layer, "activation_quantizer"):
        y = layer.activation_quantizer(y, layer.current_mode)
    return constant, np.where(constant, ops.convert_to_numpy(y), 0)


def _passed_on(node, constant, values):
    """What a layer makes of constant channels: it computes a map of them."""
    (value,), (output,) = node.inputs, node.outputs
    shape = [1, *(size or _SIZE_IF_OPEN for size in value.shape[:-1]), len(values)]
    x = ops.convert_to_tensor(np.broadcast_to(values, shape).astype("float32"))
    y = ops.convert_to_numpy(run_nodes([node], {value: x})[output]).reshape(-1, len(values))
    constant = constant & (y == y[0]).all(axis=0)
    return constant, np.where(constant, y[0], 0)


def _is_elementwise(activation: Any) -> bool:
    """Whether an activation is one of Keras's, by name, that computes each number from itself alone."""
    return isinstance(activation, str) and hasattr(keras.activations, activation) and activation not in _NOT_ELEMENTWISE
