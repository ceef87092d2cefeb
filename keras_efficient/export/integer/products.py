"""Weighted sums in integers: a convolution from its kernel, its bias and its grids."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.grids import (
    Context,
    KernelCodes,
    UnsupportedLayerError,
    codes_of,
    output_codes,
    read_activation,
    weight_codes,
)
from keras_efficient.export.integer.operations import Convolution, IntegerMap, Move, Products
from keras_efficient.export.integer.rounding import plan_rounding
from keras_efficient.export.integer.rounding_steps import Term
from keras_efficient.export.integer.windows import Window
from keras_efficient.kinds.measures import LOGIT_BITS
from keras_efficient.kinds.steps import Way
from keras_efficient.layers.quantized.quantizer import Quantizer

Ways = tuple[Way, Way, Way] | None


class Bias(NamedTuple):
    """A bias in integers, one number for each output channel."""

    integers: np.ndarray
    codes: Codes


def read_bias(layer: Any, quantizer: Quantizer | None) -> Bias | None:
    return None if quantizer is None else Bias(weight_codes(layer, quantizer), codes_of(layer, quantizer))


def make_move(name: str, source: IntegerMap, shape: tuple, ways: Ways, part: tuple = ()) -> Move:
    """Cells at other places; a grid without a zero has none to put between them."""
    move = Move(name, source, IntegerMap(shape, source.codes), ways, part=part)
    if source.codes.midrise and (move.cells < 0).any():
        raise UnsupportedLayerError(name, "grids of one or two signed bits have no zero, which it adds")
    return move


def make_convolution(
    layer: Any,
    source: IntegerMap,
    shape: tuple,
    window: Window,
    kernel: KernelCodes,
    bias: Bias | None,
    output_quantizer: Quantizer,
    activation: Callable,
    context: Context = Context(),  # noqa: B008 (it is never changed)
    skip: IntegerMap | None = None,
) -> Convolution:
    """A convolution from its kernel, its bias and the quantizer of its output. Where it gives its sums, they
    are saturated to 16 bits, without activation."""
    bounds = _sum_bounds(kernel.integers, source.codes)
    shifted = bounds if kernel.shifts is None else bounds << kernel.shifts
    terms = [
        Term(int(shifted.max()), source.codes.exponent + kernel.codes.exponent),
        Term(0, 0) if bias is None else Term(int(np.abs(bias.integers).max()), bias.codes.exponent),
        *([] if skip is None else [Term(skip.codes.bound, skip.codes.exponent)]),
    ]
    finest = min(term.exponent for term in (terms if bias is not None else [terms[0], *terms[2:]]))
    relu, limit = read_activation(layer, activation, output_quantizer)
    if context.gives_sums:
        output, relu, limit = Codes(LOGIT_BITS, True, finest), False, None
    else:
        output = output_codes(layer, output_quantizer, context)
    return Convolution(
        layer.name,
        source,
        IntegerMap(shape, output),
        window,
        Products(
            kernel.integers,
            bias and bias.integers,
            kernel.codes,
            bias and bias.codes,
            int(bounds.max()),
            kernel.pruned,
            kernel.basis,
        ),
        plan_rounding(terms, output, relu=relu, highest=limit),
        gives_logits=context.gives_sums,
        shifts=kernel.shifts,
    )


def _sum_bounds(kernel: np.ndarray, codes: Codes) -> np.ndarray:
    """For each output channel the largest magnitude that a partial sum of products can reach, in any
    order of summation."""
    ends = np.stack([kernel * codes.low, kernel * codes.high])
    up = np.maximum(ends.max(axis=0), 0).sum(axis=(0, 1, 2))
    down = np.maximum(-ends.min(axis=0), 0).sum(axis=(0, 1, 2))
    return np.maximum(up, down)
