"""Shapes of feature maps, without the batch: (rows, columns, channels) for images, (features,) for
vectors.

`SHAPES` maps a layer's class name to a function ``(config, input_shape) -> output_shape``; `config`
is what the layer's ``get_config()`` holds. The builder and the byte calculator both ask here, so
they cannot disagree. A size that is not known (None) stays None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from keras_efficient.descriptions.factors import factor_sizes, taylor_sizes
from keras_efficient.descriptions.fields import check_integer, check_size, required
from keras_efficient.descriptions.windows import (
    read_signal_window,
    read_window,
    refuse_what_is_not_modelled,
    window_output_size,
)
from keras_efficient.kinds.roles import TRAINING_ONLY

Shape = tuple  # of int | None


def output_shape(spec: Any, input_shape: Shape) -> Shape:
    """The output shape of a `LayerSpec` (anything with `class_name` and `config`).

    Raises KeyError for a class that `SHAPES` does not hold, and ValueError for a configuration or
    an input shape that the layer cannot work with. A size of the result may be 0 or less: the
    window did not fit.
    """
    return SHAPES[spec.class_name](spec.config, tuple(input_shape))


def require_image(input_shape: Shape) -> Shape:
    if len(input_shape) != 3:
        raise ValueError(f"the layer needs an input (rows, columns, channels). Received: {input_shape}")
    return input_shape


def require_signal(input_shape: Shape) -> Shape:
    if len(input_shape) != 2:
        raise ValueError(f"the layer needs an input (steps, channels). Received: {input_shape}")
    return input_shape


def slide_along(input_shape: Shape, window: int, stride: int, padding: str) -> int | None:
    """The steps that a window leaves of a signal."""
    return window_output_size(require_signal(input_shape)[0], window, stride, padding)


def slide_window(input_shape: Shape, window: tuple, strides: tuple, padding: str) -> tuple:
    """(rows, columns) that a window leaves of an image."""
    sizes = require_image(input_shape)[:2]
    return tuple(window_output_size(*axis, padding) for axis in zip(sizes, window, strides, strict=True))


def unchanged_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    return input_shape


def image_unchanged_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    return require_image(input_shape)


def dense_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    if not input_shape:
        raise ValueError("the layer needs an input (features,). Received: ()")
    return (*input_shape[:-1], check_size(required(config, "units"), "units"))


def factored_dense_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    """Of the dense layers with Kronecker factors, whose sizes must divide."""
    shape = dense_shape(config, input_shape)
    if input_shape[-1] is not None:
        factor_sizes(shape[-1], input_shape[-1], config.get("p"), config.get("q"))
    return shape


def taylor_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    shape = dense_shape(config, input_shape)
    if input_shape[-1] is not None:
        settings = {key: config[key] for key in ("order", "layout") if key in config}
        taylor_sizes(shape[-1], input_shape[-1], config.get("p"), config.get("q"), **settings)
    return shape


def factored_convolution_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    shape = convolution_shape(config, input_shape)
    if input_shape[-1] is not None:
        factor_sizes(shape[-1], input_shape[-1], config.get("p"), config.get("q"))
    return shape


def grouped_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    """Of the square layers of equal groups: `groups` divides the inputs."""
    groups = check_size(config.get("groups", 1), "groups")
    if not input_shape or (input_shape[-1] is not None and input_shape[-1] % groups):
        raise ValueError(f"groups={groups} must divide the inputs. Received: {input_shape}")
    return input_shape


def acdc_convolution_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    """Of a convolution that is 1x1 where its configuration does not say; its groups need not divide anything."""
    return convolution_shape({"kernel_size": 1, **config, "groups": 1}, input_shape)


def convolution_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    sizes = slide_window(input_shape, *read_window(config, "kernel_size"))
    return (*sizes, read_filters(config, input_shape))


def read_filters(config: Mapping[str, Any], input_shape: Shape) -> int:
    """The filters of a convolution, whose `groups` divide them and the channels."""
    filters = check_size(required(config, "filters"), "filters")
    groups = check_size(config.get("groups", 1), "groups")
    if filters % groups or (input_shape[-1] is not None and input_shape[-1] % groups):
        raise ValueError(
            f"groups must divide the {input_shape[-1]} channels and the {filters} filters. Received: groups={groups}"
        )
    return filters


def depthwise_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    multiplier = check_size(config.get("depth_multiplier", 1), "depth_multiplier")
    sizes = slide_window(input_shape, *read_window(config, "kernel_size"))
    channels = input_shape[2]
    return (*sizes, None if channels is None else channels * multiplier)


def signal_convolution_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    """Of a convolution along (steps, channels)."""
    steps = slide_along(input_shape, *read_signal_window(config, "kernel_size"))
    return (steps, read_filters(config, input_shape))


def mean_pooling_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    """Of pooling over images or signals."""
    return signal_pooling_shape(config, input_shape) if len(input_shape) == 2 else pooling_shape(config, input_shape)


def signal_pooling_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    return (slide_along(input_shape, *read_signal_window(config, "pool_size", default=2)), input_shape[1])


def pooling_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    return (
        *slide_window(input_shape, *read_window(config, "pool_size", default=2)),
        input_shape[2],
    )


def global_pooling_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    refuse_what_is_not_modelled(config)
    channels = require_image(input_shape)[2]
    return (1, 1, channels) if config.get("keepdims") else (channels,)


def global_signal_pooling_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    refuse_what_is_not_modelled(config)
    channels = require_signal(input_shape)[1]
    return (1, channels) if config.get("keepdims") else (channels,)


def global_mean_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    return (global_signal_pooling_shape if len(input_shape) == 2 else global_pooling_shape)(config, input_shape)


def flatten_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    return (None,) if None in input_shape else (math.prod(input_shape),)


def reshape_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    """One size of `target_shape` may be -1: it takes what the other sizes leave."""
    target = required(config, "target_shape")
    if not isinstance(target, (list, tuple)):
        raise ValueError(f"target_shape must be a list of integers. Received: {target!r}")
    target = tuple(check_integer(size, "target_shape") for size in target)
    if None in input_shape:
        return tuple(None if size == -1 else size for size in target)
    cells, given = math.prod(input_shape), math.prod(size for size in target if size != -1)
    if target.count(-1) == 1 and given > 0 and cells % given == 0:
        target = tuple(cells // given if size == -1 else size for size in target)
    if min(target, default=1) < 1 or math.prod(target) != cells:
        raise ValueError(f"target_shape {target} does not hold the {cells} numbers of the input {input_shape}")
    return target


def zero_padding_shape(config: Mapping[str, Any], input_shape: Shape) -> Shape:
    rows, columns, channels = require_image(input_shape)
    (top, bottom), (left, right) = read_border(config.get("padding", 1))
    return widened(rows, top + bottom), widened(columns, left + right), channels


def widened(size: int | None, border: int) -> int | None:
    return None if size is None else size + border


def read_border(padding: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Padding as Keras writes it: n, (rows, columns) or ((top, bottom), (left, right))."""
    sides = padding if isinstance(padding, (list, tuple)) else (padding, padding)
    pairs = [tuple(side) if isinstance(side, (list, tuple)) else (side, side) for side in sides]
    if len(pairs) != 2 or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"padding must be n, (rows, columns) or ((top, bottom), (left, right)). Received: {padding!r}")
    top, bottom, left, right = (check_integer(size, "padding") for pair in pairs for size in pair)
    if min(top, bottom, left, right) < 0:
        raise ValueError(f"padding must be at least 0. Received: {padding!r}")
    return (top, bottom), (left, right)


SHAPES: dict[str, Callable[[Mapping[str, Any], Shape], Shape]] = {
    "DenseQ": dense_shape,
    "Dense": dense_shape,
    "LowRankDense": dense_shape,
    "ACDC": grouped_shape,
    "AFDF": unchanged_shape,
    **dict.fromkeys(("BlockACDC", "BlockAFDF"), lambda config, shape: grouped_shape({"groups": 2, **config}, shape)),
    **dict.fromkeys(("ACDCDense", "GroupedShuffleDense"), dense_shape),
    "ACDCConv2D": acdc_convolution_shape,
    **dict.fromkeys(("PHMDense", "LPHMDense", "DualLPHMDense"), factored_dense_shape),
    "TaylorDualLPHM": taylor_shape,
    "PHMConv2D": factored_convolution_shape,
    "RandomBasisDense": dense_shape,
    "RandomBasisConv2D": convolution_shape,
    "ConvQ": convolution_shape,
    **dict.fromkeys(("Conv1DQ", "Conv1D"), signal_convolution_shape),
    "MeanPoolingQ": mean_pooling_shape,
    "GlobalMeanPoolingQ": global_mean_shape,
    **dict.fromkeys(("MaxPooling1D", "AveragePooling1D"), signal_pooling_shape),
    **dict.fromkeys(("GlobalMaxPooling1D", "GlobalAveragePooling1D"), global_signal_pooling_shape),
    "Conv2D": convolution_shape,
    "SeparableConv2D": convolution_shape,
    "DepthwiseConvQ": depthwise_shape,
    "DepthwiseConv2D": depthwise_shape,
    "ResidualQ": image_unchanged_shape,
    "AveragePoolingQ": pooling_shape,
    "AveragePooling2D": pooling_shape,
    "MaxPooling2D": pooling_shape,
    "GlobalAveragePooling2D": global_pooling_shape,
    "GlobalMaxPooling2D": global_pooling_shape,
    "Flatten": flatten_shape,
    "Reshape": reshape_shape,
    "ZeroPadding2D": zero_padding_shape,
    **dict.fromkeys(
        (
            *TRAINING_ONLY,
            "InputLayer",
            "ActivationQ",
            "InputQ",
            "Activation",
            "ReLU",
            "LeakyReLU",
            "Softmax",
            "BatchNormalization",
            "LayerNormalization",
            "Rescaling",
        ),
        unchanged_shape,
    ),
    "SpatialDropout2D": image_unchanged_shape,
}
