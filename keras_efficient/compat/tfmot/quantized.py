"""tfmot's wrappers for quantization-aware training, as layers of Keras 3, and its rounding of activations."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_efficient.compat.tfmot.layers import Conversion, rebuilt, set_weights, tfmot_class
from keras_efficient.layers.pruning.kernels import described
from keras_efficient.type_aliases import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class FakeQuantize(keras.layers.Layer):
    """Rounds to the affine grid of TensorFlow's `fake_quant_with_min_max_vars`.

        step = (maximum - minimum) / (last - first)           first = 0 (narrow_range: 1), last = 2^bits - 1
        zero = round(clip(first - minimum / step, first, last))
        low, high = (first - zero) step, (last - zero) step
        y = floor((clip(x, low, high) - low) / step - floor(0.5 - low / step) + 0.5) step

    all in float32. On TensorFlow the numbers are the same to the last bit; on JAX a number half way between two codes
    may become the other one. Source: TensorFlow, core/kernels/fake_quant_ops_functor.h; tfmot takes 8 bits.

    It keeps the outputs of a converted model what they were. The floor has no gradient: to train on, convert with
    `quantizers=False` and use `keras_efficient.quantize_model`.

    Args:
        minimum, maximum: The range, as tfmot has learned it. Both 0: everything becomes 0.
        bits: Width in bits, 2 to 16.
        narrow_range: Whether the lowest code is left out.

    Input shape: any. Output shape: the same.

    Raises:
        ValueError: If the range does not hold 0 or is not finite, or the bits are out of range; when it is trained.
    """

    def __init__(self, minimum: float, maximum: float, bits: int = 8, narrow_range: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.minimum, self.maximum = float(minimum), float(maximum)
        self.bits, self.narrow_range = int(bits), bool(narrow_range)
        if not self.minimum <= 0 <= self.maximum or not np.isfinite([self.minimum, self.maximum]).all():
            raise ValueError(
                "`minimum` and `maximum` must be finite, with 0 between them or equal to one. "
                f"Received: minimum={minimum!r}, maximum={maximum!r}"
            )
        if not 2 <= self.bits <= 16:
            raise ValueError(f"`bits` must be from 2 to 16. Received: bits={bits!r}")
        self.supports_masking = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if training:
            raise ValueError(
                f"Layer '{self.name}' (FakeQuantize) has no gradient. Right would be to convert the model with "
                "`quantizers=False` and to train what `keras_efficient.quantize_model` makes of it. "
                f"Received: training={training!r}"
            )
        if self.minimum == self.maximum:
            return ops.zeros_like(inputs)
        low, high, step = self._grid()
        zero = np.floor(np.float32(0.5) - low / step)
        codes = ops.floor((ops.clip(ops.cast(inputs, "float32"), low, high) - low) / step - zero + np.float32(0.5))
        return ops.cast(codes * step, self.compute_dtype)

    def _grid(self):
        first, last = np.float32(self.narrow_range), np.float32(2**self.bits - 1)
        minimum, maximum = np.float32(self.minimum), np.float32(self.maximum)
        step = (maximum - minimum) / (last - first)
        zero = np.floor(np.clip(first - minimum / step, first, last) + np.float32(0.5))
        return (first - zero) * step, (last - zero) * step, step

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "minimum": self.minimum,
            "maximum": self.maximum,
            "bits": self.bits,
            "narrow_range": self.narrow_range,
        }


QUANTIZE_LAYER = "QuantizeLayer"
QUANTIZE_WRAPPERS = ("QuantizeWrapper", "QuantizeWrapperV2")
_KNOWN_QUANTIZERS = ("min_var", "max_var")


def quantize_layer(layer: Any, quantizers: bool) -> Conversion:
    """The rounding of an input, or nothing."""
    rounding = layer.quantizer is not None and quantizers
    new = [_fake_quantize(layer.quantizer, layer.quantizer_vars, layer, layer.name)] if rounding else []
    return Conversion(new, lambda: None)


def quantize_wrapper(wrapper: Any, quantizers: bool) -> Conversion:
    """The layer inside, with rounded kernels and roundings after it, or as the float layer that it is."""
    activation = _activation_of(wrapper)
    if not quantizers:
        new = _inner(wrapper, activation)
        return Conversion([new], lambda: _carry(wrapper, new, {}))
    before, after = roundings(wrapper)
    name = wrapper.layer.name
    new = _inner(wrapper, "linear" if before else activation)
    layers = [new]
    if before:
        layers += [_fake_quantize(*before, wrapper, f"{name}_pre_activation")]
        layers += [keras.layers.Activation(activation, name=f"{name}_activation", dtype=new.dtype_policy)]
    if after:
        layers += [_fake_quantize(*after, wrapper, f"{name}_rounded")]
    return Conversion(layers, lambda: _carry(wrapper, new, _rounded_weights(wrapper)))


def _activation_of(wrapper: Any) -> str | None:
    """The name of the activation of the layer inside, None if it has none. tfmot has put its own in its place."""
    if "activation" not in wrapper.layer.get_config():
        return None
    activation = getattr(wrapper.layer.activation, "activation", wrapper.layer.activation)
    if tfmot_class(activation) == "NoOpActivation":
        return "linear"
    return getattr(activation, "__name__", repr(activation))


def roundings(wrapper: Any) -> tuple[tuple[Any, Any] | None, tuple[Any, Any] | None]:
    """The quantizer and its variables before the activation, and after it or the layer; None where there is none."""
    before = after = None
    for activation in wrapper._quantize_activations:
        if hasattr(activation, "_pre_activation_vars"):
            before = (activation.quantizer, activation._pre_activation_vars)
        if hasattr(activation, "_post_activation_vars"):
            after = (activation.quantizer, activation._post_activation_vars)
    if wrapper._output_quantizers:
        after = (wrapper._output_quantizers[0], wrapper._output_quantizer_vars)
    return before, after


def range_of(quantizer: Any, variables: Any, layer: Any) -> tuple[float, float]:
    """The learned range of an activation."""
    known = isinstance(variables, dict) and set(variables) == set(_KNOWN_QUANTIZERS)
    ends = [np.asarray(variables[name].numpy()) for name in _KNOWN_QUANTIZERS] if known else []
    if not ends or any(end.ndim for end in ends):
        raise ValueError(
            f"`model` has a layer {described(layer)} whose activations are rounded in a way that is not known: right "
            "would be a quantizer with one minimum and one maximum, as tfmot's own. "
            f"Received: {type(quantizer).__name__}"
        )
    return float(ends[0]), float(ends[1])


def _fake_quantize(quantizer: Any, variables: Any, layer: Any, name: str) -> FakeQuantize:
    minimum, maximum = range_of(quantizer, variables, layer)
    return FakeQuantize(minimum, maximum, quantizer.num_bits, quantizer.narrow_range, name=name)


def _inner(wrapper, activation):
    return rebuilt(wrapper.layer, **({} if activation is None else {"activation": activation}))


def _rounded_weights(wrapper):
    """The weights that tfmot rounds, by name, as it rounds them in inference."""
    return {
        _short(weight): np.asarray(quantizer(weight, False, weights=variables))
        for weight, quantizer, variables in wrapper._weight_vars
    }


def _carry(wrapper, new, rounded):
    # By name: in the layer inside, tfmot puts tensors in the place of its variables.
    values = {_short(weight): weight.numpy() for weight in wrapper.weights} | rounded
    if "kernel" not in values and "depthwise_kernel" in values:
        values["kernel"] = values["depthwise_kernel"]  # as Keras 3 calls it in a depthwise convolution
    set_weights(new, [values[weight.name] for weight in new.weights], wrapper.layer)


def _short(weight):
    return weight.name.split("/")[-1].split(":")[0]
