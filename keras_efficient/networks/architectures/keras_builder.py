"""Makes Keras layers of an architecture's drawing."""

import math
from collections import Counter
from collections.abc import Callable

import keras
from keras import layers

from keras_efficient.reading import read_model
from keras_efficient.storage.architectures import ArchitectureBuilder
from keras_efficient.type_aliases import Tensor


class KerasBuilder(ArchitectureBuilder):
    """A builder whose maps are Keras tensors, channels last.

    Layers are named by their kind and a number, the same in every process.

    Args:
        convolution: Makes a layer (or function of a tensor) from filters, kernel_size and the
            keywords strides, padding and name, for each replaceable convolution; None keeps it.
        prefix: Of all names.
    """

    def __init__(self, convolution: Callable | None = None, prefix: str = ""):
        self._convolution = convolution
        self._prefix = prefix
        self._numbers: Counter[str] = Counter()

    def channels(self, x: Tensor) -> int:
        return x.shape[-1]

    def convolution(
        self, x: Tensor, filters: int, kernel_size: int = 1, strides: int = 1, groups: int = 1, use_bias: bool = False
    ) -> Tensor:
        return layers.Conv2D(
            filters,
            kernel_size,
            strides,
            "same",
            groups=groups,
            use_bias=use_bias,
            kernel_initializer="he_normal",
            name=self._name("conv"),
        )(x)

    def replaceable(
        self, x: Tensor, filters: int, kernel_size: int = 1, strides: int = 1, use_bias: bool = False
    ) -> Tensor:
        if self._convolution is None:
            return self.convolution(x, filters, kernel_size, strides, use_bias=use_bias)
        place = {"strides": strides, "padding": "same", "name": self._name("replaced_conv")}
        return self._convolution(filters, kernel_size, **place)(x)

    def depthwise(self, x: Tensor, kernel_size: int = 3, strides: int = 1) -> Tensor:
        return layers.DepthwiseConv2D(
            kernel_size,
            strides,
            "same",
            use_bias=False,
            depthwise_initializer=depthwise_normal(kernel_size),
            name=self._name("depthwise_conv"),
        )(x)

    def normalized(self, x: Tensor) -> Tensor:
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=self._name("normalization"))(x)

    def relu(self, x: Tensor, counted: bool = True) -> Tensor:
        return layers.ReLU(name=self._name("relu"))(x)

    def added(self, x: Tensor, y: Tensor) -> Tensor:
        return layers.Add(name=self._name("add"))([x, y])

    def stage(self, x: Tensor) -> Tensor:
        return layers.Activation("linear", name=self._name("stage"))(x)

    def classified(self, x: Tensor, classes: int, counted: bool = False) -> Tensor:
        x = layers.GlobalAveragePooling2D(name=self._name("average"))(x)
        return layers.Dense(classes, name=self._name("logits"))(x)

    def _name(self, kind):
        self._numbers[kind] += 1
        return f"{self._prefix}{kind}_{self._numbers[kind]}"


def depthwise_normal(kernel_size: int) -> keras.initializers.Initializer:
    """He's normal distribution for a depthwise kernel: an output has kernel_size^2 inputs.

    Keras's own initializers take the channels for inputs, too, and the signal would fade.
    """
    return keras.initializers.RandomNormal(0.0, math.sqrt(2) / kernel_size)


def stage_names(model: keras.Model) -> list[str]:
    """The layers that end the stages of a reference architecture, in order."""
    return [node.name for node in read_model(model, inner=False).operations if node.name.startswith("stage_")]
