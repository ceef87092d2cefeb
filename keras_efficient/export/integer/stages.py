"""A layer made of small factors, as the operations that `kinds.stages` names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.context import Context
from keras_efficient.export.integer.grids import KernelCodes, UnsupportedLayerError, kernel_codes
from keras_efficient.export.integer.operations import IntegerMap, Move, Operation, Scale
from keras_efficient.export.integer.products import Bias, make_convolution, read_bias
from keras_efficient.export.integer.windows import Window
from keras_efficient.kinds.measures import Shape, as_image
from keras_efficient.kinds.stages import ONE_BITS, Stage
from keras_efficient.kinds.windows import ONE_PLACE, Slide
from keras_efficient.layers.quantized.quantizer import Quantizer
from keras_efficient.quantization.own_model.float_layers import WIDTHS
from keras_efficient.reading.network import Call

LINEAR = keras.activations.linear


def read_stages(call: Call, layer: Any, sources: list[IntegerMap], context: Context) -> list[Operation]:
    """All operations of a layer. In a chain what reads a map in another shape renames it first."""
    (source,) = sources
    stages = stages_of(call, layer)
    grids = [*layer.inner_quantizers, layer.activation_quantizer]
    shape = as_image(call.node.outputs[0].shape)
    reader = _StageReader(layer, context)
    last = max(number for number, stage in enumerate(stages) if stage.computes)
    for number, stage in enumerate(stages):
        source = reader.viewed(source, stage)
        if not stage.computes:
            source = reader.move(source, stage)
            continue
        quantizer = grids.pop(0)
        source = reader.compute(source, stage, quantizer, context if number == last else Context(), number == last)
    if not context.is_last:
        reader.renamed(source, shape)
    return reader.operations


def stages_of(call: Call, layer: Any) -> tuple[Stage, ...]:
    """The stages of a layer over its input, or why it has none."""
    assert call.kind.stages is not None
    missing = [name for name in WIDTHS if getattr(layer, name) is None]
    if missing and not (missing == ["bias_bits"] and layer.bias is None):
        raise UnsupportedLayerError(layer.name, f"it computes without {', '.join(missing)}")
    shape: Shape = call.node.data[0].shape
    if None in shape:
        raise UnsupportedLayerError(layer.name, f"maps are of known sizes. Received: {shape}")
    stages = call.kind.stages(call.config, shape)
    if not stages or not layer.inner_quantizers:
        raise UnsupportedLayerError(layer.name, layer.why_no_stages)
    return stages


class _StageReader:
    """The operations of a layer so far."""

    def __init__(self, layer: Any, context: Context):
        self.layer, self.context = layer, context
        self.operations: list[Operation] = []

    def viewed(self, source: IntegerMap, stage: Stage) -> IntegerMap:
        """The map that a stage reads. A product with all of a map takes it as it is."""
        if takes_all(stage) and source.shape[:2] != (1, 1) and not self.context.in_graph:
            return source
        return self.renamed(source, stage.source)

    def renamed(self, source: IntegerMap, shape: tuple[int, int, int]) -> IntegerMap:
        if source.shape == shape:
            return source
        target = IntegerMap(shape, source.codes)
        if not self.context.in_graph:  # there all maps lie by rows
            self.operations.append(Move(self.layer.name, source, target, None))
        return target

    def move(self, source: IntegerMap, stage: Stage) -> IntegerMap:
        move = Move(self.layer.name, source, IntegerMap(stage.target, source.codes), stage.ways)
        if source.codes.midrise and (move.cells < 0).any():
            raise UnsupportedLayerError(
                self.layer.name, "grids of one or two signed bits have no zero, which it adds between its groups"
            )
        self.operations.append(move)
        return move.target

    def compute(
        self, source: IntegerMap, stage: Stage, quantizer: Quantizer, context: Context, is_end: bool
    ) -> IntegerMap:
        """`is_end`: it makes the outputs."""
        activation = self.layer.activation if is_end else LINEAR
        bias = self.bias_of(stage) if is_end else None
        if stage.form == "Scale":
            operation = self.scale(source, stage, quantizer, bias, activation, context)
        else:
            window = Window(stage.source[:2], stage.target[:2], stage.slide)
            if takes_all(stage):
                window = Window(source.shape[:2], (1, 1), Slide(source.shape[:2], (1, 1), "valid"))
            kernel = self.kernel(stage).reshaped(*window.sizes, source.shape[2], stage.target[2])
            operation = make_convolution(
                self.layer, source, stage.target, window, kernel, bias, quantizer, activation, context
            )
        self.operations.append(operation)
        return operation.target

    def scale(self, source, stage, quantizer, bias, activation, context) -> Scale:
        """A number, and a bias, for each channel; those that are 1 have one bit."""
        channels = source.shape[2]
        if stage.factor is None:
            ones = np.ones((1, 1, 1, channels), np.int64)
            kernel = KernelCodes(ones, Codes(ONE_BITS, True, 0), None, False)
        else:
            kernel = replace(self.kernel(stage).reshaped(1, 1, 1, channels), pruned=False)
        window = Window(source.shape[:2], source.shape[:2], ONE_PLACE)
        places = make_convolution(
            self.layer, source, source.shape, window, kernel, bias, quantizer, activation, context
        )
        places = replace(places, groups=channels, depthwise=True)
        return Scale(self.layer.name, source, places.target, places)

    def kernel(self, stage: Stage) -> KernelCodes:
        codes = kernel_codes(self.layer, self.layer.factor_quantizers[stage.factor])
        return replace(codes, integers=stage.kernel(codes.integers))

    def bias_of(self, stage: Stage) -> Bias | None:
        """The bias in the order of the channels."""
        bias = read_bias(self.layer, self.layer.bias_quantizer)
        if bias is None or not stage.sizes:
            return bias
        return bias._replace(integers=bias.integers.reshape(stage.sizes).transpose(stage.axes).ravel())


def takes_all(stage: Stage) -> bool:
    """Whether a product reads each number of a map for each number that it makes."""
    return stage.form == "Convolution" and stage.source[:2] == stage.target[:2] == (1, 1)
