"""Quantized layers that own kernels and biases: their arguments and how weights are made."""

from typing import Any

import keras
from keras import constraints, initializers, ops, regularizers

from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.ops.quantize import HALF_PRECISION, check_bits
from keras_efficient.type_aliases import Constraint, Initializer, Regularizer


class WeightedLayer(QuantizedLayer):
    """A quantized layer with kernels and biases.

    Args:
        kernel_bits, bias_bits, activation_bits: Widths in bits, 1 to 16.
        mode: See `QuantizedLayer`.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
        kernel_constraint, bias_constraint: As in Keras. They act on the float weights.
    """

    config_keys = [
        *("kernel_bits", "bias_bits", "activation_bits", "bias_initializer"),
        *("kernel_regularizer", "bias_regularizer", "kernel_constraint", "bias_constraint"),
    ]

    def __init__(
        self,
        kernel_bits: int | None = 4,
        bias_bits: int | None = 8,
        activation_bits: int | None = 4,
        mode: str = "float",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        **kwargs: Any,
    ):
        super().__init__(mode=mode, **kwargs)
        self.kernel_bits = self.check_width(kernel_bits, "kernel_bits")
        self.bias_bits = self.check_width(bias_bits, "bias_bits")
        self.activation_bits = self.check_width(activation_bits, "activation_bits")
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    @staticmethod
    def check_width(bits: int | None, name: str) -> int | None:
        """`bits` as the layer keeps it, or a ValueError. Families with float parts also take None."""
        return check_bits(bits, name)

    def add_kernel(self, name: str, shape: tuple[int, ...], initializer: Initializer) -> keras.Variable:
        """A float kernel. It is rounded in float32 under any dtype policy, as in the export."""
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            autocast=False,
        )

    def drawn_in_float32(self, initializer: Any) -> Initializer:
        """A copy of an initializer: no backend makes orthogonal kernels in all half-precision dtypes."""
        initializer = own_copy(initializer)
        if self.variable_dtype not in HALF_PRECISION:
            return initializer
        return lambda shape, dtype: ops.cast(initializer(shape, dtype="float32"), dtype)

    def add_bias(self, shape: tuple[int, ...], name: str = "bias") -> keras.Variable:
        """A float bias."""
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
            autocast=False,
        )


def own_copy(initializer: Any) -> Any:
    """An initializer with other numbers, but for one with a seed of the user's.

    An initializer gives the same numbers each time it is called: two weights that share one would start equal.
    """
    return initializer.clone() if hasattr(initializer, "clone") else initializer
