"""A layer made of small factors, as the operations that `kinds.stages` names."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.grids import Context, KernelCodes, UnsupportedLayerError, kernel_codes
from keras_efficient.export.integer.operations import Convolution, IntegerMap, Move, Operation, Scale
from keras_efficient.export.integer.products import make_convolution, make_move, read_bias
from keras_efficient.export.integer.windows import Window
from keras_efficient.kinds.cosine import MATRIX_BITS
from keras_efficient.kinds.measures import Shape, as_image
from keras_efficient.kinds.stages import ONE_BITS, ProductStage
from keras_efficient.kinds.windows import ONE_PLACE, Slide
from keras_efficient.quantization.own_model.float_layers import WIDTHS
from keras_efficient.reading.network import Call

LINEAR = keras.activations.linear


def read_stages(call: Call, layer: Any, sources: list[IntegerMap], context: Context) -> list[Operation]:
    """All operations of a layer. In a chain what reads a map in another shape renames it first."""
    (source,), stages = sources, _stages_of(call, layer)
    reader = _StageReader(layer, context)
    for stage in stages:
        as_it_is = stage.takes_all and source.shape[:2] != (1, 1) and not reader.context.in_graph
        source = reader.read(source if as_it_is else reader.renamed(source, stage.source), stage)
    if not context.is_last:
        reader.renamed(source, as_image(call.node.outputs[0].shape))
    return reader.operations


def _stages_of(call: Call, layer: Any) -> tuple[ProductStage, ...]:
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
        self.grids = {
            "inner": iter(layer.inner_quantizers),
            "between": iter(layer.output_quantizers[:-1]),
            "output": iter(layer.output_quantizers[-1:]),
        }

    def renamed(self, source: IntegerMap, shape: tuple[int, int, int]) -> IntegerMap:
        if source.shape == shape:
            return source
        target = IntegerMap(shape, source.codes)
        if not self.context.in_graph:  # there all maps lie by rows
            self.operations.append(Move(self.layer.name, source, target, None, part=("move",)))
        return target

    def read(self, source: IntegerMap, stage: ProductStage) -> IntegerMap:
        make = {"Move": self.move, "Scale": self.scale, "Convolution": self.convolution}[stage.form]
        self.operations.append(make(source, stage))
        return self.operations[-1].target

    def move(self, source: IntegerMap, stage: ProductStage) -> Move:
        return make_move(self.layer.name, source, stage.target, stage.ways, part=("move",))

    def convolution(self, source: IntegerMap, stage: ProductStage) -> Convolution:
        window = Window(stage.source[:2], stage.target[:2], stage.slide)
        if stage.takes_all:
            window = Window(source.shape[:2], (1, 1), Slide(source.shape[:2], (1, 1), "valid"))
        kernel = self.kernel(stage)
        channels = source.shape[2] if stage.reads_all_channels else stage.channels
        made = self.make(source, stage, window, kernel.reshaped(*window.sizes, channels, stage.target[2]))
        groups = source.shape[2] if stage.depthwise else stage.groups
        return replace(made, groups=groups, depthwise=stage.depthwise)

    def scale(self, source: IntegerMap, stage: ProductStage) -> Scale:
        """A number, and a bias, for each channel; those that are 1 have one bit. Pruning makes no zeros among them."""
        channels = source.shape[2]
        if stage.adds_only:
            kernel = KernelCodes(np.ones((1, 1, 1, channels), np.int64), Codes(ONE_BITS, True, 0), None, False)
        else:
            codes = kernel_codes(self.layer, self.layer.factor_quantizers[stage.factor])
            integers = self.ordered(codes.integers, stage).reshape(1, 1, 1, channels)
            kernel = replace(codes, integers=integers, pruned=False)
        window = Window(source.shape[:2], source.shape[:2], ONE_PLACE)
        places = replace(self.make(source, stage, window, kernel), groups=channels, depthwise=True)
        return Scale(self.layer.name, source, places.target, places, part=stage.part)

    def make(self, source: IntegerMap, stage: ProductStage, window: Window, kernel: KernelCodes) -> Convolution:
        is_end, bias = stage.grid == "output", None
        if stage.has_bias and (bias := read_bias(self.layer, self.layer.bias_quantizer)) is not None:
            bias = bias._replace(integers=self.ordered(bias.integers, stage))
        activation = {"output": self.layer.output_activation, "between": self.layer.activation}.get(stage.grid, LINEAR)
        context = self.context if is_end else Context()
        grid = next(self.grids[stage.grid])
        made = make_convolution(self.layer, source, stage.target, window, kernel, bias, grid, activation, context)
        return replace(made, part=stage.part)

    def kernel(self, stage: ProductStage) -> KernelCodes:
        if stage.matrix is None:
            codes = kernel_codes(self.layer, self.layer.factor_quantizers[stage.factor])
            return replace(codes, integers=stage.kernel(codes.integers))
        order = self.layer.stack.permutation_of(stage.row) if stage.matrix.permuted else None
        return KernelCodes(
            stage.matrix.integers(order), Codes(MATRIX_BITS, True, stage.matrix.exponent), None, pruned=False
        )

    def ordered(self, integers: np.ndarray, stage: ProductStage) -> np.ndarray:
        """A scale or bias in the order of the channels."""
        numbers = integers.ravel()
        if stage.row is not None:
            numbers = numbers.reshape(self.layer.stack.depth, -1)[stage.row]
        if stage.permuted:
            return numbers[self.layer.stack.permutation_of(stage.row)]
        return numbers[list(stage.order)] if stage.order else numbers
