"""The shared half of the layers that ACDC is compared with: two factors, N to N."""

from typing import Any

from keras_efficient.layers.acdc.near_identity import NearIdentity
from keras_efficient.layers.acdc.transform_layer import TransformLayer, rows_of
from keras_efficient.layers.arguments import non_negative_number, positive_integer
from keras_efficient.type_aliases import Config, Shape, Tensor


class ComparisonLayer(TransformLayer):
    """A square layer of two factors a and d.

    Args:
        use_bias: Whether to add a bias to the output.
        initial_deviation: The factors start as the identity plus normal noise of this standard
            deviation (in blocks: of the sum over a row).
        kernel_bits, activation_bits, bias_bits, mode, regularizers, constraints: See `TransformLayer`.
    """

    has_blocks = False
    is_complex = False

    def __init__(self, use_bias: bool, initial_deviation: float = 0.06, **kwargs: Any):
        super().__init__(**kwargs)
        self.use_bias = bool(use_bias)
        self.initial_deviation = non_negative_number(initial_deviation, "initial_deviation")
        self.supports_masking = True

    def factor_shape(self, size: int) -> tuple[int, ...]:
        """The shape of a and of d."""
        raise NotImplementedError

    def product(self, x: Tensor, a: Tensor, d: Tensor) -> Tensor:
        """Rows (n, N) times the two factors and the transforms."""
        raise NotImplementedError

    def build(self, input_shape: Shape) -> None:
        size = self.fix_inputs(input_shape)
        shape = self.factor_shape(size)
        self.a, self.d = (self.add_factor(name, shape, self._near_identity()) for name in "ad")
        self.mark_compression([self.a, self.d], size * size)
        self.bias = self.add_bias((size,)) if self.use_bias else None
        self.add_weight_quantizers([self.a, self.d], self.bias)
        self.activation_quantizer = self.add_activation_quantizer()

    def _near_identity(self):
        return NearIdentity(self.initial_deviation, self.has_blocks, self.is_complex)

    def call(self, inputs: Tensor) -> Tensor:
        y = self.linear(rows_of(inputs))
        y = y + self.value_of(self.bias) if self.use_bias else y
        return self.finish(y, inputs, self.activation_quantizer)

    def linear(self, x: Tensor) -> Tensor:
        return self.product(x, self.value_of(self.a), self.value_of(self.d))

    def constant(self) -> Tensor | None:
        return self.value_of(self.bias) if self.use_bias else None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> Config:
        return {**super().get_config(), "use_bias": self.use_bias, "initial_deviation": self.initial_deviation}


class BlockLayer(ComparisonLayer):
    """A comparison layer whose factors are block-diagonal matrices of `groups` equal blocks."""

    has_blocks = True

    def __init__(self, groups: int, use_bias: bool, **kwargs: Any):
        super().__init__(use_bias, **kwargs)
        self.groups = positive_integer(groups, "groups")

    def block_shape(self, size: int) -> tuple[int, int, int]:
        """(groups, m, m): blocks of m = size / groups inputs and outputs."""
        if size % self.groups:
            raise ValueError(
                f"`groups` must divide the {size} inputs of layer '{self.name}'. Received: groups={self.groups}"
            )
        return (self.groups, size // self.groups, size // self.groups)

    def get_config(self) -> Config:
        return {**super().get_config(), "groups": self.groups}
