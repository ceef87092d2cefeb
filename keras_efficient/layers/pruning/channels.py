"""PrunedChannels: a BatchNormalization that goes silent where the filters before it are gone."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_efficient.layers.masking import keep
from keras_efficient.type_aliases import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class PrunedChannels(keras.layers.Wrapper):
    """A layer that treats each channel alone, with zeros in the channels of removed filters.

        y[..., c] = layer(x)[..., c] if filter c of the layers `follows` is there, else 0

    A BatchNormalization turns a filter of zeros into the constant beta - gamma mean / deviation; the
    network without the filter would differ from the network with its zeros.

    `ke.prune_model` puts it there; `PruningCallback` copies the masks.

    Args:
        layer: The layer, a BatchNormalization over the last axis.
        follows: Name of the `Prunable` whose filters make the channels.
        **kwargs: `name`, `dtype`, `trainable`.

    Weights: those of `layer`, then the mask of its channels.
    """

    def __init__(self, layer: keras.layers.Layer, follows: str, **kwargs: Any):
        if isinstance(layer, keras.layers.Layer):
            kwargs = {"name": f"pruned_{layer.name}", "dtype": layer.dtype_policy, **kwargs}
        super().__init__(layer, **kwargs)
        self.follows = str(follows)
        self.supports_masking = layer.supports_masking

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.mask = self.add_weight(
            name="channel_mask",
            shape=(input_shape[-1],),
            initializer="ones",
            dtype="float32",
            trainable=False,
            autocast=False,
        )

    def call(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return keep(self.mask, self.layer(inputs, *args, **kwargs))

    def effective_weights(self) -> list[np.ndarray]:
        """The weights of `layer` that give zeros in the silent channels: gamma, beta and mean are 0 there."""
        kept = ops.convert_to_numpy(self.mask)
        values = []
        for weight in self.layer.weights:
            value = ops.convert_to_numpy(weight)
            values.append(value if weight is self.layer.moving_variance else value * kept)
        return values

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.layer.compute_output_shape(input_shape)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        return self.layer.compute_output_spec(*args, **kwargs)

    def get_config(self) -> Config:
        return {**super().get_config(), "follows": self.follows}
