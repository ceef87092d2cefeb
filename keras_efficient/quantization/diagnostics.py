"""What became of the grids of a trained network: saturation, unused codes, parked scales."""

import keras
import numpy as np

from keras_efficient.ops.quantize import code_range, to_codes
from keras_efficient.quantization.modes import named_layers
from keras_efficient.quantization.observation import observed_activations
from keras_efficient.type_aliases import Inputs

# A trained log2 scale this close to x.5 oscillates between two powers of two.
PARKED_WITHIN = 0.02


def diagnose(model: keras.Model, x: Inputs) -> list[dict]:
    """One row for each quantized tensor of `model`, measured on the inputs `x`.

    Keys: layer, tensor, bits, signed, log2_scale (the largest, where each filter has one), exponent (the
    rounded scale), parked (whether |frac(log2_scale) - 1/2| < 0.02, for any of them), saturated (share
    of codes at an end of the grid; of an unsigned grid the upper end only, as zero is where a relu
    rests), zeros (share of codes that are 0), used_codes, possible_codes (2^bits).

    Args:
        model: A built Keras model, in any mode.
        x: Representative inputs, as in `calibrate`.
    """
    activations = iter(observed_activations(model, x))
    rows = []
    for name, layer in named_layers(model):
        for quantizer in layer.quantizers:
            source = next(activations) if quantizer.weight is None else quantizer.values()
            rows.append({"layer": name, **_row(quantizer, source)})
    return rows


def _is_parked(log2_scale: float) -> bool:
    """Whether a log2 scale rests on a rounding boundary."""
    return abs(log2_scale % 1.0 - 0.5) < PARKED_WITHIN


def _row(quantizer, values):
    log2_scales = keras.ops.convert_to_numpy(quantizer.scale).ravel()
    log2_scale = float(log2_scales.max())
    codes = to_codes(values, quantizer.bits, quantizer.scale, quantizer.signed)
    codes = keras.ops.convert_to_numpy(codes)
    low, high = code_range(quantizer.bits, quantizer.signed)
    ends = (codes == high) | ((codes == low) & quantizer.signed)
    return {
        "tensor": quantizer.name,
        "bits": quantizer.bits,
        "signed": quantizer.signed,
        "log2_scale": log2_scale,
        "exponent": int(np.round(log2_scale)),
        "parked": any(map(_is_parked, log2_scales.tolist())),
        "saturated": float(ends.mean()),
        "zeros": float((codes == 0).mean()),
        "used_codes": int(np.unique(codes).size),
        "possible_codes": 2**quantizer.bits,
    }
