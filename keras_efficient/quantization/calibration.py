"""From a float network to a quantized one: copy the weights, set the scales."""

import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_efficient.checks import one_of, shown
from keras_efficient.layers.quantized.activation import InputQ
from keras_efficient.layers.quantized.quantizer import Quantizer
from keras_efficient.quantization import scales
from keras_efficient.quantization.modes import float_mode, quantized_layers
from keras_efficient.quantization.observation import observed_activations
from keras_efficient.reading.graph import ModelGraph
from keras_efficient.reading.read import is_connected, read_model
from keras_efficient.reading.value import Value

RULES = ("percentile", "least_error")
STUDY = 2.0  # percent
_NAMED = 8  # features in a warning
PIXEL_EXPONENT = -8  # a byte stands for byte / 256


def calibrate(
    float_model: keras.Model,
    quantized_model: keras.Model | None = None,
    x: Any = None,
    percentile: float | None = None,
    rule: str | None = None,
) -> None:
    """Copy the weights of `float_model` into `quantized_model` and set its scales.

    `rule="least_error"`, the default: each scale is the power of two at which rounding has the least squared error:
    at 8 bits hardly anything is clipped, at 2 bits much. A kernel with a scale for each filter gets them one by one,
    at least 2^-8 of the largest. A bias has no finer steps than the products that it is added to, and theirs where
    it is zero. All of it is the same for a network whose numbers are all 2^k times as large.

    `rule="percentile"`, or a `percentile` p, is the rule of the study. With P_k the k-th percentile:

    * kernel scale = max(|P_p|, |P_(100-p)|) of the kernel, for all filters,
    * scale of a factor of a structured layer (a, d, blocks), and of a grid between its products = the power of two
      of least error: entries near 1 would all be cut off by the scale of their percentile,
    * bias scale = 2 (0.1 + max |bias|),
    * activation scale = the kernel's rule on the float values that the quantizer sees when
      `float_model` computes `x`; of the positive values only when none is negative.

    The stored scales are the base-2 logarithms, not rounded. Source: Gural & Murmann, ICML 2019
    (their `loadQ`), but for the factors. Unlike there, a lone `ActivationQ` and the inner activation of a
    `ResidualQ` are set from the values they see, too.

    Args:
        float_model: Model whose weights are copied. It computes in float mode here, whatever
            its mode, and may be `quantized_model` itself.
        quantized_model: Model with the same layers, in any mode (the mode stays). None: `float_model`.
        x: Representative inputs: an array (samples, ...), or a list or dictionary of them, as the
            model takes several inputs; a data set or generator of batches (of batches (x, y) x is taken). The study
            takes 128. They are computed batch by batch; with least error about 100,000 values of each activation are
            looked at, of every channel. None: kernels and biases get their scales, and a warning says that the
            activations have none.
        percentile: Share in percent that may be clipped on each side, from 0 up to 50; 2 where only the rule is given.
        rule: `"least_error"` or `"percentile"`.

    Raises:
        ValueError: If the models differ in their weights or hold no quantized layer, `percentile` is out of range,
            `rule` is unknown or does not fit, or `x` is empty or holds numbers that are not finite.
        TypeError: If a model is no built Keras model.
        Warns when an activation is never positive: its scale is left alone; when maps that share one grid are so unlike
        that nothing is left of one of them; and when the grid of an `InputQ` takes most of the variance of a feature.
    """
    percentile = _checked_rule(percentile, rule)
    quantized_model = float_model if quantized_model is None else quantized_model
    for name, model in (("float_model", float_model), ("quantized_model", quantized_model)):
        if not isinstance(model, keras.Model) or not model.built:
            raise TypeError(f"`{name}` must be a built Keras model. Received: {name}={shown(model)}")
    _check_same_weights(float_model, quantized_model)
    if not quantized_layers(quantized_model):
        raise ValueError(
            "`quantized_model` must hold quantized layers, as keras_efficient.quantize_model makes them. "
            f"Received: none in {shown(quantized_model)}"
        )
    seen = None
    if x is not None:
        with float_mode(float_model):
            seen = iter(observed_activations(float_model, x, sample=percentile is None))
    if quantized_model is not float_model:
        quantized_model.set_weights(float_model.get_weights())
    without = set_scales(quantized_model, seen, percentile)
    if without:
        warnings.warn(
            f"No samples were given: the activations of {len(without)} layers have no scales yet. "
            "keras_efficient.calibrate(model, x=samples) sets them",
            stacklevel=2,
        )
    elif lost := _lost_inputs(quantized_model):
        warnings.warn(
            "Nothing is left of inputs that lie below half a step of the grid that they share with larger ones: "
            f"{', '.join(f'{source!r} in {name!r}' for name, source in lost)}. More activation_bits there keep them",
            stacklevel=2,
        )


def _check_same_weights(float_model: keras.Model, quantized_model: keras.Model) -> None:
    shapes = [[w.shape for w in m.weights] for m in (float_model, quantized_model)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "`float_model` and `quantized_model` must have the same weights. "
            f"Received: float_model with shapes {shapes[0]}, quantized_model with shapes {shapes[1]}"
        )


def _checked_rule(percentile: Any, rule: Any) -> float | None:
    """The percentile, or None for least error."""
    if rule is not None:
        one_of(rule, "rule", RULES)
    if percentile is None:
        return STUDY if rule == "percentile" else None
    if not isinstance(percentile, (int, float, np.number)) or isinstance(percentile, bool) or not 0 <= percentile < 50:
        raise ValueError(f"`percentile` must be in [0, 50). Received: percentile={percentile!r}")
    if rule == "least_error":
        raise ValueError(f"`percentile` does not go with rule='least_error'. Received: percentile={percentile!r}")
    return float(percentile)


def set_scales(model: keras.Model, seen: Iterator[np.ndarray] | None, percentile: float | None = None) -> list[str]:
    """Set the scales of a model, of activations from what they have seen. The names of the layers that had no samples
    for theirs."""
    sources, without = _input_quantizers(model), []
    for layer in quantized_layers(model):
        inner = [id(quantizer) for quantizer in getattr(layer, "inner_quantizers", ())]
        for quantizer in layer.quantizers:
            if quantizer.weight is not None:
                _assign_log2(quantizer, _weight_scale(layer, quantizer, sources, percentile), layer.name)
            elif seen is not None:
                values = next(seen)
                if percentile is None or id(quantizer) in inner:  # between two products nothing is cut off
                    scale = scales.least_error_scale(values, quantizer)
                else:
                    scale = scales.activation_scale(values, percentile)
                _assign_log2(quantizer, scale, layer.name)
                if isinstance(layer, InputQ) and scale > 0:
                    _name_lost_features(layer, quantizer, values, scale)
            else:
                without.append(layer.name)
    return without


def _weight_scale(layer: Any, quantizer: Quantizer, sources: dict, percentile: float | None) -> Any:
    values = keras.ops.convert_to_numpy(quantizer.values())
    variable = getattr(quantizer.weight, "pruning_mask", None)
    mask = 1 if variable is None else keras.ops.convert_to_numpy(variable)
    kept = values if variable is None else values[mask != 0]
    kept = kept if kept.size else np.zeros(1, values.dtype)
    if quantizer.name.startswith("bias"):
        study = 2 * (0.1 + np.abs(kept).max())
        return _bias_scale(layer, quantizer, kept, sources) if percentile is None else study
    if percentile is None:
        return scales.filter_scales(values * mask, quantizer)
    if getattr(quantizer.weight, "is_structured_factor", False):
        return scales.least_error_scale(kept, quantizer)
    return scales.percentile_scale(kept, percentile)


def _bias_scale(layer: Any, quantizer: Quantizer, values: np.ndarray, sources: dict) -> float:
    """Of least error, and no finer than the products; where those are not known, a zero bias gets 1."""
    scale = scales.least_error_scale(values, quantizer)
    kernel = getattr(layer, "kernel_quantizer", None)
    if kernel is None or id(layer) not in sources:
        return scale or 1.0
    source = sources[id(layer)]
    products = _exponent_of(kernel) + (PIXEL_EXPONENT if source is None else _exponent_of(source))
    return max(scale, 2.0 ** (products + quantizer.bits - 1))


def _assign_log2(quantizer: Quantizer, scale: Any, layer_name: str) -> None:
    if np.all(scale > 0) and np.all(np.isfinite(scale)):
        quantizer.scale.assign(np.full(quantizer.scale.shape, np.log2(scale), dtype="float32"))
        return
    warnings.warn(
        f"The {quantizer.name} of layer '{layer_name}' is zero (or not finite) on the "
        "calibration data: its scale is left as it was. The layer is probably dead.",
        stacklevel=4,
    )


def _name_lost_features(layer: InputQ, quantizer: Quantizer, values: np.ndarray, scale: float) -> None:
    """A warning where one grid for all features leaves little of some: they are small beside the others."""
    columns = values.reshape(-1, layer.get_build_config()["input_shape"][-1] or 1)
    if lost := scales.lost_columns(columns, quantizer, scale):
        named = ", ".join(map(str, lost[:_NAMED])) + (f" ... ({len(lost)} of them)" if len(lost) > _NAMED else "")
        warnings.warn(
            f"Rounding to the {quantizer.bits} bits of '{layer.name}', one grid with steps of "
            f"{2.0 ** _exponent_of(quantizer):g} for all features, takes more than half of the variance of these: "
            f"{named}. They are small beside others. Bring the features to one range before the network, as a "
            "Normalization in front of the input does, or take more input_bits",
            stacklevel=4,
        )


def _input_quantizers(model: keras.Model) -> dict[int, Quantizer | None]:
    """By the id of each layer the quantizer whose codes it reads; None where it reads bytes, or nobody knows."""
    if not isinstance(model, keras.Model) or not is_connected(model):
        return {}
    graph = read_model(model)
    return {id(node.layer): _grid_of(graph, node.inputs[0]) for node in graph.nodes if len(node.inputs) == 1}


def _lost_inputs(model: keras.Model) -> list[tuple[str, str]]:
    """(layer, what it reads) where maps that lie side by side share one grid, and all numbers of one of them round to 0
    there: they are below half a step."""
    if not isinstance(model, keras.Model) or not is_connected(model):
        return []
    graph, lost = read_model(model), []
    for node in graph.nodes:
        shared = getattr(node.layer, "activation_quantizer", None)
        if shared is None or node.kind.form != "Concatenation":
            continue
        for value in node.inputs:
            grid = _grid_of(graph, value)
            if grid is not None and _scale_exponent(grid) < _exponent_of(shared):
                lost.append((node.name, graph.makers[value].name))
    return lost


def _grid_of(graph: ModelGraph, value: Value) -> Quantizer | None:
    """The grid that a value lies on; None where it is bytes, or nobody knows."""
    while value in graph.makers:
        node = graph.makers[value]
        quantizer = getattr(node.layer, "activation_quantizer", None)
        if quantizer is not None or not node.kind.keeps_grid or len(node.inputs) != 1:
            return quantizer
        (value,) = node.inputs
    return None


def _scale_exponent(quantizer: Quantizer) -> int:
    """log2 of the scale, which no number of a grid is above; of the finest one, where each filter has its own."""
    return int(np.round(keras.ops.convert_to_numpy(quantizer.scale)).min())


def _exponent_of(quantizer: Quantizer) -> int:
    """log2 of the step of a grid."""
    return _scale_exponent(quantizer) - (quantizer.bits - 1 if quantizer.signed else quantizer.bits)
