"""The weights of a layer, carried over to the layers that took its place."""

from typing import Any

import keras
import numpy as np

from keras_efficient.copies.layers import assign_all, carry_weights
from keras_efficient.layers.pruning.prunable import Prunable
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.reading.read import is_connected


def carry_over(old: Any, new: list[Any], batch_norm: Any = None) -> None:
    """Copy the weights of `old` to the layers `new` (one, but for what was split), and those of the
    batch normalization that is folded into it."""
    if isinstance(old, Prunable):
        _carry_wrapper(old, new)
    elif isinstance(old, keras.layers.SeparableConv1D | keras.layers.SeparableConv2D) and len(new) > 1:
        biases = ([new[1].bias], [old.bias]) if old.use_bias else ([], [])
        targets = [new[0].kernel, new[1].kernel, *biases[0]]
        assign_all(targets, [old.depthwise_kernel, old.pointwise_kernel, *biases[1]])
    elif isinstance(old, keras.layers.BatchNormalization) and type(new[0]) is not type(old):
        new[0].batch_norm.set_weights(old.get_weights())
    elif isinstance(old, keras.layers.Normalization) and type(new[0]) is not type(old):
        _carry_statistics(old, new[0])
    elif isinstance(old, keras.layers.Layer) and old.weights and not is_connected(old):
        names = {weight.name for weight in old.weights}
        # Not the rounding that may stand before a table.
        _carry_by_name(old, next((each for each in new if names <= {weight.name for weight in each.weights}), new[0]))
    if batch_norm is not None:
        target = next(core(layer) for layer in new if getattr(core(layer), "batch_norm", None) is not None)
        target.batch_norm.set_weights(batch_norm.get_weights())


def core(layer: Any) -> Any:
    """The layer itself, or the one that prunes within its wrapper."""
    return layer.layer if isinstance(layer, Prunable) else layer


def _carry_statistics(old: Any, new: Any) -> None:
    """A normalization as a kernel and a bias."""
    mean, variance = (keras.ops.convert_to_numpy(each).ravel() for each in (old.mean, old.variance))
    deviation = np.maximum(np.sqrt(variance), keras.config.epsilon())
    values = (deviation, mean) if old.invert else (1 / deviation, -mean / deviation)
    for target, value in zip((new.kernel, new.bias), values, strict=True):
        target.assign(np.broadcast_to(value, target.shape))


def _carry_by_name(old: Any, new: Any) -> None:
    """Weights of the same name. Scales that the old layer does not have, or not as many, stay as they are."""
    if len(old.variables) == len(new.variables) and all(
        a.shape == b.shape for a, b in zip(old.variables, new.variables, strict=True)
    ):
        carry_weights(old, new)
        return
    targets = {weight.name: weight for weight in new.weights}
    pairs = [(targets[weight.name], weight) for weight in old.weights if targets[weight.name].shape == weight.shape]
    assign_all([target for target, _ in pairs], [source for _, source in pairs])


def _carry_wrapper(old: Any, new: list[Any]) -> None:
    """The layer's own weights, and the masks: with filters those of what is folded in, too."""
    wrappers = [layer for layer in new if isinstance(layer, Prunable)]
    carry_over(old.layer, [core(layer) for layer in new if isinstance(layer, QuantizedLayer | Prunable)])
    kernels = [kernel for wrapper in wrappers for kernel in wrapper.kernels]
    for source, target in zip(old.kernels, kernels, strict=True):
        target.keep(source.alive())
    assign_all([wrapper.step for wrapper in wrappers], [old.step] * len(wrappers))
