"""Switching the mode of a whole model."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from keras_efficient.checks import shown
from keras_efficient.copies.compiling import copy_of_optimizer
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.layers.quantized.mode import check_mode
from keras_efficient.layers.quantized.quantizer import Quantizer
from keras_efficient.reading.keras_private import layers_within
from keras_efficient.reading.read import read_model


def set_mode(model: keras.layers.Layer, mode: str) -> None:
    """Put every quantized layer of `model` into `mode`, also inside wrappers and nested models.

    A compiled model keeps its loss and metrics and gets a fresh optimizer of the same settings, as
    the weights that train are no longer the same: the scales train in `"learn_scales"` only. When
    no layer changes its mode, nothing happens.

    Args:
        model: A Keras model or layer.
        mode: `"float"`, `"learn_scales"` or `"freeze_scales"`.

    Raises:
        ValueError: If `mode` is unknown.
        Warns of a model without quantized layers, which computes in float in every mode.
    """
    check_mode(mode)
    if mode != "float" and not quantized_layers(model):
        warnings.warn(
            f"No layer of {shown(model)} is quantized: the mode changes nothing. keras_efficient.quantize_model makes "
            "quantized layers",
            stacklevel=2,
        )
    change_mode(model, mode)


def change_mode(model: keras.layers.Layer, mode: str) -> None:
    """`set_mode` without checks: a model of float layers stays as it is."""
    changing = [layer for layer in quantized_layers(model) if layer.mode != mode]
    for layer in changing:
        layer.mode = mode
    for part in layers_of(model, keras.Model) if changing else ():
        _start_stage(part)


def quantized_layers(model: keras.layers.Layer) -> list[QuantizedLayer]:
    """The quantized layers of `model` in order, also inside wrappers and nested models."""
    return layers_of(model, QuantizedLayer)


def named_layers(model: keras.layers.Layer) -> list[tuple[str, QuantizedLayer]]:
    """The quantized layers of `model`, each with its name in the rows of `estimate_storage`."""
    try:
        nodes = read_model(model).nodes
    except ValueError:  # a single layer, or a model that does not say how it is connected: no other name is known
        nodes = ()
    names: dict[int, str] = {}
    for node in nodes:
        inner = quantized_layers(node.operation) if isinstance(node.operation, keras.layers.Layer) else []
        names |= {id(each): node.layer_name if len(inner) == 1 else f"{node.name}/{each.name}" for each in inner}
    return [(names.get(id(layer), str(layer.name)), layer) for layer in quantized_layers(model)]


def activation_quantizers(model: keras.layers.Layer) -> list[Quantizer]:
    """The grids of the activations of `model`, layer by layer."""
    every = (quantizer for layer in quantized_layers(model) for quantizer in layer.quantizers)
    return [quantizer for quantizer in every if quantizer.weight is None]


def has_scales(model: keras.layers.Layer) -> bool:
    """Whether a quantized model was calibrated or trained: some activation's scale is not 1, as a new one is.

    Where all of them happen to be 1, calibration moves little.
    """
    scales = [keras.ops.convert_to_numpy(each.scale) for each in activation_quantizers(model)]
    return any(np.any(scale != 0) for scale in scales)


def layers_of(model: keras.layers.Layer, kind: type) -> list:
    """The layers of a kind in order, each once, also in wrappers and nested models; the model itself, if it is one."""
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"`model` must be a Keras model or layer. Received: model={model!r}")
    return [layer for layer in layers_within(model) if isinstance(layer, kind)]


@contextmanager
def float_mode(model: keras.layers.Layer) -> Iterator[None]:
    """Let the layers of `model` compute in float for a moment (called eagerly, not compiled)."""
    modes = [(layer, layer.mode) for layer in quantized_layers(model)]
    try:
        for layer, _ in modes:
            layer.mode = "float"
        yield
    finally:
        for layer, mode in modes:
            layer.mode = mode


def round_scales(model: keras.layers.Layer) -> None:
    """Round every log2 scale of `model` to the integer that the forward pass already uses.

    Trained scales rest on rounding boundaries (x.5); before a stage with frozen scales this
    makes sure that no last-bit difference flips one.
    """
    for scale in scale_variables(model):
        scale.assign(np.round(keras.ops.convert_to_numpy(scale)) + 0.0)  # the sum turns -0 into 0


def scale_variables(model: keras.layers.Layer) -> list[keras.Variable]:
    """The log2 scales of `model`, layer by layer."""
    return [quantizer.scale for layer in quantized_layers(model) for quantizer in layer.quantizers]


def scale_table(model: keras.layers.Layer) -> list[dict]:
    """The log2 scales of `model`: one dictionary (layer, weight, log2_scale) per scale. The scales of a kernel's
    filters are numbered: `kernel_scale[0]`."""
    return [
        {
            "layer": name,
            "weight": f"{each.name}_scale{[place] if len(each.scale.shape) else ''}",
            "log2_scale": float(value),
        }
        for name, layer in named_layers(model)
        for each in layer.quantizers
        for place, value in enumerate(keras.ops.convert_to_numpy(each.scale).ravel())
    ]


def _start_stage(model):
    """Forget the functions compiled for the old mode, and the state of the optimizer."""
    model.train_function = model.test_function = model.predict_function = None
    if getattr(model, "optimizer", None) is None:
        return
    try:
        model.optimizer = copy_of_optimizer(model.optimizer)
    except (TypeError, ValueError, NotImplementedError):
        warnings.warn(
            f"The optimizer of model '{model.name}' can not be copied from its configuration: call `compile` again "
            "before `fit`.",
            stacklevel=3,
        )
