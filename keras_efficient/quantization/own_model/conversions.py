"""From a Keras layer to the quantized layers that compute the same."""

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
from keras_efficient.kinds.windows import first_of, read_window
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
from keras_efficient.quantization.own_model.request import (
    ACTIVATION,
    BATCH_NORM,
    GRIDS,
    Request,
    StaysFloatError,
    activation_name,
    refusal,
    relu_name,
    shared_config,
)
from keras_efficient.quantization.own_model.settings import Choice

# The arguments, beside a window, that a layer and its twin have in common.
BESIDE_WINDOW = {
    "DenseQ": ("units",),
    **dict.fromkeys(("ConvQ", "Conv1DQ"), ("filters", "groups")),
    **dict.fromkeys(("DepthwiseConvQ", "DepthwiseConv1DQ"), ("depth_multiplier",)),
    **dict.fromkeys(("Conv2DTransposeQ", "Conv1DTransposeQ"), ("filters", "output_padding")),
}
WITH_KERNEL = ("Conv{}D", "DepthwiseConv{}D", "Conv{}DTranspose")
PRUNABLE = Key("own", "Prunable")
ROLES = ("initializer", "regularizer", "constraint")


def convert(request: Request) -> list[keras.layers.Layer] | None:
    """The layers that take the place of one, to be called one after the other; None: it stays."""
    node = request.node
    if node.kwargs.get("mask") is not None:
        return None  # no quantized layer knows masks
    if node.key == PRUNABLE:
        parts = _convert_layer(as_layer(node), request)
        return parts and [pruned(part, node.operation) if _has_kernel(part) else part for part in parts]
    return _convert_layer(as_layer(node), request) if node.layer is node.operation else None


def _has_kernel(part: Any) -> bool:
    """Whether a part of what a layer becomes takes its kernel: what else there is computes its activation."""
    return isinstance(part, QuantizedLayer) and not isinstance(part, layers.ActivationQ)


def pruned(part: Any, wrapper: Any) -> keras.layers.Layer:
    """A layer in a wrapper like the one that the layer was in whose part it is."""
    names = ("schedule", "structure", "scope", "monotone", "trainable")
    added = part.name.removeprefix(wrapper.layer.name)
    return type(wrapper)(part, **{name: getattr(wrapper, name) for name in names}, name=wrapper.name + added)


def _convert_layer(layer: Any, request: Request) -> list[keras.layers.Layer] | None:
    """As `convert`, for the layer within a wrapper."""
    key = request.node.form.key
    if key is None:
        return None
    if isinstance(layer, QuantizedLayer):
        return [_with_widths(layer, request.choice)]
    converter = CONVERTERS.get(key)
    return None if converter is None else converter(layer, request)


def _with_widths(layer: QuantizedLayer, choice: Choice) -> QuantizedLayer:
    """A layer of this package: widths that are None take the model's, others what is given or asked for."""
    assert choice.settings is not None
    config, settings = layer.get_config(), asdict(choice.settings)
    for key in config.keys() & {*settings, "bits"}:
        name = "activation_bits" if key == "bits" else key
        if config[key] is None or name in choice.given | choice.asked:
            config[key] = settings[name]
    return type(layer).from_config({**config, "mode": "float"})


def _with_kernel(layer: Any, request: Request) -> list:
    """The twin of a layer of one kernel."""
    twin = str(request.node.kind.twin)
    own = {name: first_of(getattr(layer, name)) for name in BESIDE_WINDOW[twin]}
    window = _read_convolution(layer, request) if hasattr(layer, "kernel_size") else {}
    return _with_head(layer, request, lambda **config: getattr(layers, twin)(**own, **window, **config))


def separable(layer: Any, request: Request) -> list:
    """A depthwise convolution without bias, and a convolution of one place."""
    is_signal = len(layer.kernel_size) == 1
    thin: Any = layers.DepthwiseConv1DQ if is_signal else layers.DepthwiseConvQ
    mixing: Any = layers.Conv1DQ if is_signal else layers.ConvQ
    first = thin(
        **_read_convolution(layer, request),
        depth_multiplier=layer.depth_multiplier,
        **{**shared_config(layer), "name": f"{layer.name}_depthwise"},
        **asdict(request.settings),
        use_bias=False,
        **_parts_config(layer, {"kernel": "depthwise"}),
    )
    second = _with_head(layer, request, lambda **config: mixing(layer.filters, 1, **config), {"kernel": "pointwise"})
    return [first, *second]


def _read_convolution(layer: Any, request: Request) -> dict:
    """The window of a convolution, or a ValueError that names what has no quantized form."""
    _check_channels(layer)
    window = {name: first_of(getattr(layer, name)) for name in ("kernel_size", "strides", "dilation_rate")}
    return {**window, "padding": layer.padding if request.padding is None else request.padding}


def _with_head(layer: Any, request: Request, make: Callable, names: dict | None = None) -> list:
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
        **_parts_config(layer, names or {}),
    )
    if not split:
        return [made]
    shared = {"name": f"{layer.name}_{activation}", "dtype": layer.dtype_policy}
    return [
        made,
        grid_of(copy_of(function), request, shared) if is_table else keras.layers.Activation(function, **shared),
    ]


def _parts_config(layer: Any, names: dict) -> dict:
    """Initializers, regularizers and constraints. `names`: what the layer calls its kernel."""
    kernel = "kernel" if hasattr(layer, "kernel_initializer") else "depthwise"
    own = {"kernel": kernel, "bias": "bias", **names}
    config = {f"{part}_{role}": getattr(layer, f"{own[part]}_{role}", None) for part in own for role in ROLES}
    initializers = {"kernel_initializer": "orthogonal", "bias_initializer": "zeros"}
    return {**config, **{name: config[name] or default for name, default in initializers.items()}}


def _lone_batch_norm(layer: Any, request: Request) -> list:
    """Without a kernel before it that takes it in, its gain is one."""
    if not folds(request.node):
        raise refusal(f"axis={layer.axis}", "channels must come last")
    frozen = request.node.kwargs.get("training") is False
    return scale(layer, request, use_bias=False, batch_norm=layer, frozen_statistics=frozen)


def normalization(layer: Any, request: Request) -> list:
    if layer.axis not in ((), (-1,), (len(request.node.inputs[0].shape),)):
        raise refusal(f"axis={layer.axis}", "axis must be the last one, or None")
    return scale(layer, request)


def scale(layer: Any, request: Request, **config: Any) -> list:
    shared = {**shared_config(layer), **asdict(request.settings), "activation": request.activation}
    return [layers.ScaleQ(**shared, signed_output=True if request.is_output else "auto", **config)]


def _combination(layer: Any, request: Request) -> list:
    """A sum, product or the like; of numbers that can not be negative a difference can be."""
    key = request.node.form.key
    assert key is not None
    _check_several(layer, request)
    known = request.non_negative and key.name != "Subtract"
    signed = request.is_output or not (request.activation or known)
    config: dict[str, Any] = {"activation_bits": request.settings.activation_bits, "signed_output": signed}
    if key.name == "Add":
        config["activation"] = request.activation
    return [getattr(layers, f"{key.name}Q")(**config, **shared_config(layer))]


def _check_several(layer: Any, request: Request) -> None:
    """Refuse one input, which Keras takes, and what the quantized layer does not."""
    node = request.node
    twin = KINDS[Key("own", str(node.kind.twin))]
    if len(node.inputs) < 2:
        raise refusal("one input", "it must have two inputs or more")
    assert twin.shape is not None
    try:
        twin.shape(node.form.config, *(value.shape for value in node.inputs))
    except ValueError as error:
        raise StaysFloatError(str(error)) from None


def _concatenation(layer: Any, request: Request) -> list:
    _check_several(layer, request)
    return [layers.ConcatenateQ(**request.grid, axis=layer.axis, **shared_config(layer))]


def _mean_pooling(layer: Any, request: Request) -> list:
    _check_channels(layer)
    config = {key: first_of(value) for key, value in layer.get_config().items()}
    window = read_window(config, "pool_size")
    if window.padding == "same" and None in request.node.inputs[0].shape[:-1] and len(set(window.strides)) > 1:
        raise refusal(f"strides={layer.strides}", "the size of the map must be known where they differ")
    window_config = {key: config[key] for key in ("pool_size", "strides", "padding")}
    return [layers.MeanPoolingQ(**window_config, **request.grid, **shared_config(layer))]


def _global_mean(layer: Any, request: Request) -> list:
    _check_channels(layer)
    if None in request.node.inputs[0].shape:
        raise refusal(f"an input of shape {request.node.inputs[0].shape}", "the size of the map must be known")
    return [layers.GlobalMeanPoolingQ(**request.grid, keepdims=layer.keepdims, **shared_config(layer))]


def _check_channels(layer: Any) -> None:
    if layer.data_format != "channels_last":
        raise refusal(f"data_format={layer.data_format!r}", "channels must come last")


# What makes the `Kind.twin` of a kind.
CONVERTERS: dict[Key, Callable[[Any, Request], list | None]] = {
    Key("layers", "Dense"): _with_kernel,
    **{Key("layers", name.format(d)): _with_kernel for name in WITH_KERNEL for d in (1, 2)},
    **{Key("layers", f"SeparableConv{d}D"): separable for d in (1, 2)},
    **{Key("layers", name): _combination for name in COMBINING},
    Key("layers", "Concatenate"): _concatenation,
    **{Key("layers", f"AveragePooling{d}D"): _mean_pooling for d in (1, 2)},
    **{Key("layers", f"GlobalAveragePooling{d}D"): _global_mean for d in (1, 2)},
    ACTIVATION: activation_function,
    **dict.fromkeys(TABLE_LAYERS, activation_layer),
    **dict.fromkeys(TABLE_FUNCTIONS, function),
    BATCH_NORM: _lone_batch_norm,
    Key("layers", "Normalization"): normalization,
}
