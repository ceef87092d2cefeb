"""What is asked of the conversion of a layer, how it is refused, and small questions about layers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from keras_efficient.kinds import Key
from keras_efficient.layers.activation_names import activation_name as name_of_activation
from keras_efficient.quantization.own_model.settings import Choice, LayerSettings
from keras_efficient.reading.graph import Node

BATCH_NORM, ACTIVATION, RELU = (Key("layers", name) for name in ("BatchNormalization", "Activation", "ReLU"))
RELU_6 = 6.0
SHARED = ("name", "trainable", "dtype")
GRIDS = ("linear", "relu", "relu6")  # activations that rounding alone computes


def activation_name(layer: Any) -> str:
    """The name of a layer's activation; "linear" where it has none."""
    return name_of_activation(getattr(layer, "activation", None))


def relu_name(key: Key | None, config: Mapping[str, Any]) -> str | None:
    """ "relu" or "relu6" for a layer that is nothing but that."""
    if key == ACTIVATION:
        return config["activation"] if config["activation"] in ("relu", "relu6") else None
    if key != RELU or config.get("negative_slope") or config.get("threshold"):
        return None
    limit = config.get("max_value")
    return {None: "relu", RELU_6: "relu6"}.get(None if limit is None else float(limit))


@dataclass(frozen=True)
class Request:
    """What is asked of a conversion.

    Attributes:
        node: Where the layer stands.
        choice: Widths of the layer.
        batch_norm: A Keras batch normalization to fold, or None.
        frozen_statistics: Whether that is called with `training=False`.
        padding: Of the zero padding before a convolution, or None.
        activation: Name of the activation that follows, or None for the layer's own.
        is_output: Whether the model ends with this layer, but for a head.
        non_negative: Whether all inputs are known to be non-negative.
        wide: Whether an input has more codes than a table has entries.
    """

    node: Node
    choice: Choice
    batch_norm: Any = None
    frozen_statistics: bool = False
    padding: Any = None
    activation: str | None = None
    is_output: bool = False
    non_negative: bool = False
    wide: bool = False

    @property
    def settings(self) -> LayerSettings:
        assert self.choice.settings is not None  # of a layer that stays float no conversion is asked
        return self.choice.settings

    @property
    def grid(self) -> dict[str, Any]:
        """The grid of an output that is negative only where an input is."""
        signed = self.is_output or not self.non_negative
        return {"activation_bits": self.settings.activation_bits, "signed_output": signed}


def shared_config(layer: Any) -> dict:
    """What every layer has: of an operation such as x + y, the name alone."""
    if not isinstance(layer, keras.layers.Layer):
        return {"name": layer.name}
    config = layer.get_config()
    regularizer = getattr(layer, "activity_regularizer", None)
    return {**{key: config[key] for key in SHARED}, **({"activity_regularizer": regularizer} if regularizer else {})}


class StaysFloatError(ValueError):
    """A layer that has a quantized form, but not as it is set."""


def refusal(received: str, rule: str) -> StaysFloatError:
    return StaysFloatError(f"{rule}. Received: {received}")
