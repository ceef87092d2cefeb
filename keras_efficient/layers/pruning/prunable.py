"""Prunable: a layer with masks on its kernels. PrunedChannels: a BatchNormalization that follows such masks."""

from typing import Any, Self

import keras
import numpy as np
from keras import ops

from keras_efficient.checks import one_of
from keras_efficient.layers.masking import keep
from keras_efficient.layers.pruning.kernels import (
    PrunedKernel,
    check_prunable,
    described,
    divide,
    masks_on,
    places_of,
    prunable_biases,
    prunable_weights,
)
from keras_efficient.layers.pruning.schedules import Schedule, check_schedule
from keras_efficient.layers.pruning.structures import Structure, check_structure
from keras_efficient.type_aliases import Config, Shape, Tensor

SCOPES = ("kernel", "global")


class MaskingWrapper(keras.layers.Wrapper):
    """A layer whose weights or channels have masks of ones and zeros. Its name is a prefix and the layer's."""

    prefix = ""

    def __init__(self, layer: keras.layers.Layer, **kwargs: Any):
        if isinstance(layer, keras.layers.Layer):
            kwargs = {"name": f"{self.prefix}_{layer.name}", "dtype": layer.dtype_policy, **kwargs}
        super().__init__(layer, **kwargs)
        self.supports_masking = layer.supports_masking

    def add_mask(self, name: str, shape: Shape) -> keras.Variable:
        """A mask, ones at first, that does not train."""
        kept = {"initializer": "ones", "dtype": "float32", "trainable": False, "autocast": False}
        return self.add_weight(name=name, shape=shape, **kept)

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Shape:
        return self.layer.compute_output_shape(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        return self.layer.compute_output_spec(*args, **kwargs)


@keras.saving.register_keras_serializable(package="keras_efficient")
class Prunable(MaskingWrapper):
    """A layer whose kernels are multiplied by masks of ones and zeros.

        y = layer(x) with mask * q(kernel) in place of q(kernel)

    where q is the layer's own quantizer, if it has one. The masks start as ones: nothing changes before
    the first update. `PruningCallback` updates them as the schedule says: the units with the smallest
    mean |weight| go, the first ones among equals, exactly `round(count x sparsity)` of them. The raw
    weights stay and have neither effect nor gradient under a zero. `strip_pruning` writes the zeros into
    the weights and takes the wrapper away.

    Biases are never pruned, except with whole filters; then what a batch normalization that the layer has taken in
    adds goes, too.

    Args:
        layer: Any layer of Keras's with a kernel (Dense, convolutions, Embedding, recurrent layers, also
            inside TimeDistributed and Bidirectional), any of ours, or one that names its weights in
            `get_prunable_weights()`.
        schedule: `ConstantSparsity`, `PolynomialDecay` or `StepSparsity`.
        structure: What goes as one: `pruning.Weights()` (None), `pruning.Blocks(size)` or
            `pruning.Filters()`.
        scope: `"kernel"`: the counts hold for each kernel; `"global"`: for all kernels of a model with an
            equal schedule and scope together, smallest mean |weight| first.
        monotone: Whether what is gone stays gone. False selects anew from the raw weights at every update.
        **kwargs: `name` (by default `"prunable_"` and the layer's name), `dtype`, `trainable`.

    Input and output shapes: those of `layer`.

    Weights: a mask for each kernel (with filters: one for the bias, too) and the number of batches trained
    (-1: none), an integer, none of which trains; then those of `layer`.

    Raises:
        ValueError: If the layer can not be pruned, or the structure does not fit its kernels.
        TypeError: If `schedule` or `structure` is something else.

    Example:

    >>> layer = Prunable(keras.layers.Dense(10), ConstantSparsity(0.5))
    """

    prefix = "prunable"

    def __init__(
        self,
        layer: keras.layers.Layer,
        schedule: Schedule,
        structure: Structure | None = None,
        scope: str = "kernel",
        monotone: bool = True,
        **kwargs: Any,
    ):
        if isinstance(layer, keras.layers.Layer):
            check_prunable(layer)
        super().__init__(layer, **kwargs)
        self.schedule = check_schedule(schedule)
        self.structure = check_structure(structure)
        self.scope = one_of(scope, "scope", SCOPES)
        self.monotone = bool(monotone)

    def build(self, input_shape: Shape | None = None) -> None:
        super().build(input_shape)
        variables = prunable_weights(self.layer)
        if not variables:
            raise ValueError(f"`layer` has no kernel that could be pruned. Received: layer={described(self.layer)}")
        biases = prunable_biases(self.layer) if self.structure.prunes_bias else []
        self.kernels = tuple(self._with_mask(variable, biases) for variable in variables)
        self._places = places_of(self.layer, [*variables, *biases])
        self.step = self.add_weight(
            name="step", shape=(), initializer=keras.initializers.Constant(-1), dtype="int32", trainable=False
        )

    def _with_mask(self, variable, biases):
        units = divide(self.layer, variable, self.structure)
        kernel = PrunedKernel(variable, self._add_mask(variable), units)
        if biases:
            kernel.bias_mask = self._add_mask(biases[0])
            for bias in biases[1:]:
                bias.pruning_mask = kernel.bias_mask
        return kernel

    def _add_mask(self, variable):
        # Layers of ours look for it where they use the weight, after their quantizers.
        variable.pruning_mask = self.add_mask(f"{variable.name}_mask", variable.shape)
        return variable.pruning_mask

    def call(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        with masks_on(self._places):
            return self.layer(inputs, *args, **kwargs)

    @property
    def sparsity(self) -> float:
        """The share of zeros in the masks of the kernels."""
        masks = [keras.ops.convert_to_numpy(kernel.mask) for kernel in self.kernels]
        return 1 - sum(int(mask.sum()) for mask in masks) / sum(mask.size for mask in masks)

    def effective_weights(self) -> list[np.ndarray]:
        """The weights of `layer` with zeros under the masks, in the layer's order."""
        return [effective_value(weight) for weight in self.layer.weights]

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.layer.compute_mask(inputs, mask)

    def get_config(self) -> Config:
        serialize = keras.saving.serialize_keras_object
        config = super().get_config()
        # The layer is built when the wrapper is: building changes no configuration.
        config["layer"].pop("build_config", None)
        return {
            **config,
            "schedule": serialize(self.schedule),
            "structure": serialize(self.structure),
            "scope": self.scope,
            "monotone": self.monotone,
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, Any] | None = None) -> Self:
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects=custom_objects)
            for name in ("layer", "schedule", "structure")
        }
        return cls(**{**config, **parts})


def effective_value(variable: keras.Variable) -> np.ndarray:
    """A variable with zeros under its pruning mask, if it has one."""
    values, mask = keras.ops.convert_to_numpy(variable), getattr(variable, "pruning_mask", None)
    return values if mask is None else np.where(keras.ops.convert_to_numpy(mask) != 0, values, 0).astype(values.dtype)


@keras.saving.register_keras_serializable(package="keras_efficient")
class PrunedChannels(MaskingWrapper):
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

    prefix = "pruned"

    def __init__(self, layer: keras.layers.Layer, follows: str, **kwargs: Any):
        super().__init__(layer, **kwargs)
        self.follows = str(follows)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.mask = self.add_mask("channel_mask", (input_shape[-1],))

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

    def get_config(self) -> Config:
        return {**super().get_config(), "follows": self.follows}
