"""From a Keras model to its integer operations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_efficient.descriptions.shapes import mean_reciprocal, read_signal_window, read_window, window_output_size
from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.operations import (
    Addition,
    AveragePooling,
    Concatenation,
    Convolution,
    IntegerMap,
    MaxPooling,
    MeanPooling,
    Operation,
    Products,
    Rescale,
    Residual,
)
from keras_efficient.export.integer.rounding import Term, plan_rounding
from keras_efficient.export.integer.windows import Window
from keras_efficient.layers.quantized.quantizer import Quantizer
from keras_efficient.storage.graphs.reading import INPUT_GRID, PREPARATIONS, graph_calls, is_chain
from keras_efficient.storage.models import (
    INPUT_LAYER,
    PRUNING_WRAPPERS,
    check_chain,
    is_model,
    model_input_shape,
    models_within,
)
from keras_efficient.storage.prices.base import SHIFT_BITS

PIXEL = Codes(bits=8, signed=False, exponent=-8)  # a byte stands for byte / 256
LOGIT_BITS = 16
INPUT_WIDTHS = (8, 16)
MEAN_DIGITS = 8
EXPONENTS = (-126, 127)  # of the scales, as `ops.quantize` limits them

# What only acts in training, or renames places.
_TRANSPARENT = (
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout"),
    "Flatten",
)
_RELUS = ("relu", "linear")


class UnsupportedLayerError(ValueError):
    """A layer that has no integer form."""


class Wire(NamedTuple):
    """What flows between two layers: the number of a map, and whether it is a vector."""

    number: int
    flat: bool


@dataclass(frozen=True)
class IntegerNetwork:
    """The input map and the operations, up to the last layer that works.

    sources: for each operation the maps that it reads: 0 is the input, k + 1 what operation k makes.
    layers: the Keras layer of each operation. grid: the `InputQ` at the start, or None; what stands
    before it (`preparation`) is no part of the network.
    """

    input: IntegerMap
    operations: list[Operation]
    sources: list[tuple[int, ...]]
    layers: list[keras.layers.Layer]
    grid: keras.layers.Layer | None
    preparation: list[keras.layers.Layer]
    last: keras.layers.Layer

    @property
    def is_chain(self) -> bool:
        return all(sources == (number,) for number, sources in enumerate(self.sources))


def read_network(model: keras.Model) -> IntegerNetwork:
    """A network in integers.

    Raises:
        ValueError: A model that is not built, a layer without integer form, a weight or scale that is
            not a finite number; in a model with branches also several inputs or outputs, layers used
            twice, and models inside.
    """
    shape = model_input_shape(model)
    if None in shape or len(shape) not in (1, 2, 3):
        raise ValueError(
            "the model's input must be (numbers,), (steps, channels) or (rows, columns, channels), of fixed size. "
            f"Received: input shape {shape}"
        )
    wiring = chain_wiring(model) if is_chain(model) else graph_wiring(model)
    first = IntegerMap((1,) * (3 - len(shape)) + tuple(shape), input_codes(wiring.grid))
    maps, wires = [first], [Wire(0, len(shape) == 1)]
    operations, numbers, layers = [], [], []
    for position, (layer, places) in enumerate(zip(wiring.layers, wiring.sources, strict=True), start=1):
        sources = [wires[place] for place in places]
        flat = sources[0].flat or type(layer).__name__ == "Flatten"
        is_last = position == len(wiring.layers)
        context = Context(flat, is_last and wiring.grid is None, is_last, not is_chain(model))
        operation = read_layer(layer, [maps[wire.number] for wire in sources], context)
        if operation is None:
            wires.append(Wire(sources[0].number, flat))
            continue
        operations.append(replace(operation, compute_dtype=layer.compute_dtype))
        numbers.append(tuple(wire.number for wire in sources))
        layers.append(layer)
        maps.append(operation.target)
        wires.append(Wire(len(maps) - 1, flat))
    return IntegerNetwork(
        first,
        operations,
        numbers,
        layers,
        wiring.grid,
        wiring.preparation,
        wiring.layers[-1] if wiring.layers else None,
    )


class Context(NamedTuple):
    """Where a layer stands.

    flat: behind a flatten. gives_sums: its sums are the logits. is_last: its outputs are read by
    users. in_graph: in a model with branches, where a layer that changes nothing is one of its own.
    """

    flat: bool = False
    gives_sums: bool = False
    is_last: bool = False
    in_graph: bool = False


class Wiring(NamedTuple):
    """The layers behind the input's grid, and for each the numbers of those that feed it: 0 is the
    input, k + 1 layer k."""

    layers: list[keras.layers.Layer]
    sources: list[tuple[int, ...]]
    grid: keras.layers.Layer | None
    preparation: list[keras.layers.Layer]


def chain_wiring(model: keras.Model) -> Wiring:
    layers = working_layers(model)
    kinds = [type(layer).__name__ for layer in layers]
    grid, preparation = None, []
    if INPUT_GRID in kinds and all(kind in PREPARATIONS for kind in kinds[: kinds.index(INPUT_GRID)]):
        start = kinds.index(INPUT_GRID)
        preparation, grid, layers = layers[:start], layers[start], layers[start + 1 :]
    return Wiring(layers, [(number,) for number in range(len(layers))], grid, preparation)


def graph_wiring(model: keras.Model) -> Wiring:
    start, *calls = graph_calls(model)
    numbers = {start.name: 0, **{call.name: number for number, call in enumerate(calls, start=1)}}
    grid = model.get_layer(start.name) if start.kind == INPUT_GRID else None
    sources = [tuple(numbers[source] for source in call.sources) for call in calls]
    before = [layer for layer in model.layers if grid is not None and type(layer).__name__ in PREPARATIONS]
    return Wiring([model.get_layer(call.name) for call in calls], sources, grid, before)


def input_codes(grid: Any) -> Codes:
    """Bytes that stand for byte / 256, or the integers of the input's grid."""
    if grid is None:
        return PIXEL
    codes = codes_of(grid, grid.activation_quantizer)
    if codes.bits not in INPUT_WIDTHS:
        raise ValueError(
            f"cannot export the layer {grid.name!r}: inputs have 8 or 16 bits. Received: bits={codes.bits}"
        )
    return codes


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


def read_layer(layer: keras.layers.Layer, sources: list[IntegerMap], context: Context) -> Operation | None:
    """The operation of one layer; None where it changes nothing."""
    kind, source = type(layer).__name__, sources[0]
    if getattr(layer, "data_format", "channels_last") != "channels_last" and source.shape[:2] != (1, 1):
        raise UnsupportedLayerError(
            f"cannot export the layer {layer.name!r}: channels must come last. "
            f"Received: data_format={layer.data_format!r}"
        )
    if kind in _TRANSPARENT:
        return None
    if kind in MERGERS:
        return MERGERS[kind](layer, sources, context)
    if kind in PRUNING_WRAPPERS:
        raise UnsupportedLayerError(
            f"cannot export the layer {layer.name!r} ({kind}): its masks are for training. Right would be to export "
            "keras_efficient.strip_pruning(model)"
        )
    if kind not in READERS:
        raise UnsupportedLayerError(
            f"cannot export the layer {layer.name!r}: {kind} has no integer form. Supported are "
            f"{', '.join(sorted([*READERS, *MERGERS, *_TRANSPARENT]))}; "
            "behind the last of them also Softmax and Activation"
        )
    return READERS[kind](layer, source, context)


def read_dense(layer: Any, source: IntegerMap, context: Context) -> Operation:
    """A dense layer is a window over the whole map behind a flatten, else one of a single place."""
    kernel = kernel_codes(layer, layer.kernel_quantizer)
    if context.flat:
        sizes, shape = source.shape[:2], (1, 1, layer.units)
        kernel = kernel.reshaped(*source.shape, layer.units)
    else:
        sizes, shape = (1, 1), (*source.shape[:2], layer.units)
        kernel = kernel.reshaped(1, 1, *kernel.integers.shape)
    window = Window(source.shape[:2], shape[:2], tuple(sizes), (1, 1), "valid")
    return weighted_sum(layer, source, shape, window, kernel, context)


def read_convolution(layer: Any, source: IntegerMap, context: Context) -> Operation:
    window = window_of(layer, source, "kernel_size")
    shape = (*window.target, layer.output_channels(source.shape[2]))
    kernel = kernel_codes(layer, layer.kernel_quantizer)
    return weighted_sum(layer, source, shape, window, kernel, context, type(layer).__name__ == "DepthwiseConvQ")


def read_signal_convolution(layer: Any, source: IntegerMap, context: Context) -> Operation:
    window = signal_window_of(layer, source, "kernel_size")
    kernel = kernel_codes(layer, layer.kernel_quantizer)
    kernel = kernel.reshaped(1, *kernel.integers.shape)
    return weighted_sum(layer, source, (*window.target, layer.filters), window, kernel, context)


def weighted_sum(
    layer: Any,
    source: IntegerMap,
    shape: tuple,
    window: Window,
    kernel: KernelCodes,
    context: Context,
    depthwise: bool = False,
) -> Convolution:
    quantizers = (layer.bias_quantizer, layer.activation_quantizer)
    return make_convolution(layer, source, shape, window, kernel, quantizers, layer.activation, context, depthwise)


def make_convolution(
    layer: Any,
    source: IntegerMap,
    shape: tuple,
    window: Window,
    kernel: KernelCodes,
    quantizers: Sequence[Quantizer | None],
    activation: Callable,
    context: Context = Context(),  # noqa: B008 (it is never changed)
    depthwise: bool = False,
    skip: IntegerMap | None = None,
) -> Convolution:
    """A convolution from its kernel and its quantizers (bias, output). Where it gives its sums, they
    are saturated to 16 bits, without activation."""
    bias_quantizer, output_quantizer = quantizers
    bias = None if bias_quantizer is None else weight_codes(layer, bias_quantizer)
    bias_codes = None if bias_quantizer is None else codes_of(layer, bias_quantizer)
    bounds = sum_bounds(kernel.integers, source.codes, depthwise)
    shifted = bounds if kernel.shifts is None else bounds << kernel.shifts
    terms = [
        Term(int(shifted.max()), source.codes.exponent + kernel.codes.exponent),
        Term(0 if bias is None else int(np.abs(bias).max()), bias_codes.exponent if bias_codes else 0),
        *([] if skip is None else [Term(skip.codes.bound, skip.codes.exponent)]),
    ]
    finest = min(term.exponent for term in (terms if bias is not None else [terms[0], *terms[2:]]))
    relu, limit = read_activation(layer, activation, output_quantizer)
    if context.gives_sums:
        output, relu, limit = Codes(LOGIT_BITS, True, finest), False, None
    else:
        output = output_codes(layer, output_quantizer, context)
    return Convolution(
        layer.name,
        source,
        IntegerMap(shape, output),
        window,
        Products(kernel.integers, bias, kernel.codes, bias_codes, int(bounds.max()), kernel.pruned),
        plan_rounding(terms, output, relu=relu, highest=limit),
        depthwise,
        gives_logits=context.gives_sums,
        shifts=kernel.shifts,
    )


def read_residual(layer: Any, source: IntegerMap, context: Context) -> Operation:
    shape = source.shape
    window = Window(shape[:2], shape[:2], (3, 3), (1, 1), "same")
    first, second = layer.quantizers[:3], layer.quantizers[3:]
    relu = keras.activations.relu
    kernels = [kernel_codes(layer, quantizers[0]) for quantizers in (first, second)]
    inner = make_convolution(layer, source, shape, window, kernels[0], first[1:], relu)
    outer = make_convolution(layer, inner.target, shape, window, kernels[1], second[1:], relu, context, skip=source)
    return Residual(layer.name, source, outer.target, inner, outer)


def read_quantizer(layer: Any, source: IntegerMap, context: Context) -> Operation:
    return rescale(layer, source, output_codes(layer, layer.activation_quantizer, context))


def read_relu(layer: Any, source: IntegerMap, context: Context) -> Operation | None:
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
        return rescale(layer, source, source.codes) if context.in_graph else None
    codes = source.codes
    # Mid-rise codes have no zero: 0, 1 and 3 are codes of the unsigned grid of as many bits.
    output = Codes(codes.bits, False, codes.exponent) if codes.midrise else codes
    return rescale(layer, source, output, relu=True)


def rescale(layer: Any, source: IntegerMap, output: Codes, relu: bool = False) -> Rescale:
    rounding = plan_rounding([Term(source.codes.bound, source.codes.exponent)], output, relu=relu)
    return Rescale(layer.name, source, IntegerMap(source.shape, output), rounding)


def read_addition(layer: Any, sources: list[IntegerMap], context: Context) -> Operation:
    relu, limit = read_activation(layer, layer.activation, layer.activation_quantizer)
    output = output_codes(layer, layer.activation_quantizer, context)
    terms = [Term(source.codes.bound, source.codes.exponent) for source in sources]
    rounding = plan_rounding(terms, output, relu=relu, highest=limit)
    return Addition(layer.name, sources[0], IntegerMap(sources[0].shape, output), tuple(sources), rounding)


def read_concatenation(layer: Any, sources: list[IntegerMap], context: Context) -> Operation:
    output = output_codes(layer, layer.activation_quantizer, context)
    shape = (*sources[0].shape[:2], sum(source.shape[2] for source in sources))
    roundings = [plan_rounding([Term(s.codes.bound, s.codes.exponent)], output) for s in sources]
    return Concatenation(layer.name, sources[0], IntegerMap(shape, output), tuple(sources), tuple(roundings))


def read_mean_pooling(layer: Any, source: IntegerMap, context: Context) -> Operation:
    is_signal = layer.input_spec.ndim == 3
    return mean_pooling(
        layer, source, (signal_window_of if is_signal else window_of)(layer, source, "pool_size"), context
    )


def read_global_mean_pooling(layer: Any, source: IntegerMap, context: Context) -> Operation:
    return mean_pooling(layer, source, whole_window(source), context)


def mean_pooling(layer: Any, source: IntegerMap, window: Window, context: Context) -> MeanPooling:
    digits, exponent = math.frexp(mean_reciprocal(math.prod(window.sizes)))
    factor = int(digits * 2**MEAN_DIGITS)
    output = output_codes(layer, layer.activation_quantizer, context)
    bound = source.codes.bound * math.prod(window.sizes) * factor
    rounding = plan_rounding([Term(bound, source.codes.exponent + exponent - MEAN_DIGITS)], output)
    target = IntegerMap((*window.target, source.shape[2]), output)
    return MeanPooling(layer.name, source, target, window, factor, rounding)


def read_average_pooling(layer: Any, source: IntegerMap, context: Context) -> Operation:
    window = window_of(layer, source, "pool_size")
    target = IntegerMap((*window.target, source.shape[2]), Codes(layer.bits, False, -layer.bits))
    return AveragePooling(layer.name, source, target, window)


def read_max_pooling(layer: Any, source: IntegerMap, context: Context) -> Operation:
    window = window_of(layer, source, "pool_size")
    return MaxPooling(layer.name, source, IntegerMap((*window.target, source.shape[2]), source.codes), window)


def read_signal_max_pooling(layer: Any, source: IntegerMap, context: Context) -> Operation:
    window = signal_window_of(layer, source, "pool_size")
    return MaxPooling(layer.name, source, IntegerMap((*window.target, source.shape[2]), source.codes), window)


def read_global_max_pooling(layer: Any, source: IntegerMap, context: Context) -> Operation:
    target = IntegerMap((1, 1, source.shape[2]), source.codes)
    return MaxPooling(layer.name, source, target, whole_window(source))


def whole_window(source: IntegerMap) -> Window:
    return Window(source.shape[:2], (1, 1), source.shape[:2], source.shape[:2], "valid")


def signal_window_of(layer: Any, source: IntegerMap, size_key: str) -> Window:
    """A window along time: a signal is an image of one row."""
    try:
        size, stride, padding = read_signal_window(layer.get_config(), size_key)
    except ValueError as error:
        raise UnsupportedLayerError(f"cannot export the layer {layer.name!r}: {error}") from None
    steps = window_output_size(source.shape[1], size, stride, padding)
    return Window(source.shape[:2], (1, steps), (1, size), (1, stride), padding)


def window_of(layer: Any, source: IntegerMap, size_key: str) -> Window:
    try:
        sizes, strides, padding = read_window(layer.get_config(), size_key)
    except ValueError as error:
        raise UnsupportedLayerError(f"cannot export the layer {layer.name!r}: {error}") from None
    axes = zip(source.shape[:2], sizes, strides, strict=True)
    target = tuple(window_output_size(*axis, padding) for axis in axes)
    return Window(source.shape[:2], target, tuple(sizes), tuple(strides), padding)


def has_relu(layer: Any, activation: Callable, known: Sequence[str] = _RELUS) -> bool:
    name = getattr(activation, "__name__", repr(activation))
    if name not in known:
        raise UnsupportedLayerError(
            f"cannot export the layer {layer.name!r}: its activation must be one of {known}. "
            f"Received: activation={name!r}"
        )
    return name != "linear"


def read_activation(layer: Any, activation: Callable, quantizer: Quantizer) -> tuple[bool, int | None]:
    """(whether negative sums count as 0, the largest code that the activation gives or None).

    Rounding keeps the order of numbers, so the code of min(y, 6) is the smaller of two codes.
    """
    relu = has_relu(layer, activation, (*_RELUS, "relu6"))
    if getattr(activation, "__name__", "") != "relu6":
        return relu, None
    codes = codes_of(layer, quantizer)
    if codes.midrise:
        raise UnsupportedLayerError(
            f"cannot export the layer {layer.name!r}: relu6 with signed codes of 2 bits or less"
        )
    return relu, int(codes.nearest(6.0))


def output_codes(layer: Any, quantizer: Quantizer, context: Context) -> Codes:
    """The grid of an output. Users read signed integers of 16 bits."""
    codes = codes_of(layer, quantizer)
    return replace(codes, bits=LOGIT_BITS - 1) if context.is_last and codes.high >= 2 ** (LOGIT_BITS - 1) else codes


def codes_of(layer: Any, quantizer: Quantizer) -> Codes:
    scale = float(keras.ops.convert_to_numpy(quantizer.scale))
    if not math.isfinite(scale):
        raise ValueError(
            f"cannot export the layer {layer.name!r}: the log2 scale of its {quantizer.name} must be a finite number. "
            f"Received: {scale}"
        )
    low, high = EXPONENTS
    return Codes.of_scale(quantizer.bits, quantizer.signed, int(np.clip(np.round(scale), low, high)))


def exponents_of(layer: Any, quantizer: Quantizer) -> np.ndarray:
    """The scales of a kernel, rounded: one number, or one a filter."""
    scales = keras.ops.convert_to_numpy(quantizer.scale)
    if not np.isfinite(scales).all():
        raise ValueError(
            f"cannot export the layer {layer.name!r}: the log2 scale of its {quantizer.name} must be a finite number. "
            f"Received: {scales}"
        )
    return np.clip(np.round(scales), *EXPONENTS).astype(int)


@dataclass(frozen=True)
class KernelCodes:
    """A kernel in integers: value = integer x 2^(shift of the output channel) x 2^codes.exponent."""

    integers: np.ndarray
    codes: Codes
    shifts: np.ndarray | None
    pruned: bool  # holds exact zeros, as pruning leaves them

    def reshaped(self, *shape: int) -> KernelCodes:
        return replace(self, integers=self.integers.reshape(shape))


def kernel_codes(layer: Any, quantizer: Quantizer) -> KernelCodes:
    """The integers of a kernel, in the unit of its finest filter."""
    if not len(quantizer.scale.shape):  # on TensorFlow an empty shape counts as true
        return KernelCodes(weight_codes(layer, quantizer), codes_of(layer, quantizer), None, is_pruned(quantizer))
    exponents = exponents_of(layer, quantizer)
    values = np.ldexp(finite_values(layer, quantizer), -exponents)
    integers = Codes.of_scale(quantizer.bits, quantizer.signed, 0).nearest(values)
    # A filter of zeros may lie anywhere.
    used = np.any(integers != 0, axis=tuple(range(integers.ndim - exponents.ndim)))
    finest = int(exponents[used].min()) if used.any() else 0
    shifts = np.where(used, exponents - finest, 0).ravel()
    if shifts.max() >= 2**SHIFT_BITS:
        raise ValueError(
            f"cannot export the layer {layer.name!r}: the scales of its filters must lie within a factor of "
            f"2^{2**SHIFT_BITS - 1}. Received: log2 scales from {finest} to {finest + shifts.max()}; calibrate again"
        )
    return KernelCodes(integers, Codes.of_scale(quantizer.bits, quantizer.signed, finest), shifts, is_pruned(quantizer))


def weight_codes(layer: Any, quantizer: Quantizer) -> np.ndarray:
    """The integers of a kernel or bias."""
    return codes_of(layer, quantizer).nearest(finite_values(layer, quantizer))


def finite_values(layer: Any, quantizer: Quantizer) -> np.ndarray:
    values = keras.ops.convert_to_numpy(quantizer.values()).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(
            f"cannot export the layer {layer.name!r}: its {quantizer.name} holds numbers that are not finite"
        )
    return values


def is_pruned(quantizer: Quantizer) -> bool:
    """Whether a kernel holds exact zeros, as pruning leaves them, beside other numbers."""
    zeros = keras.ops.convert_to_numpy(quantizer.weight) == 0
    return bool(zeros.any() and not zeros.all())


def sum_bounds(kernel: np.ndarray, codes: Codes, depthwise: bool) -> np.ndarray:
    """For each output channel the largest magnitude that a partial sum of products can reach, in any
    order of summation."""
    ends = np.stack([kernel * codes.low, kernel * codes.high])
    axes = (0, 1) if depthwise else (0, 1, 2)
    up = np.maximum(ends.max(axis=0), 0).sum(axis=axes)
    down = np.maximum(-ends.min(axis=0), 0).sum(axis=axes)
    return np.maximum(up, down).ravel()


MERGERS: dict[str, Callable[..., Operation]] = {"AddQ": read_addition, "ConcatenateQ": read_concatenation}
READERS: dict[str, Callable[..., Operation | None]] = {
    "DenseQ": read_dense,
    "ConvQ": read_convolution,
    "DepthwiseConvQ": read_convolution,
    "Conv1DQ": read_signal_convolution,
    "MeanPoolingQ": read_mean_pooling,
    "GlobalMeanPoolingQ": read_global_mean_pooling,
    "ResidualQ": read_residual,
    "ActivationQ": read_quantizer,
    "AveragePoolingQ": read_average_pooling,
    "MaxPooling2D": read_max_pooling,
    "GlobalMaxPooling2D": read_global_max_pooling,
    "MaxPooling1D": read_signal_max_pooling,
    "GlobalMaxPooling1D": read_global_max_pooling,
    "Activation": read_relu,
    "ReLU": read_relu,
}
