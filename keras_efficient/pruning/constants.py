"""Which channels of a trained model always have the same value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import keras
import numpy as np
from keras import ops

from keras_efficient.kinds import layer_class
from keras_efficient.layers.activation_names import activation_name
from keras_efficient.reading import ModelGraph, Node, Value
from keras_efficient.reading.run import run_nodes

PRODUCERS = ("Dense", "Conv1D", "Conv2D", "Conv3D", "DenseQ", "Conv1DQ", "ConvQ")
DEPTHWISE = ("DepthwiseConv1D", "DepthwiseConv2D", "DepthwiseConvQ")
# What computes every channel from itself alone.
CHANNELWISE = (
    *("Activation", "ReLU", "LeakyReLU", "ELU", "ActivationQ", "Identity", "BatchNormalization"),
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout"),
    *(f"{kind}Pooling{d}D" for kind in ("Max", "Average", "GlobalMax", "GlobalAverage") for d in (1, 2, 3)),
    *(f"{kind}{d}D" for kind in ("ZeroPadding", "Cropping", "UpSampling") for d in (1, 2, 3)),
    *("AveragePoolingQ", "MeanPoolingQ", "GlobalMeanPoolingQ"),
)
_NOT_ELEMENTWISE = ("softmax", "log_softmax", "glu", "sparsemax")
_SIZE_IF_OPEN = 32

# Which channels are constant, and their values.
Channels: TypeAlias = tuple[np.ndarray, np.ndarray]


class Constants:
    """The constant channels of the values of a model.

    `constants[value]` is a pair of arrays, one entry a channel: whether it is constant over all inputs and
    places, and its value then (else 0). None where channels have no meaning any more.
    """

    def __init__(self, graph: ModelGraph):
        self._known: dict[Value, Channels | None] = {}
        for node in graph.nodes:
            before = self._known.get(node.inputs[0]) if len(node.inputs) == 1 else None
            self._known.update(dict.fromkeys(node.outputs, _behind(node, before)))

    def __getitem__(self, value: Value) -> Channels | None:
        return self._known[value]


def passes_channels(node: Node) -> bool:
    """Whether output channel c of a node comes from its input channel c alone."""
    layer, kind = node.operation, layer_class(node.operation)
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return False
    if kind == "Activation":
        return _is_elementwise(layer.activation)
    if kind == "BatchNormalization":
        return layer.axis in (-1, len(node.inputs[0].shape))
    return kind in CHANNELWISE or is_thin(layer)


def is_thin(layer: keras.layers.Layer) -> bool:
    """Whether a layer is a depthwise convolution with one filter a channel."""
    return layer_class(layer) in DEPTHWISE and layer.depth_multiplier == 1


def is_producer(layer: keras.layers.Layer) -> bool:
    """Whether a layer has a kernel (..., inputs, outputs) whose inputs and outputs can be taken out."""
    channels_last = getattr(layer, "data_format", "channels_last") == "channels_last"
    return layer_class(layer) in PRODUCERS and channels_last and getattr(layer, "groups", 1) == 1


def kernel_and_bias(layer: keras.layers.Layer) -> tuple[np.ndarray, np.ndarray | None]:
    """Kernel and bias as the layer computes with them in inference: rounded in the quantized modes, and with the
    batch normalization that it may have taken in."""
    if hasattr(layer, "quantize_weight"):
        kernel = layer.quantize_weight(layer.kernel_quantizer)
        bias = layer.quantize_weight(layer.bias_quantizer) if layer.has_bias else None
    else:
        kernel, bias = layer.kernel, layer.bias if layer.use_bias else None
    return ops.convert_to_numpy(kernel), None if bias is None else ops.convert_to_numpy(bias)


def _behind(node, before):
    layer = node.operation
    if is_producer(layer) or is_thin(layer):
        found = _silent_filters(layer)
        if is_thin(layer) and before is not None:
            found = _either(found, _passed_on(node, *before))
        return found
    return _passed_on(node, *before) if before is not None and passes_channels(node) else None


def _silent_filters(layer):
    """A filter of zeros gives what the layer makes of its bias."""
    kernel, bias = kernel_and_bias(layer)
    kernel = kernel[..., 0] if is_thin(layer) else kernel
    silent = ~kernel.reshape(-1, kernel.shape[-1]).any(axis=0)
    constant = np.asarray(silent & _is_elementwise(layer.activation))
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


def _either(one, other):
    return one[0] | other[0], np.where(one[0], one[1], other[1])


def _is_elementwise(activation: Callable) -> bool:
    name = activation_name(activation)
    return hasattr(keras.activations, name) and name not in _NOT_ELEMENTWISE
