"""GroupedShuffleDense: block-diagonal matrices with shuffles after them."""

from typing import Any

import keras
from keras import initializers, ops

from keras_efficient.checks import positive_integer
from keras_efficient.layers.acdc.transform_layer import TransformLayer, rows_of
from keras_efficient.layers.quantized.units_layer import UnitsLayer
from keras_efficient.layers.quantized.weighted_layer import own_copy
from keras_efficient.ops.blocks import block_product, shuffle_groups
from keras_efficient.type_aliases import Initializer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class GroupedShuffleDense(UnitsLayer, TransformLayer):
    """A structured linear layer of `depth` grouped products, each followed by a shuffle.

        y = x B_1 P B_2 P ... B_depth P + bias

    B_k is block-diagonal with `groups` blocks; P writes entry i of group g at place i groups + g,
    so that each group of the next product sees all groups of the last. Inputs and outputs that
    are no multiple of `groups` are padded by zeros and truncated.

    Source: the channel shuffle of Zhang et al., "ShuffleNet", CVPR 2018, as a dense layer in a
    PyTorch study of ACDC, 2018.

    Args:
        units: Number of outputs.
        groups: Number of blocks.
        depth: Number of products; two let every output depend on every input (if the groups are
            no smaller than their number).
        use_bias: Whether to add a bias to the output.
        kernel_initializer: Keras initializer of each block.
        kernel_bits, activation_bits, bias_bits, mode, regularizers, constraints: See `TransformLayer`.

    Input shape: (batch, ..., inputs). Output shape: (batch, ..., units).

    Weights: kernel_1 (groups, inputs / groups, units / groups), kernel_k (groups, units / groups,
    units / groups), sizes rounded up; bias (units,); then the log2 scales in the same order, and
    of the output, where bits are given.

    Raises:
        ValueError: If the number of inputs is not known, or an argument is wrong.
    """

    config_keys = ["groups", "depth", "use_bias", "kernel_initializer"]

    def __init__(
        self,
        units: int,
        groups: int = 2,
        depth: int = 2,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ):
        super().__init__(units, **kwargs)
        self.groups = positive_integer(groups, "groups")
        self.depth = positive_integer(depth, "depth")
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)

    def build(self, input_shape: Shape) -> None:
        inputs = self.fix_inputs(input_shape)
        sizes = [-(-size // self.groups) for size in (inputs, *[self.units] * self.depth)]
        self.kernels = [
            self.add_factor(f"kernel_{k + 1}", (self.groups, *sizes[k : k + 2]), self._initial_blocks)
            for k in range(self.depth)
        ]
        self.mark_compression(self.kernels, inputs * self.units)
        self.bias = self.add_bias((self.units,)) if self.use_bias else None
        self.add_weight_quantizers(self.kernels, self.bias)
        self.activation_quantizer = self.add_activation_quantizer()

    def _initial_blocks(self, shape, dtype=None):
        # Block by block: an initializer would take the groups for part of the fan.
        return ops.stack([own_copy(self.kernel_initializer)(shape[1:], dtype=dtype) for _ in range(shape[0])])

    def call(self, inputs: Tensor) -> Tensor:
        y = self.linear(rows_of(inputs))
        y = y + self.value_of(self.bias) if self.use_bias else y
        return self.finish(y, inputs, self.activation_quantizer)

    def linear(self, x: Tensor) -> Tensor:
        missing = -x.shape[-1] % self.groups
        x = ops.pad(x, [(0, 0), (0, missing)]) if missing else x
        for kernel in self.kernels:
            x = shuffle_groups(block_product(x, self.value_of(kernel)), self.groups)
        return x[:, : self.units]

    def constant(self) -> Tensor | None:
        return self.value_of(self.bias) if self.use_bias else None
