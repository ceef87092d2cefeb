"""A power-of-two scale from the values themselves: no value is cut off."""

import numpy as np
from keras import ops

from keras_efficient.ops.quantize import check_bits, quantize
from keras_efficient.type_aliases import Tensor

_EXPONENTS = (-40, 40)


def covering_log2_scale(x: Tensor, bits: int) -> Tensor:
    """The smallest integer k, -40 to 40, at which `quantize(x, bits, k)` cuts off no value.

    A tensor that was quantized with its k has the same k again, so that a file written from it
    holds the same codes.

    Args:
        x: Tensor of any shape, not empty.
        bits: Integer from 1 to 16.
    """
    resolution = 2 ** (check_bits(bits) - 1)
    # The largest code is kept up to half a step above it; one or two bits round down instead.
    top = 1.0 if bits <= 2 else 1.0 - 0.5 / resolution
    limits = (top * np.exp2(np.arange(_EXPONENTS[0], _EXPONENTS[1]))).astype("float32")
    reached = ops.convert_to_tensor(limits) <= ops.max(ops.abs(ops.stop_gradient(x)))
    return ops.cast(ops.sum(ops.cast(reached, "int32")) + _EXPONENTS[0], "float32")


def quantize_covering(x: Tensor, bits: int | None) -> Tensor:
    """`quantize` with that scale; gradients pass straight through. `bits=None` returns `x`."""
    return x if bits is None else quantize(x, bits, covering_log2_scale(x, bits), scale_gradient=0.0)
