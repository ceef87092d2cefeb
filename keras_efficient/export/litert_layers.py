"""What takes the place of a layer in a network that LiteRT's converter reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from keras_efficient.export.integer.grids import codes_of
from keras_efficient.layers import ACDCConv2D, GlobalMeanPoolingQ, MeanPoolingQ
from keras_efficient.layers.acdc.cosine_layer import CosineLayer
from keras_efficient.layers.masking import masked
from keras_efficient.layers.pruning.prunable import Prunable
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.layers.quantized.folding import FoldingLayer

LITERT_BITS = 8  # of the integers between its layers


@dataclass(frozen=True)
class Range:
    """Tells the converter that a tensor lies from `low` to `high`, and that it saturates there."""

    low: float
    high: float

    def __call__(self, x):
        import tensorflow as tf

        return tf.quantization.fake_quant_with_min_max_args(x, self.low, self.high, LITERT_BITS)


def litert_layer(layer: Any) -> Any:
    """A layer that computes what `layer` does in its mode, but for the rounding of activations.

    Weights are those that the mode gives (rounded in the quantized modes, with what is folded into
    them, and with the zeros of a `Prunable`). Activations saturate where their grid does, if it has
    no more bits than LiteRT's integers. A layer that needs nothing of that is returned itself.
    """
    core = layer.layer if isinstance(layer, Prunable) else layer
    if not isinstance(core, QuantizedLayer):
        return layer
    shape = keras.tree.map_structure(lambda tensor: tensor.shape, layer.input)
    if isinstance(core, CosineLayer) and core.transform == "dct":
        return as_matrices(core, shape)
    if isinstance(core, FoldingLayer):
        return folded_twin(core, shape)
    if isinstance(core, MeanPoolingQ | GlobalMeanPoolingQ):
        return plain_means(core, shape)
    return twin(core, shape)


def twin(layer: QuantizedLayer, shape: Any, **changes: Any) -> QuantizedLayer:
    """A copy in float mode with the weights of the layer's mode."""
    copy = new_twin(layer, shape, **changes)
    copy.set_weights([keras.ops.convert_to_numpy(masked(weight, weight)) for weight in layer.weights])
    set_rounded_weights(layer, copy)
    return copy


def folded_twin(layer: FoldingLayer, shape: Any) -> FoldingLayer:
    """A copy with one kernel and one bias, into which a batch normalization is folded."""
    copy = new_twin(layer, shape, batch_norm=None, use_bias=layer.has_bias, per_channel=False)
    set_rounded_weights(layer, copy)
    return copy


def new_twin(layer: QuantizedLayer, shape: Any, **changes: Any) -> QuantizedLayer:
    copy = type(layer).from_config({**layer.get_config(), "mode": "float", "dtype": "float32", **changes})
    copy.build(shape)
    for old, new in zip(layer.quantizers, copy.quantizers, strict=True):
        new.stand_in = saturation(layer, old) if old.weight is None else None
    return copy


def set_rounded_weights(layer: QuantizedLayer, copy: QuantizedLayer) -> None:
    for old, new in zip(layer.quantizers, copy.quantizers, strict=True):
        if old.weight is not None:
            new.weight.assign(keras.ops.convert_to_numpy(layer.quantize_weight(old)))


def saturation(layer: QuantizedLayer, quantizer: Any) -> Callable | None:
    """The range of an activation's grid; None in float mode, and where the grid is finer than LiteRT's:
    then the range that samples show loses less."""
    if not layer.current_mode.quantized or quantizer.bits > LITERT_BITS:
        return None
    codes = codes_of(layer, quantizer)
    return Range(codes.low * 2.0**codes.exponent, codes.high * 2.0**codes.exponent)


def plain_means(layer: MeanPoolingQ | GlobalMeanPoolingQ, shape: Any) -> keras.layers.Layer:
    """Keras's average pooling, which is one operation of LiteRT."""
    signal = len(shape) == 3
    if isinstance(layer, GlobalMeanPoolingQ):
        kind = keras.layers.GlobalAveragePooling1D if signal else keras.layers.GlobalAveragePooling2D
        means = kind(data_format="channels_last", keepdims=layer.keepdims)
    else:
        kind = keras.layers.AveragePooling1D if signal else keras.layers.AveragePooling2D
        means = kind(layer.pool_size, layer.strides, layer.padding, data_format="channels_last")
    limit = saturation(layer, layer.activation_quantizer)
    return means if limit is None else keras.Sequential([means, keras.layers.Lambda(limit)])


def as_matrices(layer: CosineLayer, shape: Any) -> keras.layers.Layer:
    """A layer of cosine transforms without an FFT."""
    quantized = layer.current_mode.quantized
    if not layer.is_linear or (quantized and layer.activation_bits is not None):
        return twin(layer, shape, algorithm="matmul")
    return separable(layer, shape) if isinstance(layer, ACDCConv2D) and layer.is_depthwise else layer.fold()


def separable(layer: ACDCConv2D, shape: Any) -> keras.layers.Layer:
    """A linear ACDCConv2D as a depthwise convolution and a 1x1; as one convolution where the strides differ."""
    if layer.strides[0] != layer.strides[1]:
        return layer.fold()
    constant = layer.constant()
    plain = keras.layers.SeparableConv2D(
        layer.filters,
        layer.kernel_size,
        layer.strides,
        layer.padding,
        data_format="channels_last",
        use_bias=constant is not None,
        name=f"{layer.name}_folded",
    )
    plain.build(shape)
    values = (layer.value_of(layer.kernel), layer.dense_matrix()[None, None], constant)
    plain.set_weights([keras.ops.convert_to_numpy(value) for value in values if value is not None])
    return plain
