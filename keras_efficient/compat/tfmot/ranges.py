"""The ranges that tfmot has learned for activations, as scales of our quantized layers."""

import math
from typing import Any

import keras

from keras_efficient.compat.tfmot.layers import tfmot_class
from keras_efficient.compat.tfmot.models import convert_model
from keras_efficient.compat.tfmot.quantized import QUANTIZE_LAYER, QUANTIZE_WRAPPERS, range_of, roundings
from keras_efficient.layers.activation_names import activation_name
from keras_efficient.layers.quantized.activation import ActivationQ, InputQ
from keras_efficient.quantization.modes import quantized_layers
from keras_efficient.quantization.own_model.fusion import next_alone
from keras_efficient.reading.graph import ModelGraph
from keras_efficient.reading.read import read_model

Range = tuple[float, float]


def activation_ranges(model: Any) -> dict[str, Range]:
    """{layer name: (minimum, maximum)} of a quantization-aware model of tf_keras, as tfmot has learned them.

    The names are those of the layers in `convert_model(model, quantizers=False)`; for inputs, those of tfmot's
    `QuantizeLayer`. A softmax, sigmoid or tanh inside a layer is rounded before: that range it is.
    """
    found = {}
    for layer in model.layers:
        kind = tfmot_class(layer)
        if kind == QUANTIZE_LAYER and layer.quantizer is not None:
            found[layer.name] = range_of(layer.quantizer, layer.quantizer_vars, layer)
        elif kind in QUANTIZE_WRAPPERS:
            before, after = roundings(layer)
            pair = before or after
            if pair:
                found[layer.layer.name] = range_of(*pair, layer)
        elif hasattr(layer, "layers"):
            found |= activation_ranges(layer)
    return found


def copy_ranges(model: Any, quantized_model: keras.Model) -> list[str]:
    """Set the activation scales of a quantized model from the ranges that tfmot has learned.

        log2 scale = ceil(log2(max(-minimum, maximum)))

    the smallest power of two whose grid holds the range. tfmot's grid ends where the range does, its step is up to
    half of ours: with the same bits ours is coarser, and `learn_scales` is there to make up for it.

    Kernels and biases keep the scales that `ke.quantize_model(..., x=...)` gave them.

    Args:
        model: The quantization-aware model of tf_keras.
        quantized_model: What `ke.quantize_model` made of `convert_model(model, quantizers=False)`.

    Returns:
        The names of the layers whose activation scale was set.

    Raises:
        ValueError: If the models have no range in common.

    Example:

    >>> quantized = ke.quantize_model(convert_model(model, quantizers=False), x=x_train[:256])
    >>> copy_ranges(model, quantized)
    """
    ranges, inputs = activation_ranges(model), _input_ranges(model)
    graph = read_model(convert_model(model, quantizers=False))
    quantized = quantized_layers(quantized_model)
    kept: set[str] = {node.layer.name for node in read_model(quantized_model).nodes}
    done = []
    starts = {
        str(layer.name): name for layer in quantized for name in kept if layer.name == _function_after(name, layer)
    }
    for layer in quantized:
        is_input = isinstance(layer, InputQ)
        name = _last_absorbed(starts.get(str(layer.name), str(layer.name)), graph, kept)
        # The range is of what comes after the function, which is a layer of its own now.
        limits = next(inputs, None) if is_input else None if layer.name in starts.values() else ranges.get(name)
        quantizers = [quantizer for quantizer in layer.quantizers if quantizer.weight is None]
        if limits is not None and len(quantizers) == 1 and max(-limits[0], limits[1]) > 0:
            quantizers[0].scale.assign(math.ceil(math.log2(max(-limits[0], limits[1]))))
            done.append(layer.name)
    if not done:
        raise ValueError(
            "`quantized_model` must be what keras_efficient.quantize_model makes of convert_model(model, "
            f"quantizers=False), and `model` quantization-aware. Received: ranges of {list(ranges)} and quantized "
            f"layers {[layer.name for layer in quantized]}"
        )
    return done


def _input_ranges(model):
    layers = [each for each in model.layers if tfmot_class(each) == QUANTIZE_LAYER and each.quantizer is not None]
    return iter([range_of(layer.quantizer, layer.quantizer_vars, layer) for layer in layers])


def _function_after(name: str, layer: keras.layers.Layer) -> str | None:
    """What `quantize_model` calls the function that it splits off from the layer `name`, if `layer` is one."""
    return f"{name}_{activation_name(layer.activation)}" if isinstance(layer, ActivationQ) else None


def _last_absorbed(name: str, graph: ModelGraph, kept: set[str]) -> str:
    """The layer whose output a quantized layer gives: the relu that it has taken in, say."""
    nodes = {node.operation.name: node for node in graph.nodes}
    while name in nodes:
        reader = next_alone(graph, nodes[name])
        if reader is None or reader.operation.name in kept:
            return name
        name = reader.operation.name
    return name
