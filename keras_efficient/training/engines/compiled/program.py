"""From a Keras model to the operations of step.c."""

import ctypes
import math
from typing import Any

import keras
import numpy as np

from keras_efficient import layers
from keras_efficient.kinds.measures import as_image
from keras_efficient.kinds.windows import Slide
from keras_efficient.ops.quantize import code_range
from keras_efficient.reading.read import read_model
from keras_efficient.training.engines.compiled import structures as c

_NONE = -1


class NotSupportedError(ValueError):
    """Something the compiled step cannot compute; the message names it."""


def chain_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a model in which each is fed by the one before."""
    graph = read_model(model)
    values = [*graph.inputs, *(value for node in graph.nodes for value in node.outputs)]
    if [node.inputs for node in graph.nodes] != [(value,) for value in values[:-1]] or len(graph.inputs) > 1:
        raise NotSupportedError("a model that is no chain of layers")
    return [node.operation for node in graph.nodes]


class ChainProgram:
    """The operations of a chain of layers, of a model that `support.check_model` accepts. Its softmax belongs to the
    loss.

    `variables` are the layers' weights, one after the other the parameters of step.c; `dropouts` are pairs of a
    dropout layer and its operation.
    """

    def __init__(self, model: keras.Model):
        self.operations: list[c.COperation] = []
        self.grids: list[c.CGrid] = []
        self.folds: list[c.Fold] = []
        self.dropouts: list[tuple[keras.layers.Dropout, int]] = []
        self.cells: list[int] = []
        self.gradients: list[int] = []
        self.places: dict[int, tuple[keras.Variable, int]] = {}
        self.size = 0
        shape = tuple(model.input_shape[1:])
        self.shape = as_image(shape)
        self.tensor = self._add_tensor(self.shape, _NONE)
        for layer in chain_layers(model):
            for variable in layer.weights:
                self.places[id(variable)] = (variable, self.size)
                self.size += int(np.prod(variable.shape))
            READERS[type(layer)](self, layer)

    @property
    def variables(self) -> list[keras.Variable]:
        """All weights of the layers, in the order of the parameters."""
        return [variable for variable, _ in self.places.values()]

    @property
    def products(self) -> int:
        """How many a sample takes."""
        sizes = ("out_rows", "out_columns", "out_channels", "window_rows", "window_columns", "channels")
        convolutions = [each for each in self.operations if each.kind == c.CONVOLUTION]
        return sum(math.prod(getattr(each, size) for size in sizes) // each.groups for each in convolutions)

    def network(self) -> c.CNetwork:
        """The program as a struct; it lives as long as the result does."""
        arrays: dict[str, ctypes.Array] = {
            "operation": (c.COperation * len(self.operations))(*self.operations),
            "grid": (c.CGrid * max(len(self.grids), 1))(*self.grids),
            "fold": (c.Fold * max(len(self.folds), 1))(*self.folds),
            "cells": (ctypes.c_int32 * len(self.cells))(*self.cells),
            "gradient": (ctypes.c_int32 * len(self.cells))(*self.gradients),
        }
        network = c.CNetwork(len(self.operations), len(self.grids), len(self.folds), len(self.cells), self.size)
        for name, array in arrays.items():
            setattr(network, name, ctypes.addressof(array))
        network.arrays = arrays
        return network

    def _place_of(self, variable):
        return _NONE if variable is None else self.places[id(variable)][1]

    def _add_tensor(self, shape, gradient=None):
        """A new tensor; its gradient is its own unless one to share is given."""
        self.cells.append(int(np.prod(shape)))
        self.gradients.append(len(self.gradients) if gradient is None else gradient)
        return len(self.cells) - 1

    def _append(self, kind, out_shape, gradient=None, **fields):
        """Add an operation from the current tensor to a new one, which becomes the current one."""
        output = self._add_tensor(out_shape, gradient)
        sizes = dict(zip(("rows", "columns", "channels"), self.shape, strict=True))
        out_sizes = dict(zip(("out_rows", "out_columns", "out_channels"), out_shape, strict=True))
        fields = {"skip": _NONE, "grid": _NONE, "bias": _NONE, "groups": 1, **fields}
        operation = c.COperation(kind=kind, input=self.tensor, output=output, **sizes, **out_sizes, **fields)
        self.operations.append(operation)
        self.tensor, self.shape = output, tuple(out_shape)
        return operation

    def _add_grid(self, bits, signed, scale, floor=False, first=0, count=0, channels=1):
        low, high = code_range(bits, signed)
        rounding = c.FLOOR if floor else c.MID_RISE if signed and bits <= 2 else c.NEAREST
        resolution = 2 ** (bits - 1) if signed else 2**bits
        self.grids.append(c.CGrid(rounding, first, count, scale, channels, low, high, resolution))
        return len(self.grids) - 1

    def _add_weight_grid(self, layer, quantizer):
        if layer.current_mode.quantized:
            first, scale = map(self._place_of, (quantizer.weight, quantizer.scale))
            count, channels = (int(np.prod(variable.shape)) for variable in (quantizer.weight, quantizer.scale))
            self._add_grid(quantizer.bits, quantizer.signed, scale, first=first, count=count, channels=channels)

    def _activation(self, layer, quantizer=None, relu=False):
        """Relu and output quantizer, where there is any of them."""
        quantized = quantizer is not None and layer.current_mode.quantized
        if not (quantized or relu):
            return
        grid = _NONE
        if quantized:
            grid = self._add_grid(quantizer.bits, quantizer.signed, self._place_of(quantizer.scale))
        self._share_gradient(c.ACTIVATION, relu=relu, grid=grid)

    def _share_gradient(self, kind, **fields):
        """An operation on each cell, which turns the gradient of its output into that of its input in place."""
        if self.gradients[self.tensor] == _NONE:  # nobody asks for it, but the operation needs a place
            self.gradients[self.tensor] = self.tensor
        return self._append(kind, self.shape, self.gradients[self.tensor], **fields)

    def _window(self, window, strides, padding):
        """Fields of a sliding window, and the rows and columns of its output."""
        slide = Slide(window, strides, padding)
        (top, bottom), (left, right) = slide.border(self.shape)
        names = ("window_rows", "window_columns", "row_stride", "column_stride", "top", "left")
        return dict(zip(names, (*window, *strides, top, left), strict=True)), slide.places(self.shape), (bottom, right)

    def pool(self, kind: int, window: tuple[int, int], strides: tuple[int, int], padding: str) -> None:
        fields, sizes, _ = self._window(window, strides, padding)
        self._append(kind, (*sizes, self.shape[2]), self._gradient_before(), **fields)

    def convolve(
        self,
        kernel: keras.Variable,
        bias: keras.Variable | None,
        window: tuple[int, int] = (1, 1),
        strides: tuple[int, int] = (1, 1),
        padding: str = "valid",
        outputs: int | None = None,
        depthwise: bool = False,
    ) -> None:
        fields, sizes, after = self._window(window, strides, padding)
        if fields["top"] or fields["left"] or any(after):
            (rows, columns, channels), top, left = self.shape, fields.pop("top"), fields.pop("left")
            shape = (rows + top + after[0], columns + left + after[1], channels)
            self._append(c.PAD, shape, self._gradient_before(), top=top, left=left)
        self._append(
            c.CONVOLUTION,
            (*sizes, outputs),
            groups=self.shape[2] if depthwise else 1,
            kernel=self._place_of(kernel),
            bias=self._place_of(bias),
            **fields,
        )

    def _gradient_before(self):
        """No gradient is needed where no weight comes before."""
        return _NONE if self.gradients[self.tensor] == _NONE else None

    def kernel_layer(self, layer: keras.layers.Layer, **window: Any) -> None:
        """A layer with one kernel: products, activation, quantizers."""
        for quantizer in layer.quantizers[:-1]:
            self._add_weight_grid(layer, quantizer)
        if layer.batch_norm is not None:
            # With the statistics that it has; the bias after it stands where the layer rounds it.
            norm = layer.batch_norm
            weights = (layer.bias, layer.bias_quantizer.weight, norm.gamma, norm.beta, norm.moving_mean)
            places = map(self._place_of, (*weights, norm.moving_variance))
            count, channels = (int(np.prod(variable.shape)) for variable in (layer.kernel, norm.moving_mean))
            self.folds.append(c.Fold(self._place_of(layer.kernel), count, channels, *places, norm.epsilon))
        bias = None if layer.bias_quantizer is None else layer.bias_quantizer.weight
        self.convolve(layer.kernel, bias, **window)
        self._activation(layer, layer.activation_quantizer, relu=layer.activation is keras.activations.relu)

    def residual(self, layer: keras.layers.Layer) -> None:
        block_input = self.tensor
        for number, kernel, bias in ((0, layer.kernel_1, layer.bias_1), (1, layer.kernel_2, layer.bias_2)):
            kernel_quantizer, bias_quantizer, activation_quantizer = layer.quantizers[3 * number : 3 * number + 3]
            self._add_weight_grid(layer, kernel_quantizer)
            self._add_weight_grid(layer, bias_quantizer)
            self.convolve(kernel, bias, (3, 3), padding="same", outputs=self.shape[2])
            if number:
                self._share_gradient(c.ADD, skip=block_input)
            self._activation(layer, activation_quantizer, relu=True)

    def average(self, layer: keras.layers.Layer) -> None:
        self.pool(c.AVERAGE, layer.pool_size, layer.strides, layer.padding)
        if layer.current_mode.quantized:
            grid = self._add_grid(layer.bits, signed=False, scale=_NONE, floor=True)
            self._share_gradient(c.ACTIVATION, grid=grid)

    def dropout(self, layer: keras.layers.Layer) -> None:
        if not 0 < layer.rate < 1:
            return
        threshold = int(np.ceil(layer.rate * 2**24))
        self._share_gradient(c.DROPOUT, threshold=threshold, keep=1 / (1 - layer.rate))
        self.dropouts.append((layer, len(self.operations) - 1))

    def flatten(self, layer: keras.layers.Layer) -> None:
        self.shape = (1, 1, int(np.prod(self.shape)))

    def window_layer(self, layer: keras.layers.Layer) -> None:
        depthwise = isinstance(layer, layers.DepthwiseConvQ | layers.DepthwiseConv1DQ)
        slide = layer.window
        window = {"window": slide.sizes, "strides": slide.strides, "padding": slide.padding}
        self.kernel_layer(layer, **window, outputs=layer.output_channels(self.shape[2]), depthwise=depthwise)

    def maximum(self, layer: keras.layers.Layer) -> None:
        window, strides = ((1,) * (2 - len(pair)) + pair for pair in (layer.pool_size, layer.strides))
        self.pool(c.MAXIMUM, window, strides, layer.padding)


# The layers that step.c computes, and how each becomes operations.
READERS = {
    keras.layers.Flatten: ChainProgram.flatten,
    keras.layers.Dropout: ChainProgram.dropout,
    keras.layers.Activation: lambda program, layer: program._activation(
        layer, relu=layer.activation is keras.activations.relu
    ),
    keras.layers.MaxPooling1D: ChainProgram.maximum,
    keras.layers.MaxPooling2D: ChainProgram.maximum,
    layers.AveragePoolingQ: ChainProgram.average,
    layers.ActivationQ: lambda program, layer: program._activation(layer, layer.activation_quantizer),
    layers.InputQ: lambda program, layer: program._activation(layer, layer.activation_quantizer),
    layers.DenseQ: lambda program, layer: program.kernel_layer(layer, outputs=layer.units),
    layers.ConvQ: ChainProgram.window_layer,
    layers.Conv1DQ: ChainProgram.window_layer,
    layers.DepthwiseConvQ: ChainProgram.window_layer,
    layers.DepthwiseConv1DQ: ChainProgram.window_layer,
    layers.ResidualQ: ChainProgram.residual,
}
