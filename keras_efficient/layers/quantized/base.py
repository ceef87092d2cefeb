"""What every quantized layer shares: the mode and the scales."""

from collections.abc import Callable
from typing import Any

import keras
from keras import activations, constraints, initializers, regularizers

from keras_efficient.layers.arguments import last_size
from keras_efficient.layers.masking import masked
from keras_efficient.layers.quantized.mode import MODES, Mode, check_mode
from keras_efficient.layers.quantized.quantizer import Quantizer
from keras_efficient.type_aliases import Config, Shape, Tensor

# What an argument is written down by; the last word of its name says what it is.
_SERIALIZERS = {
    "activation": activations.serialize,
    "initializer": initializers.serialize,
    "regularizer": regularizers.serialize,
    "constraint": constraints.serialize,
}


class QuantizedLayer(keras.layers.Layer):
    """A layer with a mode and a list of quantizers, one for each tensor it rounds.

    Subclasses create their weights in `build`, then their scales with `add_quantizer`, in the
    order in which the weights of the layer are listed.

    Args:
        mode: `"float"`, `"learn_scales"` or `"freeze_scales"`. Float mode computes the plain
            layer; the other two round, and train or freeze the scales.
        **kwargs: `name`, `dtype`, `trainable`, `activity_regularizer` as in any Keras layer.
    """

    applies_pruning_masks = True  # after the quantizers; see `layers.masking`
    config_keys = ["mode"]  # a class's own arguments, attributes of the same names

    def __init__(self, mode: str = "float", **kwargs: Any):
        super().__init__(**kwargs)
        self._mode = check_mode(mode)
        self.quantizers: tuple[Quantizer, ...] = ()

    @property
    def mode(self) -> str:
        """The mode's name. Set it through `keras_efficient.set_mode`, which also makes a model
        forget the functions it compiled for the old mode."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        self._mode = check_mode(mode)
        self._update_trainable_scales()

    @keras.layers.Layer.trainable.setter
    def trainable(self, value: bool) -> None:
        keras.layers.Layer.trainable.fset(self, value)
        self._update_trainable_scales()

    @property
    def current_mode(self) -> Mode:
        """The `Mode` object of the current mode."""
        return MODES[self._mode]

    def add_quantizer(
        self,
        name: str,
        bits: int,
        signed: bool = True,
        weight: keras.Variable | None = None,
        read: Callable[[], Tensor] | None = None,
        shape: tuple[int, ...] = (),
    ) -> Quantizer:
        """Create a log2 scale, 0 at first, and the quantizer that uses it.

        The scale is a scalar, or has a `shape` that broadcasts against the values.
        """
        # A scale must not be rounded to half precision: it would change the network.
        scale = self.add_weight(name=f"{name}_scale", shape=shape, initializer="zeros", dtype="float32", autocast=False)
        quantizer = Quantizer(name, bits, signed, scale, weight, read)
        self.quantizers = (*self.quantizers, quantizer)
        self._update_trainable_scales()
        return quantizer

    def _update_trainable_scales(self):
        # Frozen scales are not trainable, so that no optimizer's momentum or decay moves them.
        for quantizer in self.quantizers:
            quantizer.scale.trainable = self.current_mode.scales_train and self.trainable

    def quantize_weight(self, quantizer: Quantizer) -> Tensor:
        """The weight of `quantizer`, on its grid in the quantized modes, in the compute dtype."""
        values = masked(quantizer(quantizer.values(), self.current_mode), quantizer.weight)
        return keras.ops.cast(values, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return tuple(input_shape)

    def fix_inputs(self, input_shape: Shape, places: int | None = None) -> int:
        """The size of the last axis, which every later input must have, too.

        places: How many axes lie between it and the batch; None: any number.
        """
        size = last_size(input_shape, self.name, places)
        self.compute_output_shape(input_shape)  # a window larger than the input ends here
        rank = None if places is None else places + 2
        self.input_spec = keras.layers.InputSpec(ndim=rank, min_ndim=2, axes={-1: size})
        return size

    def get_config(self) -> Config:
        config = super().get_config()
        for kind in reversed(type(self).__mro__):
            for key in vars(kind).get("config_keys", ()):
                value, serialize = getattr(self, key), _SERIALIZERS.get(key.rpartition("_")[2])
                config[key] = serialize(value) if serialize else value
        return config
