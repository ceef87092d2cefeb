"""Several maps become one: the operations, and how they are read from layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import keras
import numpy as np

from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.grids import Context, UnsupportedLayerError, output_codes, read_activation
from keras_efficient.export.integer.operations import IntegerMap, Operation
from keras_efficient.export.integer.rounding import plan_rounding
from keras_efficient.export.integer.rounding_steps import Rounding, Term
from keras_efficient.kinds.combining import place_of_axis, repeated_shape
from keras_efficient.kinds.measures import LOGIT_BITS, as_image
from keras_efficient.kinds.moves import IMAGE_AXES
from keras_efficient.kinds.windows import MEAN_DIGITS, mean_reciprocal
from keras_efficient.reading.network import Call

# By the name of a kind of this package.
FUNCTIONS = {
    "AddQ": "add",
    "AverageQ": "mean",
    "MaximumQ": "maximum",
    "MinimumQ": "minimum",
    "MultiplyQ": "multiply",
    "SubtractQ": "subtract",
}


@dataclass(frozen=True, eq=False)
class Combination(Operation):
    """Several maps become one, cell by cell; axes of length 1 are repeated. `source` is the first of them.

    function: "add", "subtract", "multiply" or "mean": rounded once; "maximum" or "minimum": each map is rounded to the
        target's grid, which keeps the order of numbers. factor: of a mean.
    """

    sources: tuple[IntegerMap, ...]
    function: str
    roundings: tuple[Rounding, ...]
    factor: int = 1

    def run(self, *x: np.ndarray) -> np.ndarray:
        (first, *more) = self.roundings
        if self.function in ("maximum", "minimum"):
            parts = [rounding.apply(part) for rounding, part in zip(self.roundings, x, strict=True)]
            return reduce(getattr(np, self.function), parts)
        if self.function == "multiply":
            return first.apply(x[0] * x[1])
        signs = (1, -1) if self.function == "subtract" else (self.factor,) * len(x)
        return first.apply(*(part * sign for part, sign in zip(x, signs, strict=True)))


@dataclass(frozen=True, eq=False)
class Concatenation(Operation):
    """Maps side by side along an axis (0 rows, 1 columns, 2 channels), each rounded to the target's grid; `source` is
    the first."""

    sources: tuple[IntegerMap, ...]
    roundings: tuple[Rounding, ...]
    axis: int

    def run(self, *x: np.ndarray) -> np.ndarray:
        parts = [rounding.apply(part) for rounding, part in zip(self.roundings, x, strict=True)]
        return np.concatenate(parts, axis=self.axis + 1)


@dataclass(frozen=True, eq=False)
class Outputs(Operation):
    """The maps that users read, one after another as logits; `source` is the first of them."""

    sources: tuple[IntegerMap, ...]

    @classmethod
    def of(cls, sources: Sequence[IntegerMap]) -> Outputs:
        """Of several maps. The target's grid is that of the first."""
        codes = Codes(LOGIT_BITS, True, sources[0].codes.exponent)
        target = IntegerMap((1, 1, sum(source.cells for source in sources)), codes)
        return cls("outputs", sources[0], target, tuple(sources))

    def run(self, *x: np.ndarray) -> np.ndarray:
        return np.concatenate([part.reshape(len(part), -1) for part in x], axis=1)


def read_combination(call: Call, layer: Any, sources: list[IntegerMap], context: Context) -> Operation:
    relu, limit = read_activation(
        layer, getattr(layer, "activation", keras.activations.linear), layer.activation_quantizer
    )
    output = output_codes(layer, layer.activation_quantizer, context)
    function, factor = FUNCTIONS[call.node.form.class_name], 1
    terms = [Term(source.codes.bound, source.codes.exponent) for source in sources]
    if function == "multiply":
        first, second = terms
        terms = [Term(first.bound * second.bound, first.exponent + second.exponent)]
    if function == "mean":
        digits, exponent = math.frexp(mean_reciprocal(len(sources)))
        factor = int(digits * 2**MEAN_DIGITS)
        terms = [Term(term.bound * factor, term.exponent + exponent - MEAN_DIGITS) for term in terms]
    once = function not in ("maximum", "minimum")
    summed = [terms] if once else [[term] for term in terms]
    roundings = tuple(plan_rounding(each, output, relu=relu, highest=limit) for each in summed)
    shape = repeated_shape([source.shape for source in sources])
    return Combination(layer.name, sources[0], IntegerMap(shape, output), tuple(sources), function, roundings, factor)


def read_concatenation(call: Call, layer: Any, sources: list[IntegerMap], context: Context) -> Operation:
    output = output_codes(layer, layer.activation_quantizer, context)
    shape = call.node.outputs[0].shape
    if None in shape or len(shape) > IMAGE_AXES:
        raise UnsupportedLayerError(layer.name, f"maps have up to three axes, of known sizes. Received: {shape}")
    axis = place_of_axis(call.config, shape) + IMAGE_AXES - len(shape)
    roundings = tuple(plan_rounding([Term(s.codes.bound, s.codes.exponent)], output) for s in sources)
    target = IntegerMap(as_image(shape), output)
    return Concatenation(layer.name, sources[0], target, tuple(sources), roundings, axis)
