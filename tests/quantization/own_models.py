"""Small plain Keras models of the kinds that people bring, with weights drawn from a seed."""

import keras
import numpy as np

L = keras.layers


def with_random_weights(model, seed=0):
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if "variance" in weight.name:
            weight.assign(random.uniform(0.5, 2, weight.shape))
        else:
            weight.assign(random.normal(0.1, 0.4, weight.shape))
    return model


def batch_norm_network():
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            L.Conv2D(4, 3, use_bias=False, name="stem"),
            L.BatchNormalization(),
            L.ReLU(),
            L.MaxPooling2D(2),
            L.Flatten(),
            L.Dense(5, activation="relu", name="hidden"),
            L.Dropout(0.2),
            L.Dense(3, activation="softmax", name="classes"),
        ]
    )


def residual_network():
    inputs = keras.Input((6, 6, 3))
    x = L.Conv2D(4, 3, padding="same", activation="relu6", name="stem")(inputs)
    y = L.Conv2D(4, 3, padding="same", name="branch")(x)
    y = L.BatchNormalization(name="branch_norm")(y)
    x = L.ReLU(name="joined")(L.Add(name="sum")([x, y]))
    x = x + L.Conv2D(4, 1, name="second")(x)
    x = L.Concatenate(name="both")([x, y])
    x = L.GlobalAveragePooling2D(name="means")(x)
    return keras.Model(inputs, L.Dense(3, name="logits")(x))


def depthwise_network():
    inputs = keras.Input((8, 8, 2))
    x = L.BatchNormalization(name="lone")(inputs)
    x = L.SeparableConv2D(5, 3, strides=2, padding="same", name="separable")(x)
    x = L.BatchNormalization()(x)
    x = L.Activation("relu")(x)
    x = L.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(x)
    x = L.AveragePooling2D(2, padding="same", name="pool")(x)
    return keras.Model(inputs, L.Dense(1, name="value")(L.Flatten()(x)))


def signal_network():
    return keras.Sequential(
        [
            keras.Input((20, 3)),
            L.Rescaling(0.5),
            L.Conv1D(4, 3, padding="same", name="stem"),
            L.BatchNormalization(),
            L.ReLU(),
            L.MaxPooling1D(2),
            L.Conv1D(5, 3, strides=2, activation="relu", name="second"),
            L.AveragePooling1D(2, name="pool"),
            L.GlobalAveragePooling1D(name="means"),
            L.Dense(2, activation="sigmoid", name="out"),
        ]
    )


NETWORKS = {
    "batch norm": batch_norm_network,
    "residual": residual_network,
    "depthwise": depthwise_network,
    "signal": signal_network,
}


def inputs_of(model, count=24, seed=1, signed=True):
    x = np.random.default_rng(seed).normal(size=(count, *model.input_shape[1:]))
    return (x if signed else np.abs(x)).astype("float32")


def outputs_of(model, x):
    return keras.ops.convert_to_numpy(keras.ops.stop_gradient(model(x, training=False)))
