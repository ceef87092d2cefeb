"""The pruned kernels of a Keras layer, read by its attributes alone: Keras is not imported."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from keras_efficient.descriptions.specs import KERNEL_NAMES
from keras_efficient.kinds.fields import LARGEST_MIDRISE, SCALE_EXPONENTS
from keras_efficient.kinds.kind import FILTERS, THIN, TRANSPOSED
from keras_efficient.kinds.measures import FLOAT_BITS
from keras_efficient.kinds.table import kind_of
from keras_efficient.kinds.transposed import turned
from keras_efficient.storage.sparse import Encoding, best_encoding, kernel_streams


class StoredKernel(NamedTuple):
    """A kernel that holds zeros: the bits it takes densely, and its smallest encoding."""

    dense_bits: int
    encoding: Encoding

    @property
    def saved_bits(self) -> int:
        return self.dense_bits - self.encoding.bits


def stored_kernels(layer: Any) -> tuple[StoredKernel, ...]:
    """The kernels of a built layer in which a weight is exactly zero: in all others zeros are chance.

    Of a quantized layer the codes are counted, in every mode, of the kernel that it rounds (a batch
    normalization may be folded into it): its grid makes more zeros.
    """
    if kind_of(layer).makes_kernel:
        return ()  # its zeros are where training starts
    found = []
    for variable in prunable(layer):
        stage = stage_of(layer, variable)
        if stage is not None and stage.form == "Scale":
            continue  # stored densely
        values = under_mask(as_numpy(variable), variable)
        if not (values == 0).all() and (values == 0).any():
            found.append(stored_kernel(layer, variable, values))
    return tuple(found)


def stored_kernel(layer: Any, variable: Any, values: np.ndarray) -> StoredKernel:
    bits, nonzero = FLOAT_BITS, values != 0
    for quantizer in getattr(layer, "quantizers", ()):
        if quantizer.weight is variable:
            bits, nonzero = quantizer.bits, has_codes(under_mask(quantizer.numpy_values(), variable), quantizer)
    kernel, groups = as_convolution(layer, variable, nonzero)
    encoding = best_encoding(kernel_streams(kernel, bits, groups), bits)
    return StoredKernel(nonzero.size * bits, encoding)


def as_convolution(layer: Any, variable: Any, kernel: np.ndarray) -> tuple[np.ndarray, int]:
    """A kernel as the convolution in the C reads it, (..., channels of a group, filters), and its groups."""
    stage = stage_of(layer, variable)
    if stage is not None:
        return stage.kernel(kernel), kernel.shape[-2] if stage.depthwise else stage.groups
    prunes = kind_of(layer).prunes
    if prunes == THIN:
        return kernel.reshape(*kernel.shape[:-2], 1, -1), kernel.shape[-2]
    if prunes == TRANSPOSED:
        return turned(kernel), 1
    return kernel, getattr(layer, "groups", 1) if prunes == FILTERS else 1


def stage_of(layer: Any, variable: Any) -> Any:
    """The stage of a layer that multiplies by a factor, or None."""
    factors = getattr(layer, "factors", ())
    for stage in getattr(layer, "stages", ()):
        if stage.factor is not None and factors[stage.factor] is variable:
            return stage
    return None


def has_codes(values: np.ndarray, quantizer: Any) -> np.ndarray:
    """Where the codes of `ops.quantize` are not zero. Its scale is a scalar, or one number a filter."""
    if quantizer.bits <= LARGEST_MIDRISE:
        return np.ones(values.shape, bool)
    scales = np.nan_to_num(as_numpy(quantizer.scale))  # training may have left what is no number
    exponents = np.clip(np.rint(scales), *SCALE_EXPONENTS).astype(int)
    # Half a step is rounded to 0, an even code; what is no number is none.
    return ~(np.abs(values) <= np.ldexp(1.0, exponents - quantizer.bits))


def prunable(layer: Any) -> list:
    """The variables of a layer that pruning removes."""
    own = getattr(layer, "get_prunable_weights", None)
    if own is not None:
        return list(own())
    return [weight for weight in getattr(layer, "weights", ()) if weight.name in KERNEL_NAMES]


def under_mask(values: np.ndarray, variable: Any) -> np.ndarray:
    """Values made of a variable, with zeros where its pruning mask has them."""
    mask = getattr(variable, "pruning_mask", None)
    return values if mask is None else np.where(as_numpy(mask) != 0, values, 0)


def as_numpy(variable: Any) -> np.ndarray:
    return np.asarray(variable.numpy())
