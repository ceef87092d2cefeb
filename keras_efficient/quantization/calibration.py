"""From a float network to a quantized one: copy the weights, set the scales."""

import warnings
from numbers import Real

import keras
import numpy as np

from keras_efficient.ops.quantize import quantize
from keras_efficient.quantization.modes import float_mode, quantized_layers
from keras_efficient.quantization.observation import check_samples, observed_activations
from keras_efficient.type_aliases import Inputs

RULES = ("percentile", "least_error")
# Values of an activation that the rule of least error looks at, at most.
_SAMPLE = 100_000
# Filters whose kernel is smaller than this share of the largest one's share its grid: their shifts stay small.
_FILTER_SPREAD = 8


def calibrate(
    float_model: keras.Model, quantized_model: keras.Model, x: Inputs, percentile: float = 2, rule: str = "percentile"
) -> None:
    """Copy the weights of `float_model` into `quantized_model` and set its scales.

    With P_k the k-th percentile and p = `percentile`:

    * kernel scale = max(|P_p|, |P_(100-p)|) of the kernel,
    * scale of a factor of a structured layer (a, d, blocks) = the power of two at which rounding has
      the least squared error: entries near 1 would all be cut off by the scale of their percentile,
    * bias scale = 2 (0.1 + max |bias|),
    * activation scale = the kernel's rule on the float values that the quantizer sees when
      `float_model` computes `x`; of the positive values only when none is negative.

    With `rule="least_error"`, kernels and activations take the power of two at which rounding has the
    least squared error: at 8 bits hardly anything is clipped, at 2 bits much. A kernel with a scale a
    filter gets one by one, at least 2^-8 of the largest. With "percentile", all filters start with the
    scale of the whole kernel.

    The stored scales are the base-2 logarithms, not rounded. Source: Gural & Murmann, ICML 2019
    (their `loadQ`), but for the factors. Unlike there, a lone `ActivationQ` and the inner activation of a
    `ResidualQ` are set from the values they see, too.

    Args:
        float_model: Model whose weights are copied. It computes in float mode here, whatever
            its mode, and may be `quantized_model` itself.
        quantized_model: Model with the same layers, in any mode (the mode stays).
        x: Representative inputs, an array (samples, ...), or a list or dictionary of them, as the
            model takes several inputs. The study takes 128.
        percentile: Share in percent that may be clipped on each side, from 0 up to 50.
        rule: `"percentile"` or `"least_error"`.

    Raises:
        ValueError: If the models differ in their weights, `percentile` is out of range, `rule` is unknown
            or `x` is empty.
        TypeError: If a model is no built Keras model.
        Warns when an activation is never positive: its scale is left alone.
    """
    if not isinstance(percentile, Real) or not 0 <= percentile < 50:
        raise ValueError(f"`percentile` must be in [0, 50). Received: percentile={percentile!r}")
    if rule not in RULES:
        raise ValueError(f"`rule` must be one of {RULES}. Received: rule={rule!r}")
    for name, model in (("float_model", float_model), ("quantized_model", quantized_model)):
        if not isinstance(model, keras.Model) or not model.built:
            raise TypeError(f"`{name}` must be a built Keras model. Received: {name}={model!r}")
    check_samples(x)
    _check_same_weights(float_model, quantized_model)
    with float_mode(float_model):
        activations = observed_activations(float_model, x)
    if quantized_model is not float_model:
        quantized_model.set_weights(float_model.get_weights())
    values = iter(activations)
    for layer in quantized_layers(quantized_model):
        for quantizer in layer.quantizers:
            scale = _scale(quantizer, values, percentile, rule)
            _assign_log2(quantizer, scale, layer.name)


def _scale(quantizer, activations, percentile, rule):
    if quantizer.weight is None:
        seen = next(activations)
        return _activation_scale(seen, percentile) if rule == "percentile" else _least_error_of_sample(seen, quantizer)
    values = keras.ops.convert_to_numpy(quantizer.values())
    mask = _mask_of(quantizer.weight)
    if quantizer.name.startswith("bias"):
        return 2 * (0.1 + np.abs(values if mask is None else _kept(values, mask)).max())
    if rule == "least_error":
        return _filter_scales(values if mask is None else values * mask, quantizer)
    values = values if mask is None else _kept(values, mask)
    if getattr(quantizer.weight, "is_structured_factor", False):
        return _least_error_scale(values, quantizer)
    return _percentile_scale(values, percentile)


def _mask_of(weight):
    """The pruning mask of a weight, or None."""
    mask = getattr(weight, "pruning_mask", None)
    return None if mask is None else keras.ops.convert_to_numpy(mask)


def _kept(values, mask):
    """The values that are not under the mask."""
    kept = values[mask != 0]
    return kept if kept.size else np.zeros(1, values.dtype)


def _activation_scale(values, percentile):
    if values.min() < 0:
        return _percentile_scale(values, percentile)
    positive = values[values > 0]
    return _percentile_scale(positive, percentile) if positive.size else 0.0


def _percentile_scale(values, percentile):
    return np.abs(np.percentile(values, [percentile, 100 - percentile])).max()


def _least_error_scale(values, quantizer):
    return _least_error_scales(values.reshape(-1, 1), quantizer)[0]


def _least_error_scales(columns, quantizer):
    """For each column, all at once, the power of two; 0 or what is not finite stays."""
    largest = np.abs(columns).max(axis=0)
    usable = (largest > 0) & (largest < np.inf)
    covering = np.ceil(np.log2(np.where(usable, largest, 1)))
    # Two bits have no code near their scale: a constant of 1 is best at 4. Outliers are cut off at smaller ones.
    exponents = covering + np.arange(-8, 3)[:, np.newaxis]
    errors = [np.sum((_rounded(columns, quantizer, row) - columns) ** 2, axis=0, dtype="float64") for row in exponents]
    best = 2.0 ** np.take_along_axis(exponents, np.argmin(errors, axis=0)[np.newaxis], axis=0)[0]
    return np.where(usable, best, largest)


def _least_error_of_sample(values, quantizer):
    return _least_error_scale(values[:: -(-values.size // _SAMPLE)], quantizer)


def _filter_scales(values, quantizer):
    """One scale, or one a filter; those of filters that hardly count are not much smaller than the largest."""
    shape = tuple(quantizer.scale.shape)
    scales = _least_error_scales(values.reshape(-1, int(np.prod(shape, dtype=int))), quantizer)
    return np.maximum(scales, scales.max() * 2.0**-_FILTER_SPREAD).reshape(shape)


def _rounded(columns, quantizer, exponents):
    return keras.ops.convert_to_numpy(quantize(columns, quantizer.bits, exponents, quantizer.signed))


def _assign_log2(quantizer, scale, layer_name):
    if np.all(scale > 0) and np.all(np.isfinite(scale)):
        quantizer.scale.assign(np.full(quantizer.scale.shape, np.log2(scale), dtype="float32"))
        return
    warnings.warn(
        f"The {quantizer.name} of layer '{layer_name}' is zero (or not finite) on the "
        "calibration data: its scale is left as it was. The layer is probably dead.",
        stacklevel=3,
    )


def _check_same_weights(float_model, quantized_model):
    shapes = [[w.shape for w in m.weights] for m in (float_model, quantized_model)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "`float_model` and `quantized_model` must have the same weights. "
            f"Received: float_model with shapes {shapes[0]}, "
            f"quantized_model with shapes {shapes[1]}"
        )
