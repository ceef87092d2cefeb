"""What the random-basis layers share: the kernel from the seed and the coordinates."""

import math
from typing import Any

import keras
from keras import activations, ops

from keras_efficient.checks import integer, positive_integer
from keras_efficient.kinds.random_basis import COORDINATE_BITS
from keras_efficient.layers.arguments import optional_bits
from keras_efficient.layers.masking import masked
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.layers.quantized.kernel_layer import check_signed_output, may_be_negative
from keras_efficient.layers.random_basis.integers import LEAST_BITS, START_SALT, Basis, BasisCodes, BasisIntegers
from keras_efficient.ops.covering import quantize_covering
from keras_efficient.ops.hashing import hashed_uniform
from keras_efficient.type_aliases import Activation, SignedOutput, Tensor


class RandomBasisLayer(QuantizedLayer):
    """A layer with a kernel in a fixed random subspace.

        kernel = theta0(seed) + basis(seed) z

    The kernel is a matrix of rows with `width` entries, one for each output. theta0 is Glorot's uniform
    start, `sqrt(6 / (fan_in + fan_out))` times `ops.hashed_uniform(seed, 1, n)`. The basis is the strided
    sketch of `ops.strided_expand(z, seed=seed, salt=0)` on rows padded to the next `width` that shares
    no factor with `dimensions`; its columns are orthonormal.

    Args:
        dimensions: d, the number of coordinates; at most the number of kernel entries.
        seed: Any integer, taken modulo 2^32. Layers of one model should have different ones.
        activation: Keras activation (name or function); None is linear.
        use_bias: Whether to add a bias.
        coordinate_bits, bias_bits: Widths in bits, 1 to 16, that z and the bias are rounded to whenever the
            layer computes, by `ops.quantize` with the smallest power-of-two scale that cuts nothing off;
            gradients pass straight through. None leaves them float.
        kernel_bits: Width of the kernel's entries, 3 to 16, in the quantized modes: they are then the integers of
            `BasisIntegers`, which C makes anew wherever it needs one, and the bias is rounded with a scale of its own.
            `coordinate_bits` is at least 3 then; None stands for 8 there. Float mode is as without.
        activation_bits: Width of the outputs in the quantized modes; None leaves them float.
        signed_output: See `KernelLayer`; used with `activation_bits` only.
        mode: See `QuantizedLayer`.

    Weights: z (d,), which starts at zero, bias, then the log2 scales (scalars) of kernel and bias, where there are
    `kernel_bits`, and of the output.
    """

    config_keys = [
        *("dimensions", "seed", "activation", "use_bias", "coordinate_bits"),
        *("bias_bits", "kernel_bits", "activation_bits", "signed_output"),
    ]

    def __init__(
        self,
        dimensions: int,
        seed: int = 0,
        activation: Activation = None,
        use_bias: bool = True,
        coordinate_bits: int | None = None,
        bias_bits: int | None = None,
        kernel_bits: int | None = None,
        activation_bits: int | None = None,
        signed_output: SignedOutput = "auto",
        mode: str = "float",
        **kwargs: Any,
    ):
        super().__init__(mode=mode, **kwargs)
        self.dimensions = positive_integer(dimensions, "dimensions")
        self.seed = integer(seed, "seed")
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.coordinate_bits = optional_bits(coordinate_bits, "coordinate_bits")
        self.bias_bits = optional_bits(bias_bits, "bias_bits")
        self.kernel_bits = optional_bits(kernel_bits, "kernel_bits")
        self.activation_bits = optional_bits(activation_bits, "activation_bits")
        self.signed_output = check_signed_output(signed_output)
        if self.kernel_bits is not None:
            for name in ("kernel_bits", "coordinate_bits"):
                if (getattr(self, name) or LEAST_BITS) < LEAST_BITS:
                    raise ValueError(
                        f"`{name}` must be at least {LEAST_BITS} where `kernel_bits` is given. "
                        f"Received: {name}={getattr(self, name)}"
                    )

    def apply_kernel(self, x: Tensor, kernel: Tensor) -> Tensor:
        """The linear part of the layer without the bias."""
        raise NotImplementedError

    def add_weights(self, kernel_shape: tuple[int, ...]) -> None:
        """Create z and the bias of a kernel whose last axis is the outputs."""
        count = math.prod(kernel_shape)
        if self.dimensions > count:
            raise ValueError(
                f"Layer '{self.name}' has a kernel of shape {tuple(kernel_shape)}, {count} entries: `dimensions` must "
                f"not be larger. Received: dimensions={self.dimensions}"
            )
        self.kernel_shape = tuple(kernel_shape)
        # Rounded in float32 under any dtype policy, so that the file holds what the layer computes with.
        self.z = self.add_weight(name="z", shape=(self.dimensions,), initializer="zeros", autocast=False)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=kernel_shape[-1:], initializer="zeros", autocast=False)
        self.kernel_quantizer = self.bias_quantizer = self.activation_quantizer = None
        if self.kernel_bits is not None:
            self.kernel_quantizer = self.add_quantizer(
                "kernel", self.kernel_bits, weight=self.z, read=self._float_kernel
            )
            if self.bias is not None and self.bias_bits is not None:
                self.bias_quantizer = self.add_quantizer("bias", self.bias_bits, weight=self.bias)
        if self.activation_bits is not None:
            signed = may_be_negative(self.activation) if self.signed_output == "auto" else self.signed_output
            self.activation_quantizer = self.add_quantizer("activation", self.activation_bits, signed)

    def kernel(self) -> Tensor:
        """The kernel, float32, made anew from the seed and z; in the quantized modes with `kernel_bits` on its grid."""
        values, quantizer = self._float_kernel(), self.kernel_quantizer
        if quantizer is None or not self.current_mode.quantized:
            return values
        rounded = quantizer(values, self.current_mode)
        return rounded + ops.stop_gradient(self.integers.kernel(self._coordinates(False), quantizer.scale) - rounded)

    @property
    def integers(self) -> BasisIntegers:
        """The kernel's entries as integers of the seed and the coordinates."""
        assert self.kernel_bits is not None
        bits = self.coordinate_bits or COORDINATE_BITS
        return BasisIntegers(self.kernel_shape, self.dimensions, self.seed, self.kernel_bits, bits)

    def basis_codes(self) -> BasisCodes:
        """The integers of the kernel and of what it is made of."""
        assert self.kernel_quantizer is not None
        return self.integers.made(self._coordinates(False), self.kernel_quantizer.scale)

    def _float_kernel(self):
        basis = Basis(self.kernel_shape, self.dimensions)
        start = basis.glorot * hashed_uniform(self.seed, START_SALT, basis.rows * basis.width)
        offset = ops.reshape(basis.expand(self._coordinates(True), self.seed, basis.sizes), (-1,))
        return ops.reshape(start + offset, self.kernel_shape)

    def get_prunable_weights(self) -> list[keras.Variable]:
        """What a `Prunable` masks: coordinates, which leave the kernel as the seed made it."""
        return [self.z]

    def call(self, inputs: Tensor) -> Tensor:
        y = self.activation(self.weighted_sums(inputs))
        return y if self.activation_quantizer is None else self.activation_quantizer(y, self.current_mode)

    def weighted_sums(self, inputs: Tensor) -> Tensor:
        """Kernel and bias, before the activation and the output quantizer."""
        y = self.apply_kernel(inputs, ops.cast(self.kernel(), self.compute_dtype))
        return y + ops.cast(self.rounded_bias(), self.compute_dtype) if self.use_bias else y

    def rounded_bias(self) -> Tensor:
        """The bias as the layer computes with it."""
        bias, quantizer = ops.convert_to_tensor(self.bias), self.bias_quantizer
        if quantizer is None or not self.current_mode.quantized:
            return quantize_covering(bias, self.bias_bits)
        return quantizer(bias, self.current_mode)

    def _coordinates(self, rounds):
        z = ops.cast(ops.convert_to_tensor(self.z), "float32")
        return masked(quantize_covering(z, self.coordinate_bits) if rounds else z, self.z)
