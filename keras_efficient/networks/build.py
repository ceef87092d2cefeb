"""From a network description to a Keras model."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from keras_efficient import descriptions, layers
from keras_efficient.checks import flag, nearest, one_of
from keras_efficient.descriptions import LayerSpec
from keras_efficient.kinds.measures import FeatureMap, Shape
from keras_efficient.layers.quantized.mode import check_mode
from keras_efficient.quantization.modes import change_mode
from keras_efficient.type_aliases import SignedOutput

# The network of Gural & Murmann, ICML 2019: 99.15 % on MNIST in 1,947 bytes, 28 x 28 x 1.
MNIST_2KB = [
    ["A", 2, 4],
    ["C", 5, 3, 3, 1, 1, 4, 8, 4],
    ["C", 8, 3, 3, 1, 1, 4, 8, 4],
    ["C", 11, 3, 3, 1, 1, 4, 8, 4],
    ["M", 2, 4],
    ["D", 0.1, 4],
    ["S", 10, 4, 8, 8],
]

# For the 8 x 8 x 1 digits that come with scikit-learn.
DIGITS = [
    ["C", 12, 3, 3, 1, 1, 4, 8, 4],
    ["C", 16, 3, 3, 1, 1, 4, 8, 4],
    ["M", 2, 4],
    ["D", 0.1, 4],
    ["S", 10, 4, 8, 8],
]


HEADS = ("softmax", "linear", "sigmoid")
_HAS_SIGNED_OUTPUT = ("DenseQ", "ConvQ", "DepthwiseConvQ")


def build_network(
    config: Sequence[Any],
    input_shape: tuple[int, ...] = (28, 28, 1),
    mode: str = "float",
    signed_output: SignedOutput = "auto",
    softmax: bool = True,
    head: str = "softmax",
) -> keras.Model:
    """Build the Keras model that a network description stands for.

    Args:
        config: The description: a list of items such as `("C", 5, 3, 3, 1, 1, 4, 8, 4)`; see
            `keras_efficient.descriptions`. An item may also be a Keras layer object
            `{"class_name": ..., "config": {...}}`.
        input_shape: Shape of a sample without the batch: (rows, columns, channels), (steps, channels) of a signal, or
            (features,).
        mode: `"float"`, `"learn_scales"` or `"freeze_scales"`.
        signed_output: Grid of the outputs of `DenseQ`, `ConvQ` and `DepthwiseConvQ`; see there.
            False gives the 2019 study's unsigned logits. A layer object may say its own.
        softmax: False means `head="linear"`.
        head: What follows the last layer, outside of the integers: `"softmax"`, `"sigmoid"`, or `"linear"`: nothing,
            so that the outputs are logits, or the numbers of a regression.

    Returns:
        A flat Functional model (no nested models). Its layers have the same names in every
        process: the class in snake case and a number.

    Raises:
        ValueError: If the description, its shapes or an argument are wrong; the text shows the
            item, its position and the right form. If the network would have more than 2^28 weights.
    """
    check_mode(mode)
    one_of(head, "head", HEADS)
    if not flag(softmax, "softmax"):
        if head == "sigmoid":
            raise ValueError(
                "`softmax` must be left out where `head` is given. Received: softmax=False, head='sigmoid'"
            )
        head = "linear"
    layers_with_shapes = descriptions.expand_with_shapes(config, input_shape)
    _check_weights(layers_with_shapes, tuple(input_shape))
    specs = [spec for spec, _ in layers_with_shapes]
    x = inputs = keras.Input(tuple(input_shape), name="input")
    for spec, name in zip(specs, descriptions.layer_names(specs), strict=True):
        x = _add_layer(x, spec, name, signed_output)
    model = keras.Model(inputs, add_head(x, head), name="network")
    change_mode(model, mode)
    return model


def add_head(x: keras.KerasTensor, head: str) -> keras.KerasTensor:
    """What follows the last layer; nothing for "linear"."""
    return x if head == "linear" else keras.layers.Activation(head, name=head)(x)


def _add_layer(x, spec, name, signed_output):
    try:
        return _make_layer(spec, name, signed_output)(x)
    except Exception as error:  # a layer object may hold anything; whatever it causes has one place
        reason = " ".join(str(error).split())
        raise ValueError(
            f"item {spec.position} of the description: cannot build {spec.class_name} with {spec.config}: {reason}"
        ) from error


def _make_layer(spec, name, signed_output):
    config = {**spec.config, "name": name}
    if spec.class_name in _HAS_SIGNED_OUTPUT:
        config.setdefault("signed_output", signed_output)
    # Not by the class's own `from_config`: only Keras's reader opens the safe mode, on every version of it.
    described = {"class_name": spec.class_name, "registered_name": spec.class_name, "config": config}
    known = {spec.class_name: _layer_class(spec.class_name)}
    return keras.saving.deserialize_keras_object(described, custom_objects=known, safe_mode=True)


def _layer_class(class_name):
    if class_name in layers.__all__:
        return getattr(layers, class_name)
    layer_class = getattr(keras.layers, class_name, None) or keras.saving.get_registered_object(class_name)
    if not isinstance(layer_class, type) or not issubclass(layer_class, keras.layers.Layer):
        raise ValueError(
            f"Unknown layer class {class_name!r}{nearest(class_name, [*layers.__all__, *vars(keras.layers)])} in the "
            "description. Known are the layers of "
            f"keras_efficient ({', '.join(layers.__all__)}), those of keras.layers, and classes "
            "registered with Keras, written as 'package>Class'."
        )
    return layer_class


MOST_WEIGHTS = 2**28  # a GiB of float32


def _check_weights(layers_with_shapes: Iterable[tuple[LayerSpec, Shape | None]], shape: Shape | None) -> None:
    """Raise a ValueError where layers have more than 2^28 weights; one without a price counts as none.

    Args:
        layers_with_shapes: As `descriptions.expand_with_shapes` gives them: each with the shape after it.
        shape: That of a sample.
    """
    count = 0
    for spec, after in layers_with_shapes:
        if spec.kind.is_priced and shape is not None:
            count += spec.price.weights(spec.config, FeatureMap(shape, 8)).parameters
        shape = after
    if count > MOST_WEIGHTS:
        raise ValueError(f"there would be {count:,} weights; networks of more than {MOST_WEIGHTS:,} are not built")


def check_layer_weights(class_name: str, config: Mapping[str, Any], inputs: int) -> None:
    """The same for one layer that reads so many numbers."""
    _check_weights([(LayerSpec(class_name, dict(config)), None)], (inputs,))
