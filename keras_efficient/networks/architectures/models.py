"""The reference architectures as Keras models."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_efficient.checks import integer
from keras_efficient.kinds.fields import check_size
from keras_efficient.layers import ACDCConv2D
from keras_efficient.networks.architectures.keras_builder import KerasBuilder, depthwise_normal
from keras_efficient.networks.build import add_head
from keras_efficient.storage.architectures import check_image_shape, drawings, find_architecture
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


SHAPE = (32, 32, 3)


def build_architecture(
    name: str, input_shape: Sequence[int] = SHAPE, classes: int = 10, softmax: bool = True
) -> keras.Model:
    """The Keras model of a name that `storage.architecture_cost` prices, such as "wrn_28_10_acdc".

    Its trainable numbers are the parameters of `architecture_cost(name)`.

    Args:
        name: See `storage.architecture_cost`.
        input_shape: Shape of an image: (rows, columns, channels).
        classes: Number of outputs.
        softmax: Whether to end with a softmax; without it the outputs are logits.

    Raises:
        ValueError: For an unknown name, or a wrong shape or number of classes.
    """
    draw, replacement = find_architecture(name)
    convolution = {None: None, "acdc": acdc_convolution(), "g8b2": bottleneck_convolution()}[replacement]
    return _model(draw, name, input_shape, classes, convolution, softmax)


def wide_resnet(
    depth: int,
    widen_factor: int,
    input_shape: Sequence[int] = SHAPE,
    classes: int = 10,
    convolution: Callable | None = None,
    softmax: bool = True,
) -> keras.Model:
    """WRN(depth, widen factor): (depth - 4) / 6 blocks of two 3x3 convolutions in each of three stages.

    Its first convolution and those of its shortcuts stay.

    Source: Zagoruyko & Komodakis, "Wide Residual Networks", 2016.

    Args:
        depth: 6 n + 4 with n of at least 1, such as 16, 28 or 40.
        widen_factor: Channels of the stages are 16, 32 and 64 times this.
        input_shape, classes, softmax: See `build_architecture`.
        convolution: What takes the place of the replaceable convolutions: None keeps them, else a
            function of filters, kernel_size and the keywords strides, padding and name that
            returns a layer, such as `acdc_convolution()`, `bottleneck_convolution()` or a class:
            `keras_efficient.ACDCConv2D`, `keras.layers.SeparableConv2D`.

    Raises:
        ValueError: For a wrong depth, factor, shape or number of classes.

    Example:

    >>> model = wide_resnet(16, 2, convolution=acdc_convolution(depth=4))
    """
    depth, widen_factor = integer(depth, "depth"), integer(widen_factor, "widen_factor", 1)
    draw, _ = find_architecture(name := f"wrn_{depth}_{widen_factor}")
    return _model(draw, name, input_shape, classes, convolution, softmax)


def resnet18(
    input_shape: Sequence[int] = SHAPE, classes: int = 10, convolution: Callable | None = None, softmax: bool = True
) -> keras.Model:
    """ResNet18 for small images: a 3x3 convolution and eight blocks of two.

    All convolutions but the first are replaceable.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2016.

    Arguments as in `wide_resnet`.
    """
    return _model(drawings.resnet18, "resnet18", input_shape, classes, convolution, softmax)


def resnet8(
    input_shape: Sequence[int] = SHAPE, classes: int = 10, convolution: Callable | None = None, softmax: bool = True
) -> keras.Model:
    """ResNet-8, MLPerf Tiny's network for CIFAR-10: a 3x3 convolution and three blocks of two, 16, 32 and 64 filters.

    With x the input of a block, F its 3x3 convolutions with biases, N batch normalizations:

        y = relu(s(x) + N(F(relu(N(F(x))))))        s: a 1x1 convolution with strides 2 in the last two, else x

    78,666 numbers on the default shape, 78,186 of which train; 12.5 million multiply-adds. All
    convolutions but the first are replaceable. MLPerf Tiny trains with a decay of 1e-4 on the kernels, which
    is left to the optimizer, and normalizes with the momentum and epsilon of Keras (here 0.9 and 1e-5).

    Source: Banbury et al., "MLPerf Tiny Benchmark", 2021: `resnet_v1_eembc` of github.com/mlcommons/tiny.

    Arguments as in `wide_resnet`.

    Example:

    >>> model = resnet8()
    >>> small = ke.quantize_model(model, kernel_bits=4, activation_bits=4, x=x_train[:256])
    >>> ke.estimate_storage(small).activation_bytes
    """
    return _model(drawings.resnet8, "resnet8", input_shape, classes, convolution, softmax)


def mobilenet(
    input_shape: Sequence[int] = SHAPE, classes: int = 10, convolution: Callable | None = None, softmax: bool = True
) -> keras.Model:
    """MobileNet for small images (the first convolution has no strides): 13 depthwise convolutions, each before a 1x1.

    The 1x1 convolutions are replaceable.

    Source: Howard et al., "MobileNets", 2017.

    Arguments as in `wide_resnet`.
    """
    return _model(drawings.mobilenet, "mobilenet", input_shape, classes, convolution, softmax)


def mobilenet_v2(
    input_shape: Sequence[int] = SHAPE, classes: int = 10, convolution: Callable | None = None, softmax: bool = True
) -> keras.Model:
    """MobileNetV2 for small images (the first convolution and the second stage have no strides), 17 inverted blocks.

    The 1x1 convolutions that expand are replaceable, and the last one.

    Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018.

    Arguments as in `wide_resnet`.
    """
    return _model(drawings.mobilenet_v2, "mobilenet_v2", input_shape, classes, convolution, softmax)


def tiny_convnet(
    input_shape: Sequence[int] = SHAPE, classes: int = 10, convolution: Callable | None = None, softmax: bool = True
) -> keras.Model:
    """The research log's small network: seven 3x3 and two 1x1 convolutions of 24 and 48 filters.

    All of them are replaceable.

    Arguments as in `wide_resnet`.
    """
    return _model(drawings.tiny_convnet, "tiny_convnet", input_shape, classes, convolution, softmax)


def _model(draw, name, input_shape, classes, convolution, softmax):
    inputs = keras.Input(check_image_shape(input_shape), name="input")
    outputs = draw(KerasBuilder(convolution), inputs, classes=check_size(classes, "classes"))
    outputs = add_head(outputs, "softmax" if softmax else "linear")
    return keras.Model(inputs, outputs, name=name)
