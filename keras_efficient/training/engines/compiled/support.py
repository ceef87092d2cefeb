"""What the compiled step can compute, and a reason for everything else."""

import keras
import numpy as np

from keras_efficient import layers
from keras_efficient.reading.read import is_connected
from keras_efficient.training.engines.compiled.program import READERS, NotSupportedError, chain_layers
from keras_efficient.training.engines.engine import Loss

# By the dimensions of the labels.
_LOSSES = {
    1: (keras.losses.SparseCategoricalCrossentropy, keras.losses.sparse_categorical_crossentropy),
    2: (keras.losses.CategoricalCrossentropy, keras.losses.categorical_crossentropy),
}
_OPTIMIZER_OPTIONS = (
    *("amsgrad", "clipnorm", "clipvalue", "global_clipnorm"),
    *("use_ema", "loss_scale_factor", "gradient_accumulation_steps"),
)


def check_model(model: keras.Model) -> None:
    """Refuse all but a chain of layers that ends with a softmax."""
    if not is_connected(model) or type(model).__module__.split(".")[0] != "keras":
        raise NotSupportedError(f"a model of class {type(model).__name__}")
    layers = chain_layers(model)
    shape = model.input_shape[1:]
    if len(shape) not in (1, 2, 3) or None in shape:
        raise NotSupportedError(f"inputs of shape {shape}")
    for layer in layers:
        if type(layer) not in READERS:
            raise NotSupportedError(f"layer {layer.name!r} ({type(layer).__name__})")
        for setting in _unknown_settings(layer):
            raise NotSupportedError(f"layer {layer.name!r} with {setting}")
    *hidden, last = layers
    if not _is_softmax(last) or len(model.output_shape) != 2:
        raise NotSupportedError(f"a network that ends with {last.name!r} instead of a layer Activation('softmax')")
    if any(map(_is_softmax, hidden)):
        raise NotSupportedError("a softmax within the network")


def _unknown_settings(layer):
    if layer.dtype_policy.name != "float32":
        yield f"the dtype policy {layer.dtype_policy.name}"
    if getattr(layer, "activity_regularizer", None) is not None or any(v.regularizer for v in layer.weights):
        yield "a regularizer"
    if any(variable.constraint for variable in layer.weights):
        yield "a constraint"
    if getattr(layer, "batch_norm", None) is not None and not (layer.current_mode.quantized or layer.frozen_statistics):
        yield "a batch normalization that takes its statistics from each batch"
    if np.max(getattr(layer, "dilation_rate", 1)) > 1:
        yield "dilated windows"
    if getattr(layer, "groups", 1) > 1:
        yield "groups of filters"
    known = [keras.activations.relu, keras.activations.linear]
    if isinstance(layer, keras.layers.Activation):
        known.append(keras.activations.softmax)
    if hasattr(layer, "activation") and layer.activation not in known:
        yield f"the activation {getattr(layer.activation, '__name__', layer.activation)}"
    if isinstance(layer, layers.ActivationQ) and layer.activation is not keras.activations.linear:
        yield "a function on a grid of its own"
    if getattr(layer, "noise_shape", None) is not None:
        yield "a noise_shape"
    if getattr(layer, "rate", 0) == 1:
        yield "the rate 1"
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        yield f"data_format {layer.data_format!r}"


def _is_softmax(layer):
    return getattr(layer, "activation", None) is keras.activations.softmax


def check_optimizer(optimizer: keras.optimizers.Optimizer) -> None:
    """Refuse all but Adam and AdamW with a learning rate that is a number, without further options."""
    # On torch Keras puts a subclass of its own in place of Adam.
    adam = isinstance(optimizer, keras.optimizers.Adam) and type(optimizer).__module__.startswith("keras.src.")
    if not adam:
        raise NotSupportedError(f"the optimizer {type(optimizer).__name__}")
    config = optimizer.get_config()
    if isinstance(config["learning_rate"], dict):
        raise NotSupportedError("an optimizer with a learning rate schedule")
    for option in _OPTIMIZER_OPTIONS:
        if config.get(option):
            raise NotSupportedError(f"an optimizer with {option}={config[option]!r}")


def check_loss(loss: Loss, label_dimensions: int) -> None:
    """Refuse all but plain cross-entropy of class probabilities."""
    wanted, function = _LOSSES[label_dimensions]
    found = keras.losses.get(loss)
    is_plain = type(found) is wanted and {**found.get_config(), "name": None} == {**wanted().get_config(), "name": None}
    if found is not function and not is_plain:
        name = getattr(found, "name", getattr(found, "__name__", found))
        raise NotSupportedError(f"the loss {name!r} with these settings and labels")
