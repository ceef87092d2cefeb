"""Several maps become one, on one grid: sums, products and the like, and maps side by side."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import keras
from keras import activations, ops

from keras_efficient.checks import integer
from keras_efficient.kinds.combining import repeated_shape, side_by_side
from keras_efficient.kinds.windows import mean_reciprocal
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.layers.quantized.kernel_layer import check_signed_output, may_be_negative
from keras_efficient.ops.quantize import check_bits
from keras_efficient.type_aliases import Activation, Shape, SignedOutput, Tensor


class MergingLayer(QuantizedLayer):
    """A layer with several inputs and one quantized output."""

    config_keys = ["activation_bits", "signed_output"]

    def __init__(
        self, activation_bits: int = 4, signed_output: SignedOutput = "auto", mode: str = "float", **kwargs: Any
    ):
        super().__init__(mode=mode, **kwargs)
        self.activation_bits = check_bits(activation_bits, "activation_bits")
        self.signed_output = check_signed_output(signed_output)

    @property
    def output_is_signed(self) -> bool:
        """Whether the grid of the output has negative codes."""
        return self.signed_output in ("auto", True)

    def build(self, input_shape: Sequence[Shape]) -> None:
        is_list = isinstance(input_shape, (list, tuple)) and all(isinstance(s, (list, tuple)) for s in input_shape)
        if not is_list or len(input_shape) < 2:
            raise ValueError(
                f"Layer '{self.name}' ({type(self).__name__}) takes a list of two tensors or more. "
                f"Received: input shape {input_shape}"
            )
        self.compute_output_shape(input_shape)
        self.activation_quantizer = self.add_quantizer("activation", self.activation_bits, self.output_is_signed)

    def combined(self, inputs: Sequence[Tensor]) -> Tensor:
        """The output before it is rounded."""
        raise NotImplementedError

    def combined_shape(self, *shapes: Shape) -> Shape:
        """The shape of the output, of shapes without the batch; a ValueError where they do not fit."""
        raise NotImplementedError

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        return self.activation_quantizer(self.combined(inputs), self.current_mode)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        try:
            return (input_shape[0][0], *self.combined_shape(*(tuple(shape[1:]) for shape in input_shape)))
        except ValueError as error:
            raise ValueError(f"Layer '{self.name}': {error}") from None


class CombiningLayer(MergingLayer):
    """Maps that become one, number by number. Axes of length 1 are repeated, as everywhere in Keras.

    Args:
        activation_bits: Width of the output in bits, 1 to 16.
        signed_output: Whether the grid of the output has negative codes; `"auto"` is True.
        mode: See `QuantizedLayer`.

    Input: a list of two or more tensors (batch, ...) of one rank, whose axes have one length or 1. Output shape: the
    longest of each axis.

    Weights: the log2 scale of the output (a scalar).

    Raises:
        ValueError: If it is built on one tensor, or on shapes that do not fit; for wrong bits, mode or
            `signed_output`.

    Source: this package; the grid is that of Gural & Murmann, ICML 2019.
    """

    takes_two = False  # and no more

    def combined_shape(self, *shapes: Shape) -> Shape:
        return repeated_shape(list(shapes))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        if self.takes_two and len(input_shape) != 2:
            raise ValueError(f"Layer '{self.name}' takes two tensors. Received: input shapes {list(input_shape)}")
        return super().compute_output_shape(input_shape)


@keras.saving.register_keras_serializable(package="keras_efficient")
class AddQ(CombiningLayer):
    """The sum of maps, with a quantized output.

        y = q_a(activation(x_1 + x_2 + ...))

    with q_a as in `keras_efficient.ops.quantize`. In float mode it is `keras.layers.Add`. See `CombiningLayer`.

    Args:
        activation: Keras activation (name or function); None is linear.
        activation_bits, mode: See `CombiningLayer`.
        signed_output: Grid of the output: `"auto"` (signed, unless the activation gives no negative
            value), True or False.
    """

    config_keys = ["activation"]

    def __init__(
        self,
        activation: Activation = None,
        activation_bits: int = 4,
        signed_output: SignedOutput = "auto",
        mode: str = "float",
        **kwargs: Any,
    ):
        super().__init__(activation_bits, signed_output, mode, **kwargs)
        self.activation = activations.get(activation)

    @property
    def output_is_signed(self) -> bool:
        """Whether the grid of the output has negative codes."""
        return may_be_negative(self.activation) if self.signed_output == "auto" else self.signed_output

    def combined(self, inputs: Sequence[Tensor]) -> Tensor:
        return self.activation(reduce(ops.add, inputs))


@keras.saving.register_keras_serializable(package="keras_efficient")
class SubtractQ(CombiningLayer):
    """`y = q_a(x_1 - x_2)` of two maps, with a quantized output; in float mode `keras.layers.Subtract`. See
    `CombiningLayer`."""

    takes_two = True

    def combined(self, inputs: Sequence[Tensor]) -> Tensor:
        return ops.subtract(*inputs)


@keras.saving.register_keras_serializable(package="keras_efficient")
class MultiplyQ(CombiningLayer):
    """`y = q_a(x_1 * x_2)` of two maps, with a quantized output; in float mode `keras.layers.Multiply`. See
    `CombiningLayer`."""

    takes_two = True

    def combined(self, inputs: Sequence[Tensor]) -> Tensor:
        return ops.multiply(*inputs)


@keras.saving.register_keras_serializable(package="keras_efficient")
class MaximumQ(CombiningLayer):
    """`y = q_a(max(x_1, x_2, ...))`, with a quantized output; in float mode `keras.layers.Maximum`. See
    `CombiningLayer`."""

    def combined(self, inputs: Sequence[Tensor]) -> Tensor:
        return reduce(ops.maximum, inputs)


@keras.saving.register_keras_serializable(package="keras_efficient")
class MinimumQ(CombiningLayer):
    """`y = q_a(min(x_1, x_2, ...))`, with a quantized output; in float mode `keras.layers.Minimum`. See
    `CombiningLayer`."""

    def combined(self, inputs: Sequence[Tensor]) -> Tensor:
        return reduce(ops.minimum, inputs)


@keras.saving.register_keras_serializable(package="keras_efficient")
class AverageQ(CombiningLayer):
    """`y = q_a((x_1 + ... + x_n) r)`, r = 1 / n to eight binary digits, with a quantized output; in float mode
    `keras.layers.Average`. See `CombiningLayer`."""

    def combined(self, inputs: Sequence[Tensor]) -> Tensor:
        total = reduce(ops.add, inputs)
        share = mean_reciprocal(len(inputs)) if self.current_mode.quantized else 1 / len(inputs)
        return ops.multiply(total, share)


@keras.saving.register_keras_serializable(package="keras_efficient")
class ConcatenateQ(MergingLayer):
    """Maps side by side along an axis, on one grid.

        y = q_a([x_1, x_2, ...])

    with q_a as in `keras_efficient.ops.quantize`: the maps may come on grids of their own. In float
    mode it is `keras.layers.Concatenate`.

    Args:
        activation_bits, signed_output, mode: See `CombiningLayer`.
        axis: Along which they lie: -1 (the channels), or another one than 0, the batch.

    Input: a list of two or more tensors (batch, ...) that differ along this axis only.
    Output shape: theirs, with all of it along the axis.

    Weights: the log2 scale of the output (a scalar).

    Raises:
        ValueError: If it is built on one tensor, or on tensors that differ elsewhere; for wrong bits, mode or
            `signed_output`.

    Source: this package; the grid is that of Gural & Murmann, ICML 2019.
    """

    config_keys = ["axis"]

    def __init__(
        self,
        activation_bits: int = 4,
        signed_output: SignedOutput = True,
        mode: str = "float",
        axis: int = -1,
        **kwargs: Any,
    ):
        super().__init__(activation_bits, signed_output, mode, **kwargs)
        self.axis = integer(axis, "axis")

    def combined(self, inputs: Sequence[Tensor]) -> Tensor:
        return ops.concatenate(inputs, axis=self.axis)

    def combined_shape(self, *shapes: Shape) -> Shape:
        return side_by_side({"axis": self.axis}, *shapes)
