"""Which scale fits values: the study's percentiles, and the power of two of least error."""

import numpy as np

from keras_efficient.kinds.fields import SCALE_EXPONENTS
from keras_efficient.layers.quantized.quantizer import Quantizer, sharing_axes
from keras_efficient.ops.quantize import Grid

# Filters whose kernel is smaller than this share of the largest one's share its grid: their shifts stay small.
_FILTER_SPREAD = 8
# So many numbers at once stay in the cache of a processor.
_NUMBERS_AT_ONCE = 1 << 16


def percentile_scale(values: np.ndarray, percentile: float) -> float:
    """max(|P_p|, |P_(100-p)|)."""
    return np.abs(np.percentile(values, [percentile, 100 - percentile])).max()


def activation_scale(values: np.ndarray, percentile: float) -> float:
    """The same; of the positive values only, when none is negative."""
    if values.min() < 0:
        return percentile_scale(values, percentile)
    positive = values[values > 0]
    return percentile_scale(positive, percentile) if positive.size else 0.0


def least_error_scale(values: np.ndarray, quantizer: Quantizer) -> float:
    """The power of two at which rounding has the least squared error."""
    return least_error_scales(values.reshape(-1, 1), quantizer)[0]


def least_error_scales(columns: np.ndarray, quantizer: Quantizer) -> np.ndarray:
    """For each column, all at once, the power of two; 0 or what is not finite stays."""
    largest = np.abs(columns).max(axis=0)
    usable = (largest > 0) & (largest < np.inf)
    covering = np.ceil(np.log2(np.where(usable, largest, 1)))
    # Two bits have no code near their scale: a constant of 1 is best at 4. Outliers are cut off at smaller ones.
    exponents = covering + np.arange(-8, 3)[:, np.newaxis]
    errors = np.zeros(exponents.shape)
    rows = -(-_NUMBERS_AT_ONCE // columns.shape[1])
    for first in range(0, len(columns), rows):
        part = columns[first : first + rows]
        errors += [
            np.sum((_rounded(part, quantizer.grid, row) - part) ** 2, axis=0, dtype="float64") for row in exponents
        ]
    best = 2.0 ** np.take_along_axis(exponents, np.argmin(errors, axis=0)[np.newaxis], axis=0)[0]
    return np.where(usable, best, largest)


def filter_scales(values: np.ndarray, quantizer: Quantizer) -> np.ndarray:
    """One scale, or one for each filter; those of filters that hardly count are not much smaller than the largest."""
    shape = tuple(quantizer.scale.shape)
    columns = np.moveaxis(values, axes := sharing_axes(values.shape, shape), range(len(axes)))
    scales = least_error_scales(columns.reshape(-1, int(np.prod(shape, dtype=int))), quantizer)
    return np.maximum(scales, scales.max() * 2.0**-_FILTER_SPREAD).reshape(shape)


def lost_columns(columns: np.ndarray, quantizer: Quantizer, scale: float) -> list[int]:
    """The columns whose squared error on the grid of this scale is more than half of their variance."""
    errors = np.mean(
        (_rounded(columns, quantizer.grid, np.round(np.log2([scale]))) - columns) ** 2, axis=0, dtype="float64"
    )
    return [int(column) for column in np.flatnonzero(2 * errors > np.var(columns, axis=0, dtype="float64"))]


def _rounded(columns: np.ndarray, grid: Grid, exponents: np.ndarray) -> np.ndarray:
    """`ops.quantize`, without tensors: a network takes thousands of calls."""
    powers = np.ldexp(1.0, np.clip(exponents, *SCALE_EXPONENTS).astype(int))
    step = (powers / grid.resolution).astype(np.result_type(columns.dtype, "float32"))
    scaled = columns / step
    codes = np.floor(scaled) + 0.5 if grid.is_mid_rise else np.rint(scaled)
    return (np.clip(codes, *grid.limits) * step).astype(columns.dtype)
