"""The shared half of ACDCDense and ACDCConv2D: a deep stack between any two sizes."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import activations, ops

from keras_efficient.checks import one_of, positive_integer
from keras_efficient.layers.acdc.cosine_layer import CosineLayer
from keras_efficient.layers.quantized.kernel_layer import may_be_negative
from keras_efficient.type_aliases import Activation, Shape, Tensor

EXPANSIONS = ("tile", "pad")


class DeepLayer(CosineLayer):
    """A stack of `depth` ACDC layers of N entries, from any number of inputs to any of outputs.

    N is the larger of the two, rounded up to a multiple of `groups`. Missing inputs are filled by
    the inputs again (`expand="tile"`) or zeros (`"pad"`); outputs beyond the last are dropped.

    Args:
        depth: Number of ACDC layers.
        activation: Keras activation between the layers, not after the last one; None is linear.
            It must work on each entry alone.
        expand: `"tile"` or `"pad"`.
        transform, permutation, bias, seed, order, groups, algorithm, diagonal_initializer: See
            `CosineLayer`.
        kernel_bits, activation_bits, bias_bits, mode, regularizers, constraints: See `TransformLayer`.
            `activation_bits` also round what goes from layer to layer.
    """

    config_keys = ["depth", "activation", "expand"]

    def __init__(
        self,
        depth: int = 12,
        transform: str = "dct",
        permutation: str | None = "random",
        activation: Activation = "relu",
        bias: str | None = "output",
        seed: int = 0,
        order: str = "paper",
        groups: int = 1,
        expand: str = "tile",
        **kwargs: Any,
    ):
        super().__init__(transform, permutation, bias, order, groups, seed, **kwargs)
        self.depth = positive_integer(depth, "depth")
        self.activation = activations.get(activation)
        self.expand = one_of(expand, "expand", EXPANSIONS)

    def build_stack(
        self, inputs: int, outputs: int, smallest_input: Shape, before: Sequence[keras.Variable] = ()
    ) -> None:
        """The stack, its weights, the scales of the weights `before` and of these, and all other grids.

        `smallest_input`: See `add_inner_quantizers`.
        """
        size = -(-max(inputs, outputs) // self.groups) * self.groups
        self.outputs = outputs
        self.stack = self.make_stack(size, self.depth)
        self.add_diagonals((self.depth, size), inputs * outputs, before)
        inner_signed = may_be_negative(self.activation)
        inner = [self.add_activation_quantizer(f"activation_{k + 1}", inner_signed) for k in range(self.depth - 1)]
        self.output_quantizers = [*inner, self.add_activation_quantizer()]
        self.add_inner_quantizers(smallest_input)

    @property
    def is_linear(self) -> bool:
        rounds = self.activation_bits is not None and self.current_mode.quantized
        return self.depth == 1 or (self.activation is activations.linear and not rounds)

    @property
    def why_not_linear(self) -> str:
        return (
            "Right would be activation=None (and no activation_bits in the quantized modes), or depth=1. Received: "
            f"depth={self.depth}, activation={self.activation.__name__!r}, activation_bits={self.activation_bits}, "
            f"mode={self.mode!r}"
        )

    def deep_rows(self, x: Tensor, with_bias: bool = True, as_matrices: bool = False) -> Tensor:
        """Rows (n, inputs) through the whole stack: rows (n, outputs)."""
        y = self.run_stack(self._expanded(x), with_bias, self._between, as_matrices)
        return y[:, : self.outputs]

    def stack_rows(self, x: Tensor, first: int = 0) -> Tensor:
        """What a call computes of rows (n, inputs); inner products are rounded where they have grids. `first`: the
        number of the first grid within the stack."""
        if not self.inner_quantizers:
            return self.deep_rows(x)
        return self.rounded_rows(self._expanded(x), self._between, first)[:, : self.outputs]

    def linear(self, x: Tensor) -> Tensor:
        return self.deep_rows(x, with_bias=False)

    def constant(self) -> Tensor | None:
        return None if self.bias is None else self.deep_rows(ops.zeros((1, self._inputs), dtype="float32"))[0]

    @property
    def _inputs(self):
        return self.input_spec.axes[-1]

    def _expanded(self, x):
        size, inputs = self.stack.size, self._inputs
        if inputs == size:
            return x
        if self.expand == "pad":
            return ops.pad(x, [(0, 0), (0, size - inputs)])
        return ops.concatenate([x] * (size // inputs) + [x[:, : size % inputs]], axis=-1)

    def _between(self, layer, x):
        x = self.activation(x)
        quantizer = self.output_quantizers[layer]
        return quantizer(x, self.current_mode) if quantizer else x
