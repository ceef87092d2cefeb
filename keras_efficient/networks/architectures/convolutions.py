"""What may take the place of the replaceable convolutions of a reference architecture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_efficient.layers import ACDCConv2D
from keras_efficient.networks.architectures.keras_builder import KerasBuilder, depthwise_normal
from keras_efficient.storage.architectures.drawings import grouped_bottleneck
from keras_efficient.type_aliases import Activation


def acdc_convolution(
    depth: int = 12,
    permutation: str | None = "riffle",
    activation: Activation = None,
    bias: str | None = None,
    **arguments: Any,
) -> Callable:
    """`ACDCConv2D` as the research log puts it into networks: a linear stack of twelve, without biases.

    Args:
        depth, permutation, activation, bias: See `ACDCConv2D`.
        **arguments: Further arguments of it, such as `transform`, `kernel_bits` or `algorithm`.

    Returns:
        A function for the argument `convolution` of a reference architecture.
    """
    stack = {"depth": depth, "permutation": permutation, "activation": activation, "bias": bias}

    def make(filters, kernel_size, **place):
        initial = {"depthwise_initializer": depthwise_normal(kernel_size)}
        return ACDCConv2D(filters, kernel_size, **{**initial, **stack, **arguments, **place})

    return make


def bottleneck_convolution(group_size: int = 8, reduction: int = 2) -> Callable:
    """A 1x1 convolution to filters / reduction channels, a grouped one, and a 1x1 convolution back.

    Between them are normalizations and relu. The defaults are the "G8B2" of the research log.
    Source: Crowley, Gray & Storkey, "Moonshine: Distilling with Cheap Convolutions", 2018.

    Args:
        group_size: Channels of a group.
        reduction: The filters divided by the channels in between.

    Returns:
        A function for the argument `convolution` of a reference architecture.
    """

    def make(filters, kernel_size, strides, padding, name):
        builder = KerasBuilder(prefix=f"{name}_")
        return lambda x: grouped_bottleneck(builder, x, filters, kernel_size, strides, group_size, reduction)

    return make
