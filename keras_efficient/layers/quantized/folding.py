"""Layers of one kernel with a scale per filter, and with a batch normalization folded into the kernel."""

from typing import Any

import keras
from keras import ops

from keras_efficient.layers.masking import masked
from keras_efficient.layers.quantized.kernel_layer import KernelLayer
from keras_efficient.type_aliases import Config, Tensor


class FoldingLayer(KernelLayer):
    """A `KernelLayer` whose kernel may have a scale per filter, and take in a batch normalization.

        float mode       y = activation(batch_norm(x * kernel + bias))
        quantized modes  y = q_a(activation(x * q_k(kernel g) + q_b((bias - mean) g + beta)))

    with g = gamma / sqrt(variance + epsilon), one number per output channel, and `mean`, `variance`
    the moving ones. So quantized training sees the kernel that is exported. It trains gamma and beta,
    and leaves the moving statistics as the float stage left them (their batch values would make the
    kernel another one in every batch). Source of the folding: Jacob et al., CVPR 2018, section 3.2.

    Args:
        activation, signed_output, use_bias: See `KernelLayer`.
        kernel_bits, bias_bits, activation_bits, mode, initializers, regularizers, constraints:
            See `WeightedLayer`; the kernel starts orthogonal, the bias at zero.
        per_channel: Whether each output channel of the kernel has a scale of its own (a power of two
            as all scales are, so channels differ by a shift).
        batch_norm: A `keras.layers.BatchNormalization` over the last axis that this layer takes in, or
            None. What follows of its output shape is up to this layer.
        frozen_statistics: Whether training in float mode leaves the statistics of `batch_norm` as they are, and
            computes with them.

    Weights: kernel, bias, log2 scales of kernel (a scalar, or one number per output channel), bias and
    output; then those of `batch_norm`.
    """

    # None is for other families.
    kernel_bits: int
    bias_bits: int
    activation_bits: int
    config_keys = ["per_channel", "batch_norm", "frozen_statistics"]

    def __init__(
        self,
        *args: Any,
        per_channel: bool = False,
        batch_norm: keras.layers.BatchNormalization | None = None,
        frozen_statistics: bool = False,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.per_channel = bool(per_channel)
        self.batch_norm = _own_batch_norm(batch_norm, self.dtype_policy)
        self.frozen_statistics = bool(frozen_statistics)

    def outputs_of(self, kernel_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape in which one number per output channel meets the kernel: here its last axis."""
        return kernel_shape[-1:]

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        """The linear part of the layer without the bias."""
        raise NotImplementedError

    def add_weights(self, kernel_shape: tuple[int, ...], outputs: int, rank: int) -> None:
        """Create kernel, bias and scales, in the order of `layer.weights`; `rank` is the output's."""
        if self.batch_norm is not None:
            _build_batch_norm(self.batch_norm, outputs, rank, self.name)
        self.kernel = self.add_kernel("kernel", kernel_shape, self.drawn_in_float32(self.kernel_initializer))
        self.bias = self.add_bias((outputs,)) if self.use_bias else None
        scales = self.outputs_of(kernel_shape) if self.per_channel else ()
        self.kernel_quantizer = self.add_quantizer(
            "kernel", self.kernel_bits, weight=self.kernel, read=self.folded_kernel, shape=scales
        )
        self.bias_quantizer = None
        if self.has_bias:
            weight = self.bias if self.use_bias else self.batch_norm.moving_mean
            self.bias_quantizer = self.add_quantizer("bias", self.bias_bits, weight=weight, read=self.folded_bias)
        self.activation_quantizer = self.add_quantizer("activation", self.activation_bits, signed=self.output_is_signed)

    @property
    def has_bias(self) -> bool:
        """Whether the quantized layer adds a bias: its own, or what a batch normalization leaves."""
        return self.use_bias or self.batch_norm is not None

    def weighted_sums(self, inputs: Tensor) -> Tensor:
        """Kernel, bias and batch normalization, before the activation and the output quantizer."""
        x = self.apply_kernel(inputs, self._current(self.kernel_quantizer))
        if self.bias_quantizer is not None and self.current_mode.quantized:
            return ops.add(x, self.quantize_weight(self.bias_quantizer))
        x = ops.add(x, self._current(self.bias_quantizer)) if self.use_bias else x
        # A filter that was pruned gives zeros, not the constant that a normalization makes of them.
        if self.batch_norm is None:
            return x
        y = self.batch_norm(x, training=False) if self.frozen_statistics else self.batch_norm(x)
        return masked(y, self.batch_norm.moving_mean)

    def get_prunable_biases(self) -> list[keras.Variable]:
        """What goes with whole filters that a `Prunable` masks."""
        norm = self.batch_norm
        candidates = (self.bias, *(() if norm is None else (norm.moving_mean, norm.beta)))
        return [variable for variable in candidates if variable is not None]

    def _current(self, quantizer):
        """The rounded weight with all that is folded into it, or the bare weight in float mode."""
        if self.current_mode.quantized:
            return self.quantize_weight(quantizer)
        return ops.cast(masked(quantizer.weight, quantizer.weight), self.compute_dtype)

    def folded_kernel(self) -> Tensor:
        """The float kernel times the gain of the batch normalization, before rounding."""
        if self.batch_norm is None:
            return self.kernel
        return self.kernel * ops.reshape(self._gain(), self.outputs_of(tuple(self.kernel.shape)))

    def folded_bias(self) -> Tensor | None:
        """The float bias with what the batch normalization adds, before rounding."""
        if self.batch_norm is None:
            return self.bias
        centered = (self.bias if self.use_bias else 0.0) - self.batch_norm.moving_mean
        folded = centered * self._gain()
        return folded if self.batch_norm.beta is None else folded + self.batch_norm.beta

    def _gain(self):
        gain = ops.rsqrt(self.batch_norm.moving_variance + self.batch_norm.epsilon)
        return gain if self.batch_norm.gamma is None else self.batch_norm.gamma * gain

    def get_config(self) -> Config:
        batch_norm = self.batch_norm
        if batch_norm is not None:  # what Keras adds about its weights would build it before this layer
            serialized = keras.saving.serialize_keras_object(batch_norm)
            batch_norm = {key: value for key, value in serialized.items() if key != "build_config"}
        return {**super().get_config(), "batch_norm": batch_norm}


def _own_batch_norm(batch_norm, dtype_policy):
    if isinstance(batch_norm, dict):
        batch_norm = keras.saving.deserialize_keras_object(batch_norm)
    if batch_norm is None:
        return None
    if isinstance(batch_norm, keras.layers.BatchNormalization):
        return type(batch_norm).from_config({**batch_norm.get_config(), "dtype": dtype_policy})
    raise TypeError(
        f"`batch_norm` must be a keras.layers.BatchNormalization or None. Received: batch_norm={batch_norm!r}"
    )


def _build_batch_norm(batch_norm, channels, rank, layer_name):
    if batch_norm.axis not in (-1, rank - 1):
        raise ValueError(
            f"Layer '{layer_name}' takes in a batch normalization over the last axis only. "
            f"Received: batch_norm with axis={batch_norm.axis}"
        )
    batch_norm.build((None,) * (rank - 1) + (channels,))
    # The kernel is rounded in float32 under any dtype policy, and so is what is folded into it.
    for variable in batch_norm.variables:
        variable._autocast = False
