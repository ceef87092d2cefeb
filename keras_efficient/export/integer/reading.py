"""From a Keras model to its integer operations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_efficient.descriptions.shapes import read_window, window_output_size
from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.operations import (
    AveragePooling,
    Convolution,
    IntegerMap,
    MaxPooling,
    Operation,
    Products,
    Rescale,
    Residual,
)
from keras_efficient.export.integer.rounding import Term, plan_rounding
from keras_efficient.export.integer.windows import Window
from keras_efficient.layers.quantized.quantizer import Quantizer
from keras_efficient.storage.models import (
    INPUT_LAYER,
    PRUNING_WRAPPERS,
    check_chain,
    is_model,
    model_input_shape,
    models_within,
)

PIXEL = Codes(bits=8, signed=False, exponent=-8)  # a byte stands for byte / 256
LOGIT_BITS = 16
EXPONENTS = (-126, 127)  # of the scales, as `ops.quantize` limits them

# What only acts in training, or renames places.
_TRANSPARENT = ("Dropout", "SpatialDropout2D", "GaussianNoise", "Flatten")
_RELUS = ("relu", "linear")


class UnsupportedLayerError(ValueError):
    """A layer that has no integer form."""


def read_operations(model: keras.Model) -> tuple[IntegerMap, list[Operation]]:
    """The input map and the operations of a chain of layers, up to the last layer that works.

    Raises:
        ValueError: A model that is not built or not a chain, a layer without integer form, a weight
            or scale that is not a finite number.
    """
    shape = model_input_shape(model)
    if None in shape or len(shape) not in (1, 3):
        raise ValueError(
            "the model's input must be (numbers,) or (rows, columns, channels), of fixed size. "
            f"Received: input shape {shape}"
        )
    source = first = IntegerMap((1, 1, shape[0]) if len(shape) == 1 else tuple(shape), PIXEL)
    operations: list[Operation] = []
    layers = working_layers(model)
    flat = len(shape) == 1
    for position, layer in enumerate(layers, start=1):
        flat = flat or type(layer).__name__ == "Flatten"
        operation = read_layer(layer, source, flat, is_last=position == len(layers))
        if operation is not None:
            operations.append(replace(operation, compute_dtype=layer.compute_dtype))
            source = operation.target
    return first, operations


def working_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a chain, nested models unfolded, without what follows the last that works."""
    for part in models_within(model):
        check_chain(part)
    layers = list(flat_layers(model))
    while layers and is_head(layers[-1]):
        layers.pop()
    if not layers:
        raise ValueError(f"the model {model.name!r} holds no layer that could be exported")
    return layers


def flat_layers(model: Any) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        if is_model(layer):
            yield from flat_layers(layer)
        elif type(layer).__name__ != INPUT_LAYER:
            yield layer


def is_head(layer: keras.layers.Layer) -> bool:
    return type(layer).__name__ in (*_TRANSPARENT, "Activation", "Softmax", "ReLU", "LeakyReLU")


def read_layer(layer: keras.layers.Layer, source: IntegerMap, flat: bool, is_last: bool) -> Operation | None:
    """The operation of one layer; None where it changes nothing."""
    kind = type(layer).__name__
    if getattr(layer, "data_format", "channels_last") != "channels_last" and source.shape[:2] != (1, 1):
        raise UnsupportedLayerError(
            f"cannot export the layer {layer.name!r}: channels must come last. "
            f"Received: data_format={layer.data_format!r}"
        )
    if kind in _TRANSPARENT:
        return None
    if kind in PRUNING_WRAPPERS:
        raise UnsupportedLayerError(
            f"cannot export the layer {layer.name!r} ({kind}): its masks are for training. Right would be to export "
            "keras_efficient.strip_pruning(model)"
        )
    if kind not in READERS:
        raise UnsupportedLayerError(
            f"cannot export the layer {layer.name!r}: {kind} has no integer form. Supported are "
            f"{', '.join(sorted([*READERS, *_TRANSPARENT]))}; behind the last of them also Softmax and Activation"
        )
    return READERS[kind](layer, source, flat, is_last)


def read_dense(layer: Any, source: IntegerMap, flat: bool, is_last: bool) -> Operation:
    """A dense layer is a window over the whole map behind a flatten, else one of a single place."""
    kernel = weight_codes(layer, layer.kernel_quantizer)
    if flat:
        sizes, shape = source.shape[:2], (1, 1, layer.units)
        kernel = kernel.reshape(*source.shape, layer.units)
    else:
        sizes, shape = (1, 1), (*source.shape[:2], layer.units)
        kernel = kernel.reshape(1, 1, *kernel.shape)
    window = Window(source.shape[:2], shape[:2], tuple(sizes), (1, 1), "valid")
    return weighted_sum(layer, source, shape, window, kernel, is_last)


def read_convolution(layer: Any, source: IntegerMap, flat: bool, is_last: bool) -> Operation:
    window = window_of(layer, source, "kernel_size")
    shape = (*window.target, layer.output_channels(source.shape[2]))
    kernel = weight_codes(layer, layer.kernel_quantizer)
    return weighted_sum(layer, source, shape, window, kernel, is_last, type(layer).__name__ == "DepthwiseConvQ")


def weighted_sum(
    layer: Any,
    source: IntegerMap,
    shape: tuple,
    window: Window,
    kernel: np.ndarray,
    is_last: bool,
    depthwise: bool = False,
) -> Convolution:
    quantizers = (layer.kernel_quantizer, layer.bias_quantizer if layer.use_bias else None, layer.activation_quantizer)
    relu = has_relu(layer, layer.activation)
    return make_convolution(layer, source, shape, window, kernel, quantizers, relu, is_last, depthwise)


def make_convolution(
    layer: Any,
    source: IntegerMap,
    shape: tuple,
    window: Window,
    kernel: np.ndarray,
    quantizers: Sequence[Quantizer | None],
    relu: bool,
    is_last: bool = False,
    depthwise: bool = False,
    skip: IntegerMap | None = None,
) -> Convolution:
    """A convolution from its quantizers (kernel, bias, output). As the last layer it gives its
    sums, saturated to 16 bits, without activation."""
    kernel_quantizer, bias_quantizer, output_quantizer = quantizers
    bias = None if bias_quantizer is None else weight_codes(layer, bias_quantizer)
    kernel_codes = codes_of(layer, kernel_quantizer)
    bias_codes = None if bias_quantizer is None else codes_of(layer, bias_quantizer)
    bound = sum_bound(kernel, source.codes, depthwise)
    terms = [
        Term(bound, source.codes.exponent + kernel_codes.exponent),
        Term(0 if bias is None else int(np.abs(bias).max()), bias_codes.exponent if bias_codes else 0),
        *([] if skip is None else [Term(skip.codes.bound, skip.codes.exponent)]),
    ]
    finest = min(term.exponent for term in (terms if bias is not None else [terms[0], *terms[2:]]))
    output = Codes(LOGIT_BITS, True, finest) if is_last else codes_of(layer, output_quantizer)
    return Convolution(
        layer.name,
        source,
        IntegerMap(shape, output),
        window,
        Products(kernel, bias, kernel_codes, bias_codes, bound, is_pruned(kernel_quantizer)),
        plan_rounding(terms, output, relu=relu and not is_last),
        depthwise,
        gives_logits=is_last,
    )


def read_residual(layer: Any, source: IntegerMap, flat: bool, is_last: bool) -> Operation:
    shape = source.shape
    window = Window(shape[:2], shape[:2], (3, 3), (1, 1), "same")
    first, second = layer.quantizers[:3], layer.quantizers[3:]
    inner = make_convolution(layer, source, shape, window, weight_codes(layer, first[0]), first, relu=True)
    outer = make_convolution(
        layer, inner.target, shape, window, weight_codes(layer, second[0]), second, True, is_last, skip=source
    )
    return Residual(layer.name, source, outer.target, inner, outer)


def read_quantizer(layer: Any, source: IntegerMap, flat: bool, is_last: bool) -> Operation:
    output = codes_of(layer, layer.activation_quantizer)
    return rescale(layer, source, output)


def read_relu(layer: Any, source: IntegerMap, flat: bool, is_last: bool) -> Operation | None:
    if type(layer).__name__ == "ReLU":
        plain = not layer.negative_slope and not layer.threshold and layer.max_value is None
        relu = True
    else:
        relu, plain = has_relu(layer, layer.activation), True
    if not plain:
        raise UnsupportedLayerError(
            f"cannot export the layer {layer.name!r}: only the plain relu has an integer form. "
            f"Received: {layer.get_config()}"
        )
    if not relu or not source.codes.signed:
        return None
    codes = source.codes
    # Mid-rise codes have no zero: 0, 1 and 3 are codes of the unsigned grid of as many bits.
    output = Codes(codes.bits, False, codes.exponent) if codes.midrise else codes
    return rescale(layer, source, output, relu=True)


def rescale(layer: Any, source: IntegerMap, output: Codes, relu: bool = False) -> Rescale:
    rounding = plan_rounding([Term(source.codes.bound, source.codes.exponent)], output, relu=relu)
    return Rescale(layer.name, source, IntegerMap(source.shape, output), rounding)


def read_average_pooling(layer: Any, source: IntegerMap, flat: bool, is_last: bool) -> Operation:
    window = window_of(layer, source, "pool_size")
    target = IntegerMap((*window.target, source.shape[2]), Codes(layer.bits, False, -layer.bits))
    return AveragePooling(layer.name, source, target, window)


def read_max_pooling(layer: Any, source: IntegerMap, flat: bool, is_last: bool) -> Operation:
    window = window_of(layer, source, "pool_size")
    return MaxPooling(layer.name, source, IntegerMap((*window.target, source.shape[2]), source.codes), window)


def read_global_max_pooling(layer: Any, source: IntegerMap, flat: bool, is_last: bool) -> Operation:
    window = Window(source.shape[:2], (1, 1), source.shape[:2], source.shape[:2], "valid")
    return MaxPooling(layer.name, source, IntegerMap((1, 1, source.shape[2]), source.codes), window)


def window_of(layer: Any, source: IntegerMap, size_key: str) -> Window:
    try:
        sizes, strides, padding = read_window(layer.get_config(), size_key)
    except ValueError as error:
        raise UnsupportedLayerError(f"cannot export the layer {layer.name!r}: {error}") from None
    axes = zip(source.shape[:2], sizes, strides, strict=True)
    target = tuple(window_output_size(*axis, padding) for axis in axes)
    return Window(source.shape[:2], target, tuple(sizes), tuple(strides), padding)


def has_relu(layer: Any, activation: Callable) -> bool:
    name = getattr(activation, "__name__", repr(activation))
    if name not in _RELUS:
        raise UnsupportedLayerError(
            f"cannot export the layer {layer.name!r}: its activation must be one of {_RELUS}. "
            f"Received: activation={name!r}"
        )
    return name == "relu"


def codes_of(layer: Any, quantizer: Quantizer) -> Codes:
    scale = float(keras.ops.convert_to_numpy(quantizer.scale))
    if not math.isfinite(scale):
        raise ValueError(
            f"cannot export the layer {layer.name!r}: the log2 scale of its {quantizer.name} must be a finite number. "
            f"Received: {scale}"
        )
    low, high = EXPONENTS
    return Codes.of_scale(quantizer.bits, quantizer.signed, int(np.clip(np.round(scale), low, high)))


def weight_codes(layer: Any, quantizer: Quantizer) -> np.ndarray:
    """The integers of a kernel or bias."""
    values = keras.ops.convert_to_numpy(quantizer.weight).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(
            f"cannot export the layer {layer.name!r}: its {quantizer.name} holds numbers that are not finite"
        )
    return codes_of(layer, quantizer).nearest(values)


def is_pruned(quantizer: Quantizer) -> bool:
    """Whether a kernel holds exact zeros, as pruning leaves them, beside other numbers."""
    zeros = keras.ops.convert_to_numpy(quantizer.weight) == 0
    return bool(zeros.any() and not zeros.all())


def sum_bound(kernel: np.ndarray, codes: Codes, depthwise: bool) -> int:
    """The largest magnitude that a partial sum of products can reach, in any order of summation."""
    ends = np.stack([kernel * codes.low, kernel * codes.high])
    axes = (0, 1) if depthwise else (0, 1, 2)
    up = np.maximum(ends.max(axis=0), 0).sum(axis=axes)
    down = np.maximum(-ends.min(axis=0), 0).sum(axis=axes)
    return int(max(up.max(), down.max()))


READERS: dict[str, Callable[..., Operation | None]] = {
    "DenseQ": read_dense,
    "ConvQ": read_convolution,
    "DepthwiseConvQ": read_convolution,
    "ResidualQ": read_residual,
    "ActivationQ": read_quantizer,
    "AveragePoolingQ": read_average_pooling,
    "MaxPooling2D": read_max_pooling,
    "GlobalMaxPooling2D": read_global_max_pooling,
    "Activation": read_relu,
    "ReLU": read_relu,
}
