"""The shapes of MLPerf Tiny's four networks and of the study's, written once for Keras and for other kernels."""

import math
from dataclasses import dataclass, field, replace

import keras

WEIGHTS, BIASES = 1, 3  # seeds
INPUT = "input"
MOBILENET = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1))


@dataclass(frozen=True)
class Operation:
    """What makes a map of others. `kind`: convolution, depthwise, dense, add, average, maximum."""

    kind: str
    sources: tuple[str, ...]
    target: str
    filters: int = 0
    size: tuple[int, int] = (1, 1)
    stride: int = 1
    relu: bool = False


@dataclass
class Network:
    """A network by its shapes. `lowest`: of its inputs, which go up to 1; `logits_bits`: as `export_c` takes them."""

    name: str
    input_shape: tuple[int, ...]
    padding: str = "same"
    lowest: float = 0
    logits_bits: int = 16
    operations: list[Operation] = field(default_factory=list)

    def add(self, kind, *sources, **settings):
        """An operation after all others; the name of what it makes."""
        target = f"map{len(self.operations)}"
        self.operations.append(Operation(kind, sources, target, **settings))
        return target

    @property
    def shapes(self):
        """(rows, columns, channels) of each map."""
        shapes = {INPUT: (1,) * (3 - len(self.input_shape)) + self.input_shape}
        for operation in self.operations:
            shapes[operation.target] = self._target_shape(operation, shapes[operation.sources[0]])
        return shapes

    @property
    def output(self):
        return self.operations[-1].target

    @property
    def products(self):
        shapes = self.shapes
        return sum(self._products(each, shapes[each.sources[0]], shapes[each.target]) for each in self.operations)

    def before(self, size, window, stride):
        """Zeros in front of a row or column of `size`, as Keras pads."""
        made = self._count(size, window, stride)
        return max((made - 1) * stride + window - size, 0) // 2 if self.padding == "same" else 0

    def _count(self, size, window, stride):
        return -(-size // stride) if self.padding == "same" else (size - window) // stride + 1

    def _target_shape(self, operation, source):
        if operation.kind == "add":
            return source
        if operation.kind == "dense":
            return (1, 1, operation.filters)
        if operation.kind in ("average", "maximum"):
            return (*(size // window for size, window in zip(source, operation.size, strict=False)), source[2])
        sides = zip(source, operation.size, strict=False)
        places = (self._count(size, window, operation.stride) for size, window in sides)
        return (*places, operation.filters or source[2])

    @staticmethod
    def _products(operation, source, target):
        if operation.kind == "dense":
            return math.prod(source) * operation.filters
        channels = {"convolution": source[2], "depthwise": 1}.get(operation.kind, 0)
        return math.prod(target) * math.prod(operation.size) * channels


def resnet8():
    net = Network("resnet8", (32, 32, 3))
    x = net.add("convolution", INPUT, filters=16, size=(3, 3), relu=True)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = net.add("convolution", x, filters=filters, size=(3, 3), stride=stride, relu=True)
        y = net.add("convolution", y, filters=filters, size=(3, 3))
        if stride > 1:
            x = net.add("convolution", x, filters=filters, stride=stride)
        x = net.add("add", x, y, relu=True)
    net.add("dense", net.add("average", x, size=(8, 8)), filters=10)
    return net


def ds_cnn():
    net = Network("ds_cnn", (49, 10, 1), lowest=-1)
    x = net.add("convolution", INPUT, filters=64, size=(10, 4), stride=2, relu=True)
    for _ in range(4):
        x = net.add("depthwise", x, size=(3, 3), relu=True)
        x = net.add("convolution", x, filters=64, relu=True)
    net.add("dense", net.add("average", x, size=(25, 5)), filters=12)
    return net


def autoencoder():
    net = Network("autoencoder", (640,), lowest=-1)
    x = INPUT
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = net.add("dense", x, filters=units, relu=True)
    net.add("dense", x, filters=640)
    return net


def autoencoder_of_8_bits():
    """With outputs of 8 bits, as CMSIS-NN gives them."""
    return replace(autoencoder(), name="autoencoder_8", logits_bits=8)


def mobilenet():
    net = Network("mobilenet", (96, 96, 3))
    x = net.add("convolution", INPUT, filters=8, size=(3, 3), stride=2, relu=True)
    for filters, stride in MOBILENET:
        x = net.add("depthwise", x, size=(3, 3), stride=stride, relu=True)
        x = net.add("convolution", x, filters=filters, relu=True)
    net.add("dense", net.add("average", x, size=(3, 3)), filters=2)
    return net


def mnist():
    """The study's network, models/mnist_2kb."""
    net = Network("mnist", (28, 28, 1), padding="valid")
    x = net.add("average", INPUT, size=(2, 2))
    for filters in (5, 8, 11):
        x = net.add("convolution", x, filters=filters, size=(3, 3), relu=True)
    net.add("dense", net.add("maximum", x, size=(2, 2)), filters=10)
    return net


NETWORKS = (resnet8, ds_cnn, autoencoder, autoencoder_of_8_bits, mobilenet)


def keras_model(network, library=keras):
    """The network in the layers of a library that has Keras's interface, with random weights and biases.

    A layer has the name of the map that it makes, its relu "NAME_relu".
    """
    keras.utils.set_random_seed(WEIGHTS)
    maps = {INPUT: library.Input(network.input_shape)}
    for operation in network.operations:
        sources = [maps[name] for name in operation.sources]
        maps[operation.target] = _applied(library.layers, operation, sources, network.padding)
    return library.Model(maps[INPUT], maps[network.output])


def _applied(layers, operation, sources, padding):
    name = operation.target
    spread = {"minval": -0.1, "maxval": 0.1, "seed": BIASES}
    own = {"name": name, "bias_initializer": {"class_name": "RandomUniform", "config": spread}}
    windows = {"strides": operation.stride, "padding": padding, **own}
    if operation.kind == "add":
        made = layers.Add(name=name)(sources)
    elif operation.kind == "average":
        made = layers.AveragePooling2D(operation.size, name=name)(*sources)
    elif operation.kind == "maximum":
        made = layers.MaxPooling2D(operation.size, name=name)(*sources)
    elif operation.kind == "convolution":
        made = layers.Conv2D(operation.filters, operation.size, **windows)(*sources)
    elif operation.kind == "depthwise":
        made = layers.DepthwiseConv2D(operation.size, **windows)(*sources)
    else:
        flat = sources[0] if len(sources[0].shape) == 2 else layers.Flatten()(sources[0])
        made = layers.Dense(operation.filters, **own)(flat)
    return layers.ReLU(name=f"{name}_relu")(made) if operation.relu else made
