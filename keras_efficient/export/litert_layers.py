"""What takes the place of a layer in a network that LiteRT's converter reads."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_efficient.export.integer.grids import codes_of
from keras_efficient.layers import ACDCConv2D, GlobalMeanPoolingQ, MeanPoolingQ, RandomBasisConv2D
from keras_efficient.layers.acdc.cosine_layer import CosineLayer
from keras_efficient.layers.masking import masked
from keras_efficient.layers.pruning.prunable import Prunable
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.layers.quantized.folding import FoldingLayer
from keras_efficient.layers.random_basis.base import RandomBasisLayer
from keras_efficient.quantization.modes import activation_quantizers
from keras_efficient.quantization.observation import observed_activations

LITERT_BITS = 8  # of the integers between its layers
OBSERVED_SAMPLES = 256


@dataclass(frozen=True)
class Limits:
    """Cuts values off below `low` and above `high`, where they are given."""

    low: float | None
    high: float | None

    def __call__(self, x):
        x = x if self.high is None else keras.ops.minimum(x, self.high)
        return x if self.low is None else keras.ops.maximum(x, self.low)


class LitertLayers:
    """Makes the layers of a network that the converter gets right.

    Args:
        model: The network.
        samples: Inputs that show which activations saturate, or None: then all are cut off that may.
    """

    def __init__(self, model: keras.Model, samples: np.ndarray | None):
        # The converter takes ranges in the graph, too (fake quantization), but then the bias of a dense
        # layer gets the scale of another range, the measured one. So values are cut off where need be.
        self.seen: dict[int, tuple[float, float]] = {}
        if samples is not None:
            values = observed_activations(model, samples[:OBSERVED_SAMPLES])
            for quantizer, seen in zip(activation_quantizers(model), values, strict=True):
                self.seen[id(quantizer)] = (float(seen.min()), float(seen.max()))

    def __call__(self, layer: Any, args: tuple) -> Any:
        """A layer that computes what `layer` does, called with `args`: in its mode, but for rounding activations.

        Weights are those that the mode gives (rounded in the quantized modes, with what is folded into
        them, and with the zeros of a `Prunable`). Activations saturate where their grid does, if it has
        no more bits than LiteRT's integers. A layer that needs nothing of that is returned itself.
        """
        core = layer.layer if isinstance(layer, Prunable) else layer
        if not isinstance(core, QuantizedLayer):
            return layer
        shape = keras.tree.map_structure(lambda tensor: tensor.shape, args[0])
        if isinstance(core, MeanPoolingQ | GlobalMeanPoolingQ):
            return _plain_means(core, shape, self.limits(core, core.activation_quantizer))
        if isinstance(core, RandomBasisLayer):
            return _with_kernel(core, shape, self.limits(core, core.activation_quantizer))
        if isinstance(core, CosineLayer) and core.transform == "dct":
            made = _as_matrices(core, shape)
        else:
            made = _folded_twin(core, shape) if isinstance(core, FoldingLayer) else twin(core, shape)
        if isinstance(made, QuantizedLayer):
            for old, new in zip(core.quantizers, made.quantizers, strict=True):
                new.stand_in = self.limits(core, old) if old.weight is None else None
        return made

    def limits(self, layer: QuantizedLayer, quantizer: Any) -> Limits | None:
        """Where an activation is cut off. None without a quantizer, in float mode, where no sample goes further, and
        for grids finer than LiteRT's: those saturate rarely, and its ranges come from the samples anyway."""
        if quantizer is None or not layer.current_mode.quantized or quantizer.bits > LITERT_BITS:
            return None
        codes = codes_of(layer, quantizer)
        low, high = (code * 2.0**codes.exponent for code in (codes.low, codes.high))
        least, most = self.seen.get(id(quantizer), (-np.inf, np.inf))
        if low <= least and most <= high:
            return None
        return Limits(low if least < low else None, high if most > high else None)


def twin(layer: QuantizedLayer, shape: Any, **changes: Any) -> QuantizedLayer:
    """A copy in float mode with the weights of the layer's mode."""
    copy = _new_twin(layer, shape, **changes)
    copy.set_weights([keras.ops.convert_to_numpy(masked(weight, weight)) for weight in layer.weights])
    _set_rounded_weights(layer, copy)
    return copy


def _folded_twin(layer: FoldingLayer, shape: Any) -> FoldingLayer:
    """A copy with one kernel and one bias, into which a batch normalization is folded."""
    copy = _new_twin(layer, shape, batch_norm=None, use_bias=layer.has_bias, per_channel=False)
    _set_rounded_weights(layer, copy)
    return copy


def _new_twin(layer: QuantizedLayer, shape: Any, **changes: Any) -> QuantizedLayer:
    copy = type(layer).from_config({**layer.get_config(), "mode": "float", "dtype": "float32", **changes})
    copy.build(shape)
    return copy


def _set_rounded_weights(layer: QuantizedLayer, copy: QuantizedLayer) -> None:
    for old, new in zip(layer.quantizers, copy.quantizers, strict=True):
        if new.weight is not None:
            new.weight.assign(keras.ops.convert_to_numpy(layer.quantize_weight(old)))


def _plain_means(layer: MeanPoolingQ | GlobalMeanPoolingQ, shape: Any, limits: Limits | None) -> keras.layers.Layer:
    """Keras's average pooling, which is one operation of LiteRT."""
    signal = len(shape) == 3
    if isinstance(layer, GlobalMeanPoolingQ):
        kind = keras.layers.GlobalAveragePooling1D if signal else keras.layers.GlobalAveragePooling2D
        means = kind(data_format="channels_last", keepdims=layer.keepdims)
    else:
        kind = keras.layers.AveragePooling1D if signal else keras.layers.AveragePooling2D
        means = kind(layer.pool_size, layer.strides, layer.padding, data_format="channels_last")
    return _limited(means, limits)


def _with_kernel(layer: RandomBasisLayer, shape: Any, limits: Limits | None) -> keras.layers.Layer:
    """Keras's layer with the kernel that the seed and the coordinates make: LiteRT stores it."""
    common = {"activation": layer.activation, "use_bias": layer.use_bias, "name": f"{layer.name}_made"}
    if isinstance(layer, RandomBasisConv2D):
        window = (layer.filters, layer.kernel_size, layer.strides, layer.padding)
        made = keras.layers.Conv2D(*window, data_format="channels_last", **common)
    else:
        made = keras.layers.Dense(layer.units, **common)
    made.build(shape)
    values = (layer.kernel(), layer.rounded_bias() if layer.use_bias else None)
    made.set_weights([keras.ops.convert_to_numpy(value) for value in values if value is not None])
    return _limited(made, limits)


def _limited(layer: keras.layers.Layer, limits: Limits | None) -> keras.layers.Layer:
    return layer if limits is None else keras.Sequential([layer, keras.layers.Lambda(limits)])


def _as_matrices(layer: CosineLayer, shape: Any) -> keras.layers.Layer:
    """A layer of cosine transforms without an FFT."""
    rounds = layer.current_mode.quantized and (layer.activation_bits is not None or layer.inner_quantizers)
    if not layer.is_linear or rounds:
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
