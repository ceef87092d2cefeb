"""From a Keras layer to the quantized layers that compute the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import keras

from keras_efficient import layers
from keras_efficient.copies.layers import as_layer, copy_of
from keras_efficient.kinds import Key, key_of
from keras_efficient.kinds.combining import COMBINING
from keras_efficient.kinds.elementwise import TABLE_LAYERS, TABLES
from keras_efficient.kinds.table import KINDS
from keras_efficient.kinds.windows import read_window
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.quantization.own_model.functions import (
    TABLE_FUNCTIONS,
    activation_function,
    activation_layer,
    for_table,
    function,
    grid_of,
)
from keras_efficient.quantization.own_model.fusion import folds
from keras_efficient.quantization.own_model.kinds import (
    ACTIVATION,
    BATCH_NORM,
    activation_name,
    relu_name,
)
from keras_efficient.quantization.own_model.request import Request, StaysFloatError, refusal, shared_config
from keras_efficient.quantization.own_model.settings import Choice

GRIDS = ("relu", "relu6", "linear")
PARTS = ("kernel", "bias")
PRUNABLE = Key("own", "Prunable")
ROLES = ("initializer", "regularizer", "constraint")


def convert(request: Request) -> list[keras.layers.Layer] | None:
    """The layers that take the place of one, to be called one after the other; None: it stays."""
    node = request.node
    if node.kwargs.get("mask") is not None:
        return None  # no quantized layer knows masks
    if node.key == PRUNABLE:
        parts = convert_layer(as_layer(node), request)
        return parts and [pruned(part, node.operation) if has_kernel(part) else part for part in parts]
    return convert_layer(as_layer(node), request) if node.layer is node.operation else None


def has_kernel(part: Any) -> bool:
    """Whether a part of what a layer becomes takes its kernel: what else there is computes its activation."""
    return isinstance(part, QuantizedLayer) and not isinstance(part, layers.ActivationQ)


def pruned(part: Any, wrapper: Any) -> keras.layers.Layer:
    """A layer in a wrapper like the one that the layer was in whose part it is."""
    names = ("schedule", "structure", "scope", "monotone", "trainable")
    added = part.name.removeprefix(wrapper.layer.name)
    return type(wrapper)(part, **{name: getattr(wrapper, name) for name in names}, name=wrapper.name + added)


def convert_layer(layer: Any, request: Request) -> list[keras.layers.Layer] | None:
    """As `convert`, for the layer within a wrapper."""
    key = request.node.form.key
    if key is None:
        return None
    if isinstance(layer, QuantizedLayer):
        return [with_widths(layer, request.choice)]
    converter = CONVERTERS.get(key)
    return None if converter is None else converter(layer, request)


def with_widths(layer: QuantizedLayer, choice: Choice) -> QuantizedLayer:
    """A layer of this package: widths that are None take the model's, others what is given or asked for."""
    assert choice.settings is not None
    config, settings = layer.get_config(), asdict(choice.settings)
    for key in config.keys() & {*settings, "bits"}:
        name = "activation_bits" if key == "bits" else key
        if config[key] is None or name in choice.given | choice.asked:
            config[key] = settings[name]
    return type(layer).from_config({**config, "mode": "float"})


def dense(layer: Any, request: Request) -> list:
    return with_head(layer, request, lambda **config: layers.DenseQ(layer.units, **config))


def convolution(layer: Any, request: Request) -> list:
    window = {**read_convolution(layer, request), "groups": layer.groups}
    return with_head(layer, request, lambda **config: layers.ConvQ(layer.filters, **window, **config))


def signal_convolution(layer: Any, request: Request) -> list:
    window = {**read_convolution(layer, request), "groups": layer.groups}
    return with_head(layer, request, lambda **config: layers.Conv1DQ(layer.filters, **window, **config))


def transposed(layer: Any, request: Request) -> list:
    added = layer.output_padding
    window = {**read_convolution(layer, request), "output_padding": added[0] if added and len(added) == 1 else added}
    kind = layers.Conv2DTransposeQ if len(layer.kernel_size) == 2 else layers.Conv1DTransposeQ
    return with_head(layer, request, lambda **config: kind(layer.filters, **window, **config))


def depthwise(layer: Any, request: Request) -> list:
    window = {**read_convolution(layer, request), "depth_multiplier": layer.depth_multiplier}
    kind = layers.DepthwiseConvQ if len(layer.kernel_size) == 2 else layers.DepthwiseConv1DQ
    return with_head(layer, request, lambda **config: kind(**window, **config))


def separable(layer: Any, request: Request) -> list:
    """A depthwise convolution without bias, and a convolution of one place."""
    is_signal = len(layer.kernel_size) == 1
    thin: Any = layers.DepthwiseConv1DQ if is_signal else layers.DepthwiseConvQ
    mixing: Any = layers.Conv1DQ if is_signal else layers.ConvQ
    first = thin(
        **read_convolution(layer, request),
        depth_multiplier=layer.depth_multiplier,
        **{**shared_config(layer), "name": f"{layer.name}_depthwise"},
        **asdict(request.settings),
        use_bias=False,
        **parts_config(layer, {"kernel": "depthwise"}),
    )
    second = with_head(layer, request, lambda **config: mixing(layer.filters, 1, **config), {"kernel": "pointwise"})
    return [first, *second]


def read_convolution(layer: Any, request: Request) -> dict:
    """The window of a convolution, or a ValueError that names what has no quantized form."""
    if layer.data_format != "channels_last":
        raise refusal(layer, f"data_format={layer.data_format!r}", "channels must come last")
    pairs = {name: getattr(layer, name) for name in ("kernel_size", "strides", "dilation_rate")}
    window = {name: pair[0] if len(pair) == 1 else pair for name, pair in pairs.items()}
    return {**window, "padding": layer.padding if request.padding is None else request.padding}


def with_head(layer: Any, request: Request, make: Callable, names: dict | None = None) -> list:
    """The layer that `make` makes. An activation that rounding alone does not compute becomes a layer after it."""
    function, key = layer.activation, key_of(layer.activation)
    is_layer = key in TABLE_LAYERS and not function.weights  # a slope for each channel needs a PReLU of its own
    known = request.activation or (relu_name(key, function.get_config()) if is_layer else None)
    activation = known or (function.name if is_layer else activation_name(layer))
    split = activation not in GRIDS
    is_table = split and not request.is_output and (is_layer or activation in TABLES)
    made = make(
        **shared_config(layer),
        **asdict(for_table(request.settings) if is_table else request.settings),
        activation=None if split else known or function,
        use_bias=layer.use_bias,
        batch_norm=request.batch_norm,
        frozen_statistics=request.frozen_statistics,
        # Logits are read as signed integers.
        signed_output=True if request.is_output else "auto",
        **parts_config(layer, names or {}),
    )
    if not split:
        return [made]
    shared = {"name": f"{layer.name}_{activation}", "dtype": layer.dtype_policy}
    return [
        made,
        grid_of(copy_of(function), request, shared) if is_table else keras.layers.Activation(function, **shared),
    ]


def parts_config(layer: Any, names: dict) -> dict:
    """Initializers, regularizers and constraints. `names`: what the layer calls its kernel."""
    config = {}
    for part in PARTS:
        own = names.get(part, part)
        if own == "kernel" and not hasattr(layer, "kernel_initializer"):
            own = "depthwise"
        for role in ROLES:
            config[f"{part}_{role}"] = getattr(layer, f"{own}_{role}", None) or default_part(part, role)
    return config


def default_part(part: str, role: str) -> str | None:
    return {("kernel", "initializer"): "orthogonal", ("bias", "initializer"): "zeros"}.get((part, role))


def lone_batch_norm(layer: Any, request: Request) -> list:
    """Without a kernel before it that takes it in, its gain is one."""
    if not folds(request.node):
        raise refusal(layer, f"axis={layer.axis}", "channels must come last")
    frozen = request.node.kwargs.get("training") is False
    return scale(layer, request, use_bias=False, batch_norm=layer, frozen_statistics=frozen)


def normalization(layer: Any, request: Request) -> list:
    if layer.axis not in ((), (-1,), (len(request.node.inputs[0].shape),)):
        raise refusal(layer, f"axis={layer.axis}", "axis must be the last one, or None")
    return scale(layer, request)


def scale(layer: Any, request: Request, **config: Any) -> list:
    shared = {**shared_config(layer), **asdict(request.settings), "activation": request.activation}
    return [layers.ScaleQ(**shared, signed_output=True if request.is_output else "auto", **config)]


def combination(layer: Any, request: Request) -> list:
    """A sum, product or the like; of numbers that can not be negative a difference can be."""
    key = request.node.form.key
    assert key is not None
    check_several(layer, request)
    known = request.non_negative and key.name != "Subtract"
    signed = request.is_output or not (request.activation or known)
    config: dict[str, Any] = {"activation_bits": request.settings.activation_bits, "signed_output": signed}
    if key.name == "Add":
        config["activation"] = request.activation
    return [getattr(layers, f"{key.name}Q")(**config, **shared_config(layer))]


def check_several(layer: Any, request: Request) -> None:
    """Refuse one input, which Keras takes, and what the quantized layer does not."""
    node = request.node
    twin = KINDS[Key("own", str(node.kind.twin))]
    if len(node.inputs) < 2:
        raise refusal(layer, "one input", "it must have two inputs or more")
    assert twin.shape is not None
    try:
        twin.shape(node.form.config, *(value.shape for value in node.inputs))
    except ValueError as error:
        raise StaysFloatError(str(error)) from None


def concatenation(layer: Any, request: Request) -> list:
    check_several(layer, request)
    signed = request.is_output or not request.non_negative
    return [layers.ConcatenateQ(request.settings.activation_bits, signed, axis=layer.axis, **shared_config(layer))]


def mean_pooling(layer: Any, request: Request) -> list:
    config = layer.get_config()
    if config["data_format"] != "channels_last":
        raise refusal(layer, f"data_format={config['data_format']!r}", "channels must come last")
    flat = {key: config[key][0] if len(config[key]) == 1 else config[key] for key in ("pool_size", "strides")}
    window = read_window({**config, **flat}, "pool_size")
    places = request.node.inputs[0].shape[:-1]
    if window.padding == "same" and None in places and len(set(flat["strides"])) > 1:
        raise refusal(layer, f"strides={layer.strides}", "the size of the map must be known where they differ")
    signed = request.is_output or not request.non_negative
    bits = request.settings.activation_bits
    return [
        layers.MeanPoolingQ(flat["pool_size"], bits, flat["strides"], layer.padding, signed, **shared_config(layer))
    ]


def global_mean(layer: Any, request: Request) -> list:
    if layer.data_format != "channels_last":
        raise refusal(layer, f"data_format={layer.data_format!r}", "channels must come last")
    if None in request.node.inputs[0].shape:
        raise refusal(layer, f"an input of shape {request.node.inputs[0].shape}", "the size of the map must be known")
    signed = request.is_output or not request.non_negative
    bits = request.settings.activation_bits
    return [layers.GlobalMeanPoolingQ(bits, signed, layer.keepdims, **shared_config(layer))]


# What makes the `Kind.twin` of a kind.
CONVERTERS: dict[Key, Callable[[Any, Request], list | None]] = {
    Key("layers", "Dense"): dense,
    Key("layers", "Conv2D"): convolution,
    Key("layers", "Conv1D"): signal_convolution,
    **{Key("layers", f"DepthwiseConv{d}D"): depthwise for d in (1, 2)},
    **{Key("layers", f"Conv{d}DTranspose"): transposed for d in (1, 2)},
    **{Key("layers", f"SeparableConv{d}D"): separable for d in (1, 2)},
    **{Key("layers", name): combination for name in COMBINING},
    Key("layers", "Concatenate"): concatenation,
    **{Key("layers", f"AveragePooling{d}D"): mean_pooling for d in (1, 2)},
    **{Key("layers", f"GlobalAveragePooling{d}D"): global_mean for d in (1, 2)},
    ACTIVATION: activation_function,
    **dict.fromkeys(TABLE_LAYERS, activation_layer),
    **dict.fromkeys(TABLE_FUNCTIONS, function),
    BATCH_NORM: lone_batch_norm,
    Key("layers", "Normalization"): normalization,
}
