"""What the layers of this family share: factors near the identity, their grids, their matrix."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_efficient.layers.arguments import optional_bits
from keras_efficient.layers.masking import masked
from keras_efficient.layers.quantized.quantizer import Quantizer
from keras_efficient.layers.quantized.weighted_layer import WeightedLayer
from keras_efficient.type_aliases import Initializer, Tensor


class TransformLayer(WeightedLayer):
    """A layer that multiplies by a product of trained factors and fixed transforms.

    Everything is computed in float32, under any dtype policy; only the output is cast.

    Args:
        kernel_bits, bias_bits, activation_bits: Widths in bits, 1 to 16, of the factors, the bias
            and the output; None leaves them as floats.
        mode: `"float"`, `"learn_scales"` or `"freeze_scales"`; see `keras_efficient.set_mode`.
        kernel_regularizer, kernel_constraint: Of every factor, as in Keras.
        bias_initializer, bias_regularizer, bias_constraint: As in Keras.
    """

    def __init__(
        self,
        kernel_bits: int | None = None,
        activation_bits: int | None = None,
        bias_bits: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(kernel_bits, bias_bits, activation_bits, **kwargs)

    check_width = staticmethod(optional_bits)

    # Weights.

    def add_factor(self, name: str, shape: tuple[int, ...], initializer: Initializer) -> keras.Variable:
        """A factor, marked for `DiagonalRates`."""
        factor = self.add_kernel(name, shape, initializer)
        factor.is_structured_factor = True
        return factor

    def mark_compression(self, factors: Sequence[keras.Variable], dense_parameters: int) -> None:
        """Tell the optimizer how many times fewer numbers the factors are than a dense matrix."""
        ratio = sum(math.prod(factor.shape) for factor in factors) / dense_parameters
        for factor in factors:
            factor.compression_ratio = min(1.0, ratio)

    def add_weight_quantizers(self, factors: Sequence[keras.Variable], bias: keras.Variable | None) -> None:
        """A scale for each factor and the bias, in this order, where bits are given."""
        if self.kernel_bits is not None:
            for factor in factors:
                self.add_quantizer(factor.name, self.kernel_bits, weight=factor)
        if self.bias_bits is not None and bias is not None:
            self.add_quantizer(bias.name, self.bias_bits, weight=bias)

    def add_activation_quantizer(self, name: str = "activation", signed: bool = True) -> Quantizer | None:
        """The quantizer of an output, or None without `activation_bits`."""
        if self.activation_bits is None:
            return None
        return self.add_quantizer(name, self.activation_bits, signed=signed)

    def get_prunable_weights(self) -> list[keras.Variable]:
        """What a `Prunable` masks: numbers of the factors."""
        return [weight for weight in self.weights if getattr(weight, "is_structured_factor", False)]

    def value_of(self, variable: keras.Variable) -> Tensor:
        """A factor or the bias as it is multiplied, float32: on its grid in the quantized modes."""
        quantizer = self.grid_of(variable)
        values = quantizer(variable, self.current_mode) if quantizer else ops.convert_to_tensor(variable)
        return ops.cast(masked(values, variable), "float32")

    def grid_of(self, variable: keras.Variable | None) -> Quantizer | None:
        """The quantizer of a factor or of the bias, where bits are given."""
        return next((q for q in self.quantizers if q.weight is not None and q.weight is variable), None)

    # The matrix.

    def linear(self, x: Tensor) -> Tensor:
        """The linear part of the layer, without bias, of float32 rows (n, inputs)."""
        raise NotImplementedError

    def constant(self) -> Tensor | None:
        """What the layer adds to the linear part, (outputs,), or None."""
        return None

    @property
    def is_linear(self) -> bool:
        """Whether the layer is a matrix and a constant."""
        return True

    def dense_matrix(self) -> Tensor:
        """The matrix M (inputs, outputs), float32: `layer(x) == x @ M + layer(0)`.

        In the quantized modes it is made of the rounded factors; the output's own quantizer is no
        part of it.

        Raises:
            ValueError: If the layer is not built, or not linear.
        """
        self._check_matrix_exists("dense_matrix")
        return self.linear(ops.eye(self.input_spec.axes[-1], dtype="float32"))

    def fold(self) -> keras.layers.Layer:
        """A plain, built Keras layer with the same outputs, for frozen inference.

        Faster than this layer below some hundred (one layer) or some thousand (a stack of twelve)
        inputs; it stores inputs x outputs numbers.

        Raises:
            ValueError: If the layer is not built or not linear, or quantizes its output now.
        """
        self._check_matrix_exists("fold")
        if self.activation_bits is not None and self.current_mode.quantized:
            raise ValueError(
                f"`fold` of layer '{self.name}' would lose the quantizer of its output. "
                f"Received: activation_bits={self.activation_bits}, mode={self.mode!r}"
            )
        matrix, constant = self.dense_matrix(), self.constant()
        dense = keras.layers.Dense(
            matrix.shape[1], use_bias=constant is not None, name=f"{self.name}_folded", dtype=self.dtype_policy
        )
        dense.build((None, matrix.shape[0]))
        dense.set_weights([ops.convert_to_numpy(value) for value in (matrix, constant) if value is not None])
        return dense

    def _check_matrix_exists(self, method):
        if not self.built:
            raise ValueError(f"`{method}` needs a built layer: call '{self.name}' on an input, or build it, first.")
        if not self.is_linear:
            raise ValueError(
                f"`{method}` needs a linear layer, but '{self.name}' has something not linear between its factors. "
                f"{self.why_not_linear}"
            )

    @property
    def why_not_linear(self) -> str:
        """What was received and what would be right."""
        return ""

    def finish(self, y: Tensor, like: Tensor, quantizer: Quantizer | None) -> Tensor:
        """Rows (n, outputs) as the output: leading axes of `like`, on the grid, in the compute dtype."""
        if len(like.shape) > 2:
            y = ops.reshape(y, (*ops.shape(like)[:-1], y.shape[-1]))
        y = quantizer(y, self.current_mode) if quantizer else y
        return ops.cast(y, self.compute_dtype)


def rows_of(x: Tensor) -> Tensor:
    """Float32 rows (n, inputs) of a tensor (..., inputs)."""
    x = ops.cast(x, "float32")
    return x if len(x.shape) == 2 else ops.reshape(x, (-1, x.shape[-1]))
