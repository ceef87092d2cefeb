"""From a Keras layer to its integer operation."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.grids import (
    RELUS,
    Context,
    UnsupportedLayerError,
    has_relu,
    kernel_codes,
    output_codes,
    read_activation,
)
from keras_efficient.export.integer.lookup import read_lookup
from keras_efficient.export.integer.merging import read_combination, read_concatenation
from keras_efficient.export.integer.operations import (
    AveragePooling,
    IntegerMap,
    MaxPooling,
    MeanPooling,
    Operation,
    Rescale,
    Residual,
    Scale,
)
from keras_efficient.export.integer.products import make_convolution, make_move, read_bias
from keras_efficient.export.integer.rounding import plan_rounding
from keras_efficient.export.integer.rounding_steps import Term
from keras_efficient.export.integer.stages import read_stages
from keras_efficient.export.integer.windows import Window
from keras_efficient.kinds.kind import THIN, TRANSPOSED
from keras_efficient.kinds.measures import FeatureMap
from keras_efficient.kinds.moves import IMAGE_AXES
from keras_efficient.kinds.steps import MoveStep
from keras_efficient.kinds.transposed import turned
from keras_efficient.kinds.windows import MEAN_DIGITS, ONE_PLACE, Slide, mean_reciprocal
from keras_efficient.layers.activation_names import activation_name
from keras_efficient.layers.random_basis.base import RandomBasisLayer
from keras_efficient.reading.network import Call


def read_layer(call: Call, layer: Any, sources: list[IntegerMap], context: Context) -> list[Operation]:
    """The operations of one layer, in order; none where it changes nothing."""
    kind, source = call.kind, sources[0]
    if call.node.layer is not call.node.operation:
        raise UnsupportedLayerError(
            call.node.name, "its masks are for training. Right would be to export keras_efficient.strip_pruning(model)"
        )
    if kind.form is None:
        hint = ": keras_efficient.quantize_model makes a layer that has one" if kind.twin else ""
        reason = f": {kind.why_no_form}" if kind.why_no_form else hint
        raise UnsupportedLayerError(layer.name, f"{call.node.described} has no integer form{reason}")
    if getattr(layer, "data_format", "channels_last") != "channels_last" and source.shape[:2] != (1, 1):
        raise UnsupportedLayerError(layer.name, f"channels must come last. Received: data_format={layer.data_format!r}")
    found = READERS[kind.form](call, layer, sources, context) if kind.form else None
    return found if isinstance(found, list) else [] if found is None else [found]


def _window_of(call: Call, source: IntegerMap) -> Window:
    """The window of a layer; a signal is an image of one row."""
    assert call.kind.window is not None
    try:
        slide = call.kind.window(call.config, call.node.data[0].shape)
    except ValueError as error:
        raise UnsupportedLayerError(call.node.name, str(error)) from None
    rows, columns = slide.places(source.shape)
    return Window(source.shape[:2], (rows, columns), slide)


def _read_products(call: Call, layer: Any, sources: list[IntegerMap], context: Context) -> Operation:
    """A dense layer is a window over the whole map after a flatten, else one of a single place."""
    (source,) = sources
    if isinstance(layer, RandomBasisLayer):
        _check_widths(layer)
    kernel = kernel_codes(layer, layer.kernel_quantizer)
    if call.kind.window is not None:
        window = _window_of(call, source)
    else:
        places = source.shape[:2]
        whole = Window(places, (1, 1), Slide(places, (1, 1), "valid"))
        window = whole if context.flat else Window(places, places, ONE_PLACE)
    groups = source.shape[2] if call.kind.prunes == THIN else getattr(layer, "groups", 1)
    depthwise = call.kind.prunes == THIN or 1 < groups == source.shape[2]
    if call.kind.prunes == TRANSPOSED:
        kernel = replace(kernel, integers=turned(kernel.integers))
    kernel = kernel.reshaped(*window.sizes, source.shape[2] // groups, -1)
    shape = (*window.target, kernel.integers.shape[3])
    grids = (read_bias(layer, layer.bias_quantizer), layer.activation_quantizer)
    made = make_convolution(layer, source, shape, window, kernel, *grids, layer.activation, context)
    return replace(made, groups=groups, depthwise=depthwise)


def _check_widths(layer: RandomBasisLayer) -> None:
    names = ["kernel_bits", *(["bias_bits"] if layer.use_bias else []), "activation_bits"]
    missing = [name for name in names if getattr(layer, name) is None]
    if missing:
        raise UnsupportedLayerError(layer.name, f"it needs `{'`, `'.join(missing)}`, as float parts have no integers")


def _read_scale(call: Call, layer: Any, sources: list[IntegerMap], context: Context) -> Operation:
    """A number for each channel, or for each cell of a flattened map. Pruning makes no zeros among them."""
    (source,) = sources
    kernel = replace(kernel_codes(layer, layer.kernel_quantizer), pruned=False)
    shape = (1, source.cells // kernel.integers.size, kernel.integers.size)
    window = Window(shape[:2], shape[:2], ONE_PLACE)
    places = make_convolution(
        layer,
        IntegerMap(shape, source.codes),
        shape,
        window,
        kernel.reshaped(1, 1, 1, -1),
        read_bias(layer, layer.bias_quantizer),
        layer.activation_quantizer,
        layer.activation,
        context,
    )
    places = replace(places, groups=shape[2], depthwise=True)
    return Scale(layer.name, source, IntegerMap(source.shape, places.target.codes), places)


def _read_residual(call: Call, layer: Any, sources: list[IntegerMap], context: Context) -> Operation:
    (source,) = sources
    shape = source.shape
    window = Window(shape[:2], shape[:2], Slide((3, 3), (1, 1), "same"))
    first, second = layer.quantizers[:3], layer.quantizers[3:]
    relu = keras.activations.relu
    kernels = [kernel_codes(layer, quantizers[0]) for quantizers in (first, second)]
    biases = [read_bias(layer, quantizers[1]) for quantizers in (first, second)]
    inner = make_convolution(layer, source, shape, window, kernels[0], biases[0], first[2], relu)
    grids = (kernels[1], biases[1], second[2])
    outer = make_convolution(layer, inner.target, shape, window, *grids, relu, context, skip=source)
    return Residual(layer.name, source, outer.target, inner, outer)


def _read_rescale(call: Call, layer: Any, sources: list[IntegerMap], context: Context) -> Operation | None:
    """A relu: nothing where the codes can not be negative."""
    (source,) = sources
    if not isinstance(layer, keras.layers.ReLU):
        relu = has_relu(layer, layer.activation)
    elif layer.negative_slope or layer.threshold or layer.max_value is not None:
        raise UnsupportedLayerError(
            layer.name, f"only the plain relu has an integer form. Received: {layer.get_config()}"
        )
    else:
        relu = True
    if not relu or not source.codes.signed:
        return _rescale(layer, source, source.codes) if context.in_graph else None
    codes = source.codes
    # Mid-rise codes have no zero: 0, 1 and 3 are codes of the unsigned grid of as many bits.
    output = Codes(codes.bits, False, codes.exponent) if codes.midrise else codes
    return _rescale(layer, source, output, relu=True)


def _read_grid(call: Call, layer: Any, sources: list[IntegerMap], context: Context) -> Operation:
    """A grid of its own, for a function of the numbers: those that rounding alone computes have no table."""
    (source,) = sources
    output = output_codes(layer, layer.activation_quantizer, context)
    activation = getattr(layer, "activation", keras.activations.linear)
    if activation_name(activation) not in (*RELUS, "relu6"):
        return read_lookup(layer, source, output)
    relu, limit = read_activation(layer, activation, layer.activation_quantizer)
    return _rescale(layer, source, output, relu, limit)


def _rescale(layer: Any, source: IntegerMap, output: Codes, relu: bool = False, limit: int | None = None) -> Rescale:
    rounding = plan_rounding([Term(source.codes.bound, source.codes.exponent)], output, relu=relu, highest=limit)
    return Rescale(layer.name, source, IntegerMap(source.shape, output), rounding)


def _read_move(call: Call, layer: Any, sources: list[IntegerMap], context: Context) -> Operation:
    (source,), shapes = sources, (call.node.data[0].shape, call.node.outputs[0].shape)
    if any(None in shape or len(shape) > IMAGE_AXES for shape in shapes):
        raise UnsupportedLayerError(layer.name, f"maps have up to three axes, of known sizes. Received: {shapes}")
    assert call.kind.price is not None
    (step,) = call.kind.price.steps(call.config, *(FeatureMap(shape, source.codes.bits) for shape in shapes))
    assert isinstance(step, MoveStep)
    return make_move(layer.name, source, step.target.shape, step.ways)


def _read_pooling(call: Call, layer: Any, sources: list[IntegerMap], context: Context) -> Operation:
    (source,) = sources
    window = _window_of(call, source)
    shape = (*window.target, source.shape[2])
    if call.kind.form == "MaxPooling":
        return MaxPooling(layer.name, source, IntegerMap(shape, source.codes), window)
    if call.kind.form == "AveragePooling":
        return AveragePooling(layer.name, source, IntegerMap(shape, Codes(layer.bits, False, -layer.bits)), window)
    counts = np.unique(window.counts())
    reciprocals = [mean_reciprocal(int(count)) for count in counts]
    exponent = math.frexp(reciprocals[-1])[1] - MEAN_DIGITS  # the finest
    factors = np.zeros(counts[-1] + 1, np.int64)
    factors[counts] = np.ldexp(reciprocals, -exponent)
    bound = source.codes.bound * int((counts * factors[counts]).max())
    output = output_codes(layer, layer.activation_quantizer, context)
    rounding = plan_rounding([Term(bound, source.codes.exponent + exponent)], output)
    return MeanPooling(layer.name, source, IntegerMap(shape, output), window, factors, bound, rounding)


# By the form of a kind: the operation that it gives, or those.
READERS: dict[str, Callable[..., Operation | list[Operation] | None]] = {
    "Convolution": _read_products,
    "Residual": _read_residual,
    "Scale": _read_scale,
    **dict.fromkeys(("MaxPooling", "AveragePooling", "MeanPooling"), _read_pooling),
    "Move": _read_move,
    "Lookup": _read_grid,
    "Rescale": _read_rescale,
    "Combination": read_combination,
    "Concatenation": read_concatenation,
    "Stages": read_stages,
}
