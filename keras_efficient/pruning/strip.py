"""strip_pruning: a plain model with the zeros in its weights."""

import keras

from keras_efficient.copies.layers import copy_of
from keras_efficient.copies.rebuild import replace_layers
from keras_efficient.layers.pruning.kernels import described
from keras_efficient.layers.pruning.prunable import Prunable, PrunedChannels, effective_value
from keras_efficient.quantization.modes import quantized_layers
from keras_efficient.reading.keras_private import layers_within


def strip_pruning(model: keras.Model) -> keras.Model:
    """A copy of `model` without `Prunable` wrappers: plain layers whose weights are zero under the masks.

    It computes what the wrapped model computes in inference (float32: to about 1e-7). Its file holds the
    zeros, which a compressed file and the exporters make use of.

    Args:
        model: A built Functional or Sequential model. Without wrappers it is copied.

    Raises:
        TypeError: If the model is neither Functional nor Sequential.
        ValueError: If a pruned weight is rounded to one or two signed bits, a grid without a zero.
    """

    def replace(layer):
        if isinstance(layer, Prunable):
            _check_grids(layer)
            return copy_of(layer.layer), [effective_value(variable) for variable in layer.layer.variables]
        if isinstance(layer, PrunedChannels):
            return copy_of(layer.layer), layer.effective_weights()
        return None

    return replace_layers(model, replace)


def _check_grids(layer: Prunable) -> None:
    """Raise a ValueError if zeros of `layer` would be rounded to something else."""
    if layer.sparsity == 0:
        return
    widths = [
        (quantizer.name, quantizer.bits)
        for part in quantized_layers(layer)
        if part.current_mode.quantized
        for quantizer in part.quantizers
        if getattr(quantizer.weight, "pruning_mask", None) is not None
    ]
    coordinates = (getattr(part, "coordinate_bits", None) for part in layers_within(layer))
    widths += [("coordinate", bits) for bits in coordinates if bits is not None]
    for name, bits in widths:
        if bits <= 2:
            raise ValueError(
                f"`model` has a layer {described(layer.layer)} whose {name} has {bits} signed bits: that grid has no "
                "zero, so that the pruned weights can not be told from the others without their mask. Right would be "
                "at least 3 bits, or to keep the wrapper"
            )
