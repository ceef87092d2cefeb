"""PHMConv2D: a convolution with a sum of Kronecker products over its channels."""

from typing import Any

import keras
from keras import ops

from keras_efficient.checks import positive_integer
from keras_efficient.kinds.factors import check_divisor, factor_sizes
from keras_efficient.kinds.kronecker_stages import convolution_stages
from keras_efficient.kinds.windows import Padding
from keras_efficient.layers.kronecker.factored_layer import FactoredLayer
from keras_efficient.layers.quantized.window_layer import DilatedLayer
from keras_efficient.ops.kronecker import kronecker_conv
from keras_efficient.type_aliases import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class PHMConv2D(DilatedLayer, FactoredLayer):
    """A two-dimensional convolution whose kernel is a sum of Kronecker products at each tap.

        kernel[r, c]' = sum_i A_i kron B_i[r, c],    A_i (p, q), B_i[r, c] (s, t)

    with p s = filters and q t = channels: A mixes groups of channels, the same way at each tap, and
    B is a small convolution within them. It stores terms (p q + taps s t) numbers instead of
    taps p q s t. Source: Grassucci et al., "PHNNs: Lightweight Neural Networks via Parameterized
    Hypercomplex Convolutions" (2022), where p = q = terms.

    Args:
        filters: Number of output channels.
        kernel_size: Integer or pair (rows, columns).
        terms: Number of Kronecker products.
        p: Divisor of `filters`; None takes the largest one up to its square root.
        q: Divisor of the input channels; None in the same way.
        strides: Integer or pair.
        padding: `"valid"`, `"same"`, or the zeros around the map, as in `ConvQ`.
        dilation_rate: Integer or pair; with strides of 1 only.
        **kwargs: `activation`, `use_bias`, `kernel_bits`, ...: see `FactoredLayer`.

    Input shape: (batch, rows, columns, channels). Output shape: (batch, new rows, new columns, filters).

    Weights: A (terms, p, q), B (terms, s, t, rows, columns), bias (filters,), then the log2 scales.

    Raises:
        ValueError: If p does not divide `filters` or q the channels; the text names the nearest divisors.
    """

    config_keys = ["filters", "terms", "p", "q"]

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        terms: int = 1,
        p: int | None = None,
        q: int | None = None,
        strides: int | tuple[int, int] = 1,
        padding: Padding = "valid",
        **kwargs: Any,
    ):
        super().__init__(kernel_size, strides, padding, **kwargs)
        self.filters = positive_integer(filters, "filters")
        self.terms = positive_integer(terms, "terms")
        self.p = None if p is None else check_divisor(positive_integer(p, "p"), "p", self.filters, "the filters")
        self.q = None if q is None else positive_integer(q, "q")

    stages_of = staticmethod(convolution_stages)

    def build(self, input_shape: Shape) -> None:
        channels = self.fix_inputs(input_shape, self.places)
        p, q, s, t = factor_sizes(self.filters, channels, self.p, self.q)
        rows, columns = self.kernel_size
        shapes = {"A": (self.terms, p, q), "B": (self.terms, s, t, rows, columns)}
        fans = (rows * columns * channels, rows * columns * self.filters)
        self.add_factors(shapes, self.filters, self.terms, fans, (*self.window.extents, channels))

    def product(self, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        x, padding = self.padded(x)
        return kronecker_conv(x, a, b, self.strides, padding, self.dilation_rate, self.between)

    def dense_kernel(self) -> Tensor:
        """The kernel as `keras.layers.Conv2D` holds it, (rows, columns, channels, filters), for tests
        and export; in the quantized modes of the rounded factors."""
        a, b = self.current_factors()
        (_, p, q), (_, s, t, *window) = a.shape, b.shape
        return ops.reshape(ops.einsum("ipq,istrc->rcqtps", a, b), (*window, q * t, p * s))
