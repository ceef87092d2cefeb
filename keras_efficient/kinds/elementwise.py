"""Layers whose cells stand for themselves: functions, grids, normalizations. All of them work in place."""

import math
from collections.abc import Callable, Mapping
from functools import partial

from keras_efficient.kinds.fields import QUANTIZER_BITS, check_bits
from keras_efficient.kinds.identity import Key
from keras_efficient.kinds.kind import CHANNELS, Kind, Price
from keras_efficient.kinds.measures import (
    FLOAT_BITS,
    Config,
    FeatureMap,
    Shape,
    WeightCount,
    biases_of,
    float_bits,
    kernel_and_bias,
    quantized_output_bits,
    quantized_widths,
    shifts_of,
)
from keras_efficient.kinds.moves import in_place, passed_on

TABLE_BITS = 8  # of the codes that a table has an entry for
# Layers of Keras that are functions of a number by itself; a PReLU of a number and its channel.
TABLE_LAYERS = tuple(Key("layers", name) for name in ("ELU", "LeakyReLU", "PReLU", "ReLU", "Rescaling"))
# Keras's functions of a number by itself, which a table can hold.
TABLES = (
    *("celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu"),
    *("log_sigmoid", "mish", "selu", "sigmoid", "silu", "soft_shrink", "softplus", "softsign", "sparse_plus"),
    *("sparse_sigmoid", "squareplus", "tanh", "tanh_shrink", "threshold"),
)
# Functions of `keras.ops` that are finite for each number by itself, and the numbers that they take beside it.
FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "clip": ("x_min", "x_max"),
    "power": ("x2",),
    **dict.fromkeys(
        ("absolute", "square", "sign", "expm1", "erf", "sin", "cos", "sinh", "cosh", "arctan", "arcsinh"), ()
    ),
    **dict.fromkeys(("floor", "ceil"), ()),
}
FUNCTION = Key("own", "Function")  # the layer that computes one of them


def unchanged_shape(config: Config, shape: Shape) -> Shape:
    return shape


def activation_bits(config: Config, input_bits: int) -> int:
    """relu keeps a cell or makes it 0, so the codes of its input still do; other functions give
    floats."""
    return input_bits if config.get("activation") in ("relu", "linear", None) else FLOAT_BITS


def _relu_bits(config: Config, input_bits: int) -> int:
    keeps_codes = not config.get("negative_slope") and not config.get("threshold") and config.get("max_value") is None
    return input_bits if keeps_codes else FLOAT_BITS


def _scale_weights(config: Config, source: FeatureMap) -> WeightCount:
    """Two numbers for each channel."""
    channels = source.shape[-1]
    return kernel_and_bias(quantized_widths(config), channels, biases_of(config, channels), shifts_of(config, channels))


def _statistics_weights(config: Config, source: FeatureMap) -> WeightCount:
    """Mean and variance along the axes that are not reduced."""
    axis = config.get("axis", -1)
    axes = () if axis is None else axis if isinstance(axis, (list, tuple)) else (axis,)
    parameters = 2 * math.prod(source.shape[each - (each > 0)] for each in axes)
    return WeightCount(parameters, parameters * FLOAT_BITS)


def _channel_vectors(statistics: int) -> Callable[[Config, FeatureMap], WeightCount]:
    """So many statistics, and gain and offset where there are any: one float per channel each."""

    def weights(config: Config, source: FeatureMap) -> WeightCount:
        axis = config.get("axis", -1)
        if axis not in (-1, [-1], len(source.shape), [len(source.shape)]):
            raise ValueError(f"axis must be the last one. Received: axis={axis!r}")
        vectors = statistics + bool(config.get("scale", True)) + bool(config.get("center", True))
        parameters = vectors * source.shape[-1]
        return WeightCount(parameters, parameters * FLOAT_BITS)

    return weights


def _one_product_a_cell(config: Config, source: FeatureMap, target: FeatureMap) -> int:
    return target.cells


_cellwise = partial(Kind, shape=unchanged_shape)


def function(bits: Callable[[Config, int], int], form: str | None = None) -> Kind:
    """A function of each number by itself, which may end a network."""
    price = Price(bits, in_place, streams=passed_on)
    return _cellwise(price=price, form=form, twin="ActivationQ", prunes=CHANNELS, is_head=True)


def slopes(config: Config, source: FeatureMap) -> WeightCount:
    """The slopes of a PReLU: one for each cell, but for the axes that share them."""
    shared = config.get("shared_axes") or ()
    count = math.prod(size for axis, size in enumerate(source.shape, start=1) if axis not in shared)
    return WeightCount(count, count * FLOAT_BITS)


def _has_table(config: Config) -> bool:
    """Whether the C looks the function up: rounding alone does it for the others."""
    return config.get("activation") not in (None, "linear", "relu", "relu6")


def _table_weights(config: Config, source: FeatureMap) -> WeightCount:
    """A table holds an output for each code of the input; of a PReLU there is one for each slope."""
    if not _has_table(config):
        return WeightCount()
    activation, count = config["activation"], 0
    if isinstance(activation, Mapping) and activation.get("class_name") == "PReLU":
        count = slopes(activation["config"], source).parameters
    return WeightCount(count, max(count, 1) * config["bits"] << min(source.bits, TABLE_BITS))


# By the names of Keras's operations.
OPS = {
    name.title(): _cellwise(price=Price(float_bits, in_place, streams=passed_on), twin="ActivationQ")
    for name in FUNCTIONS
}
OWN = {
    "ActivationQ": _cellwise(
        settings={"bits": check_bits},
        price=Price(
            lambda config, input_bits: config.get("bits", 4),
            in_place,
            weights=_table_weights,
            streams=lambda config: "no" if _has_table(config) else "pixels",
        ),
        form="Lookup",
        prunes=CHANNELS,
    ),
    "ScaleQ": _cellwise(
        settings=dict.fromkeys(QUANTIZER_BITS, check_bits),
        price=Price(quantized_output_bits, in_place, weights=_scale_weights, products=_one_product_a_cell),
        form="Scale",
        prunes=CHANNELS,
    ),
    "InputQ": _cellwise(
        settings={"bits": check_bits},
        price=Price(lambda config, input_bits: config.get("bits", 8), in_place, streams=passed_on),
        form="Lookup",  # where it is not the grid of the input
    ),
}
LAYERS = {
    "Activation": function(activation_bits, form="Rescale"),
    "ReLU": function(_relu_bits, form="Rescale"),
    "LeakyReLU": function(float_bits),
    "ELU": function(float_bits),
    "PReLU": _cellwise(price=Price(float_bits, in_place, weights=slopes, streams=passed_on), twin="ActivationQ"),
    "Softmax": _cellwise(price=Price(float_bits, in_place), is_head=True),
    "BatchNormalization": _cellwise(
        price=Price(float_bits, in_place, weights=_channel_vectors(2), products=_one_product_a_cell, streams=passed_on),
        twin="ScaleQ",
        absorbs=("relu",),
        prunes=CHANNELS,
    ),
    "LayerNormalization": _cellwise(
        price=Price(
            float_bits,
            in_place,
            weights=_channel_vectors(0),
            products=lambda config, source, target: 2 * target.cells,  # the square of each cell, and its scale
        ),
    ),
    "Rescaling": _cellwise(
        price=Price(float_bits, in_place, products=_one_product_a_cell, streams=passed_on),
        twin="ActivationQ",
        prepares=True,
    ),
    "Normalization": _cellwise(
        price=Price(float_bits, in_place, weights=_statistics_weights, products=_one_product_a_cell),
        twin="ScaleQ",
        prepares=True,
    ),
}
