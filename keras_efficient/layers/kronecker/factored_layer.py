"""What the layers with a factored kernel share: their factors, the bias and the quantizers."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import initializers, ops

from keras_efficient.kinds.stages import adds_bias
from keras_efficient.layers.arguments import optional_bits
from keras_efficient.layers.masking import masked
from keras_efficient.layers.quantized.kernel_layer import KernelLayer
from keras_efficient.layers.quantized.staged_layer import StagedLayer
from keras_efficient.layers.quantized.units_layer import UnitsLayer
from keras_efficient.type_aliases import Activation, Initializer, Shape, SignedOutput, Tensor


class FactoredLayer(StagedLayer, KernelLayer):
    """A layer whose kernel W is made of small factors and is never built.

        y = q_a(activation(x W' + q_b(bias)))

    with W made of the factors, each rounded by its own quantizer q_k. x is multiplied by one factor after another.
    Where these are rounded, each product but the last is rounded to a signed grid of its own, too (`inner_bits`), and
    so is the last one where it gives the outputs in parts, before the bias is added.

    Args:
        activation: Keras activation (name or function); None is linear.
        use_bias: Whether to add a bias.
        kernel_bits: Width of the factors in bits, 1 to 16; None keeps them float in every mode.
        bias_bits, activation_bits: The same for the bias and the output.
        signed_output: See `KernelLayer`; used with `activation_bits` only.
        mode: See `QuantizedLayer`.
        inner_bits: Width in bits, 1 to 16, of the inner products, where `kernel_bits` are given. None: the widest up to
            16 with which the next product stays within the 24 bits that float32 holds exactly (a wider one is named in
            `IntegerModel.inexact_layers`). False: they are not rounded, as in files that are older than this argument;
            such a layer has no integers and no C.
        kernel_initializer: Makes each factor. None draws all of them normal, with the deviation
            that gives the entries of W the variance of `glorot_normal`.
        kernel_regularizer, kernel_constraint: Act on each factor.
        **kwargs: `bias_initializer`, `bias_regularizer`, `bias_constraint` and what every Keras
            layer takes.

    Weights: the factors, bias, then the log2 scales (scalars) of those that have a width: one per
    factor, bias, output, then one per inner product.
    """

    def __init__(
        self,
        activation: Activation = None,
        use_bias: bool = True,
        kernel_bits: int | None = None,
        bias_bits: int | None = None,
        activation_bits: int | None = None,
        signed_output: SignedOutput = "auto",
        mode: str = "float",
        kernel_initializer: Initializer = None,
        **kwargs: Any,
    ):
        widths = (kernel_bits, bias_bits, activation_bits)
        super().__init__(activation, *widths, signed_output, mode, use_bias, kernel_initializer, **kwargs)

    check_width = staticmethod(optional_bits)

    def product(self, x: Tensor, *factors: Tensor) -> Tensor:
        """`x W'` for a matrix or image x, from the factors in the order of the weights."""
        raise NotImplementedError

    why_no_stages = (
        "its inner products are not rounded. Right would be a layer of the Kronecker layout, made with kernel_bits and "
        "without inner_bits=False"
    )

    @property
    def output_activation(self) -> Callable[[Tensor], Tensor]:
        """The function before the output's grid."""
        return self.activation

    @property
    def between(self) -> Callable[[int, Tensor], Tensor] | None:
        """What rounds the inner products; None where nothing does."""
        return self.rounded_inner if self.inner_quantizers else None

    @property
    def calculation_dtype(self) -> str:
        """The dtype of the factors and of the input in `product`."""
        return self.compute_dtype

    def add_factors(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        outputs: int,
        paths: float,
        fans: tuple[int, int],
        smallest_input: Shape = (),
    ) -> None:
        """Create the factors, bias and scales, in the order of `layer.weights`.

        Args:
            shapes: The shape of each factor by its name.
            outputs: Numbers in the bias.
            paths: How many products of one number of each factor an entry of W is the sum of, on average.
            fans: Inputs and outputs of W that one output and one input see.
            smallest_input: Shape of an input without the batch, of known sizes, where the layer has stages.
        """
        deviation = (2 / sum(fans) / paths) ** (0.5 / len(shapes))
        balanced = initializers.RandomNormal(stddev=deviation)
        initializer = self.kernel_initializer or balanced
        self.factors = [
            self.add_kernel(name, shape, self.drawn_in_float32(initializer)) for name, shape in shapes.items()
        ]
        self.bias = self.add_bias((outputs,)) if self.use_bias else None
        self.factor_quantizers = [self._add_weight_quantizer(w, self.kernel_bits) for w in self.factors]
        self.bias_quantizer = self._add_weight_quantizer(self.bias, self.bias_bits)
        self.activation_quantizer = None
        if self.activation_bits is not None:
            self.activation_quantizer = self.add_quantizer("activation", self.activation_bits, self.output_is_signed)
        self.output_quantizers = [self.activation_quantizer]
        self.add_inner_quantizers(smallest_input)

    def _add_weight_quantizer(self, weight, bits):
        if weight is None or bits is None:
            return None
        return self.add_quantizer(weight.name, bits, weight=weight)

    def get_prunable_weights(self) -> list[keras.Variable]:
        """What a `Prunable` masks: numbers of the factors."""
        return self.factors

    def weighted_sums(self, inputs: Tensor) -> Tensor:
        """The product with W and the bias, before the activation and the output quantizer."""
        y = self.product(ops.cast(inputs, self.calculation_dtype), *self.current_factors())
        if adds_bias(self.stages):
            y = self.rounded_inner(-1, y)
        y = ops.cast(y, self.compute_dtype)
        return y if self.bias is None else ops.add(y, self._current(self.bias, self.bias_quantizer, self.compute_dtype))

    def current_factors(self) -> list[Tensor]:
        """The factors, on their grids in the quantized modes, in the order of the weights."""
        pairs = zip(self.factors, self.factor_quantizers, strict=True)
        return [self._current(factor, quantizer, self.calculation_dtype) for factor, quantizer in pairs]

    def _current(self, weight, quantizer, dtype):
        values = weight if quantizer is None else quantizer(weight, self.current_mode)
        return ops.cast(masked(values, weight), dtype)

    def warn_of_waste(self, rank: int, **products: tuple[int, int]) -> None:
        """Warn about each product of two factors, `name=(rows, columns)`, that stores no less than its result."""
        for name, (rows, columns) in products.items():
            stored = rank * (rows + columns)
            if stored >= rows * columns:
                warnings.warn(
                    f"Layer '{self.name}': rank={rank} is wasted on {name}, a {rows} x {columns} matrix: its factors "
                    f"store {stored} numbers instead of {rows * columns}, and no rank above {min(rows, columns)} "
                    "adds anything",
                    stacklevel=4,
                )


class FactoredDense(UnitsLayer, FactoredLayer):
    """A `FactoredLayer` on the last axis of its input, as `keras.layers.Dense`."""

    def weighted_sums(self, inputs: Tensor) -> Tensor:
        if len(inputs.shape) == 2:
            return super().weighted_sums(inputs)
        rows = super().weighted_sums(ops.reshape(inputs, (-1, inputs.shape[-1])))
        return ops.reshape(rows, (*ops.shape(inputs)[:-1], self.units))

    def dense_kernel(self) -> Tensor:
        """The kernel as `keras.layers.Dense` holds it, (inputs, units), for tests and export.

        In the quantized modes it is made of the rounded factors:
        `layer(x) == activation(x @ dense_kernel() + bias)` before the output quantizer.
        """
        return ops.transpose(self.matrix(*self.current_factors()))

    def matrix(self, *factors: Tensor) -> Tensor:
        """W, (units, inputs), from the factors in the order of the weights."""
        raise NotImplementedError
