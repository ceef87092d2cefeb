"""ACDCConv2D: a convolution whose mixing of channels is a stack of ACDC layers."""

import math
from typing import Any

import keras
from keras import initializers, ops

from keras_efficient.checks import positive_integer
from keras_efficient.kinds.acdc_stages import convolution_stages
from keras_efficient.layers.acdc.deep_layer import DeepLayer
from keras_efficient.layers.acdc.transform_layer import rows_of
from keras_efficient.layers.arguments import padding_name
from keras_efficient.layers.quantized.window_layer import WindowLayer
from keras_efficient.ops.depthwise_conv import depthwise_conv
from keras_efficient.type_aliases import Activation, Initializer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class ACDCConv2D(WindowLayer, DeepLayer):
    """A 1x1 convolution by ACDC layers; larger kernels are depthwise first (channels last).

        u[b, i, j, c] = sum_rs x[b, i sr + r, j sc + s, c] kernel[r, s, c]
        y[b, i, j, :] = the stack of `ACDCDense` on u[b, i, j, :]

    A 1x1 kernel has no depthwise part: u is `x` at the strides. The depthwise part has no bias.
    With more positions (batch x rows x columns, as far as known) than channels, a linear stack is
    first turned into its matrix, which then multiplies all positions; so are the single layers of
    another stack where their transform is a product of matrices anyway.

    Source: as `ACDC`; the depthwise form is a later study's of convolutional networks.

    Args:
        filters: Number of output channels.
        kernel_size: Integer or pair (rows, columns).
        depth, transform, permutation, activation, bias, seed: See `ACDCDense`; the activation
            stands between the layers of the stack, not after the convolution.
        strides: Integer or pair (sr, sc).
        padding: `"valid"` or `"same"`.
        depthwise_initializer: Keras initializer of the depthwise kernel.
        order, groups, expand: See `DeepLayer`.
        algorithm, diagonal_initializer: See `CosineLayer`.
        kernel_bits, activation_bits, bias_bits, mode, regularizers, constraints: See `TransformLayer`.

    Input shape: (batch, rows, columns, channels). Output shape: (batch, new rows, new columns, filters).

    Weights: kernel (rows, columns, channels, 1) unless it is 1x1, a (depth, N), d (depth, N),
    bias (depth, N) with N = max(channels, filters), then the log2 scales in the same order, of
    what goes from layer to layer, and of the output where bits are given, and of the inner products.

    Raises:
        ValueError: If the input is no image of known channels, a window is larger than it, or an argument is wrong.
    """

    config_keys = ["filters", "depthwise_initializer"]

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int] = 1,
        depth: int = 12,
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        transform: str = "dct",
        permutation: str | None = "random",
        activation: Activation = "relu",
        bias: str | None = "output",
        seed: int = 0,
        depthwise_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ):
        stack = (depth, transform, permutation, activation, bias, seed)
        super().__init__(kernel_size, strides, padding_name(padding), *stack, **kwargs)
        self.filters = positive_integer(filters, "filters")
        self.depthwise_initializer = initializers.get(depthwise_initializer)

    def build(self, input_shape: Shape) -> None:
        channels = self.fix_inputs(input_shape, self.places)
        self.kernel = None
        if self.is_depthwise:
            self.kernel = self.add_kernel("kernel", (*self.kernel_size, channels, 1), self.depthwise_initializer)
        before = [self.kernel] if self.is_depthwise else []
        self.build_stack(channels, self.filters, (*self.kernel_size, channels), before)

    stages_of = staticmethod(convolution_stages)

    @property
    def factors(self) -> list[keras.Variable]:
        return [*([self.kernel] if self.is_depthwise else []), *super().factors]

    @property
    def is_depthwise(self) -> bool:
        """Whether a depthwise convolution comes first."""
        return self.kernel_size != (1, 1)

    def get_prunable_weights(self) -> list[keras.Variable]:
        """What a `Prunable` masks: the depthwise kernel and numbers of the factors."""
        return [*([self.kernel] if self.is_depthwise else []), *super().get_prunable_weights()]

    def computed(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        u = self._gathered(ops.cast(inputs, "float32"))
        return self._mixed(rows_of(u), math.prod(size for size in u.shape[:3] if size is not None)), u

    def _gathered(self, x):
        """One pixel for each pixel of the output."""
        if self.is_depthwise:
            u = depthwise_conv(x, self.value_of(self.kernel), self.strides, self.padding)
            return self.inner_quantizers[0](u, self.current_mode) if self.inner_quantizers else u
        return x[:, :: self.strides[0], :: self.strides[1]]

    def _mixed(self, rows, positions):
        if self.inner_quantizers:
            return self.stack_rows(rows, first=int(self.is_depthwise))
        many = positions > self.stack.size
        if not (many and self.is_linear):
            return self.deep_rows(rows, as_matrices=many and self.stack.block.is_matrix)
        y = ops.matmul(rows, self.dense_matrix())
        return y if self.bias is None else y + self.constant()

    def dense_matrix(self) -> Tensor:
        """The matrix M (channels, filters) of the stack: all of the layer, if its kernel is 1x1.

        See `TransformLayer.dense_matrix`.
        """
        return super().dense_matrix()

    def fold(self) -> keras.layers.Conv2D:
        """A plain, built Conv2D with the same outputs; see `TransformLayer.fold`."""
        dense = super().fold()
        matrix, *bias = dense.get_weights()
        window = ops.convert_to_numpy(self.value_of(self.kernel)) if self.is_depthwise else 1.0
        conv = keras.layers.Conv2D(
            self.filters,
            self.kernel_size,
            self.strides,
            self.padding,
            data_format="channels_last",
            use_bias=self.bias is not None,
            name=dense.name,
            dtype=self.dtype_policy,
        )
        conv.build((None, None, None, matrix.shape[0]))
        conv.set_weights([window * matrix[None, None], *bias])
        return conv
