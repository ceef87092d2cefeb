"""Small networks of the shapes and widths that break exporters, with random weights."""

import keras
import numpy as np
from keras import layers

import keras_efficient as ke


def sequential(shape, *parts):
    return keras.Sequential([keras.Input(shape), *parts])


def head(units=3, **arguments):
    return [layers.Flatten(), ke.DenseQ(units, **arguments)]


def nested():
    inner = sequential((6, 6, 2), ke.ConvQ(3, 3, activation="relu"), layers.MaxPooling2D(2))
    return sequential((8, 8, 1), ke.ConvQ(2, 3, activation="relu"), inner, *head(), layers.Softmax())


def functional():
    inputs = keras.Input((7, 5, 3))
    x = ke.ConvQ(4, (3, 2), activation="relu")(layers.GaussianNoise(0.1)(ke.ActivationQ(5)(inputs)))
    return keras.Model(inputs, ke.DenseQ(6)(layers.Flatten()(layers.Dropout(0.2)(x))))


def one_bit():
    """All grids without a zero; padding is no code of them."""
    first = ke.ConvQ(4, 3, kernel_bits=1, bias_bits=1, activation_bits=1, padding="same")
    second = ke.ConvQ(3, 2, kernel_bits=2, bias_bits=2, activation_bits=2, strides=2, padding="same")
    return sequential((6, 6, 1), first, second, *head(kernel_bits=1, use_bias=False))


NETWORKS = {
    "one number": lambda: sequential((1,), ke.DenseQ(1)),
    "256 numbers": lambda: sequential((256,), ke.DenseQ(3)),
    "257 numbers, 257 logits": lambda: sequential((257,), ke.DenseQ(5, activation="relu"), ke.DenseQ(257)),
    "a row": lambda: sequential(
        (1, 30, 2), ke.ConvQ(3, (1, 3), activation="relu"), layers.MaxPooling2D((1, 2)), *head()
    ),
    "a column": lambda: sequential((30, 1, 2), ke.ConvQ(3, (3, 1), strides=(2, 1), activation="relu"), *head()),
    "300 rows": lambda: sequential((300, 2, 1), ke.ConvQ(2, (3, 2), activation="relu"), *head()),
    "300 columns": lambda: sequential((2, 300, 1), ke.ConvQ(2, (2, 3), strides=(1, 2), padding="same"), *head()),
    "only max pooling": lambda: sequential((5, 5, 2), layers.MaxPooling2D(2)),
    "only average pooling": lambda: sequential((5, 5, 2), ke.AveragePoolingQ(2, 16)),
    "only global pooling": lambda: sequential((3, 3, 20), layers.GlobalMaxPooling2D()),
    "only a quantizer": lambda: sequential((4, 4, 2), ke.ActivationQ(16, signed=False)),
    "only a residual block": lambda: sequential((4, 4, 2), ke.ResidualQ(4)),
    "relu first": lambda: sequential((4, 4, 2), layers.ReLU(), ke.ConvQ(3, 2), layers.Activation("relu"), *head()),
    "average pooling, same": lambda: sequential((8, 9, 2), ke.AveragePoolingQ((3, 5), 8, padding="same"), *head()),
    "average pooling, sparse": lambda: sequential((11, 10, 2), ke.AveragePoolingQ(2, 6, 3, "same"), *head()),
    "average pooling, dense": lambda: sequential((9, 10, 2), ke.AveragePoolingQ((3, 2), 6, (1, 4), "same"), *head()),
    "average of codes below 0": lambda: sequential(
        (9, 9, 1), ke.ConvQ(2, 3, activation_bits=14), ke.AveragePoolingQ(3, 8, padding="same"), *head()
    ),
    "pooled as it arrives": lambda: sequential((10, 10, 1), ke.ActivationQ(12), ke.AveragePoolingQ(5, 6), *head()),
    "average of padded windows as they arrive": lambda: sequential(
        (7, 10, 2), ke.AveragePoolingQ((3, 4), 6, padding="same"), *head()
    ),
    "largest of padded windows as they arrive": lambda: sequential(
        (7, 10, 2), layers.MaxPooling2D((3, 4), padding="same"), *head()
    ),
    "moved by bits": lambda: sequential(
        (6, 6, 1),
        ke.ConvQ(3, 2, activation="relu", activation_bits=3),
        ke.ConvQ(4, 2, activation="relu", activation_bits=5),
        *head(2, kernel_bits=2),
    ),
    "sums beyond 16 bits as they arrive": lambda: sequential((32, 16, 1), ke.AveragePoolingQ((32, 16), 8), *head()),
    "max pooling, same": lambda: sequential(
        (7, 6, 2), ke.ActivationQ(4), layers.MaxPooling2D(3, 2, "same"), ke.ConvQ(3, 2), *head()
    ),
    "no zero": one_bit,
    "16 bits": lambda: sequential(
        (6, 6, 1), ke.ConvQ(2, 3, activation_bits=16, kernel_bits=2, bias_bits=2), *head(kernel_bits=1)
    ),
    "relu of codes without a zero": lambda: sequential(
        (6, 6, 1), ke.ConvQ(3, 3, activation_bits=2), layers.ReLU(), ke.ConvQ(2, 2, activation="relu"), *head()
    ),
    "wide kernels": lambda: sequential((6, 6, 1), ke.ConvQ(2, 3, kernel_bits=9, bias_bits=16), *head(kernel_bits=8)),
    "depthwise, no bias": lambda: sequential(
        (6, 6, 2), ke.DepthwiseConvQ(3, depth_multiplier=3, use_bias=False), *head(7, use_bias=False)
    ),
    "residual row": lambda: sequential((1, 6, 3), ke.ResidualQ(4, activation_bits=3), *head()),
    "residual column": lambda: sequential((6, 1, 3), ke.ActivationQ(5), ke.ResidualQ(4, activation_bits=12), *head()),
    "dense on a map": lambda: sequential((4, 5, 2), ke.DenseQ(3, activation="relu"), ke.DenseQ(2)),
    "nested": nested,
    "functional": functional,
}


def network(name, seed=3):
    """(model in freeze_scales mode, images): the first image is white, the second black."""
    model, random = NETWORKS[name](), np.random.default_rng(seed)
    for weight in model.weights:
        scale = np.float32(random.uniform(-1.5, 1.5))
        weight.assign(scale if weight.shape == () else random.normal(0, 1, weight.shape))
    ke.set_mode(model, "freeze_scales")
    images = random.integers(0, 256, (6, *model.input_shape[1:]), dtype=np.uint8)
    images[0], images[1] = 255, 0
    return model, images


def pruned(name, sparsity, seed=5):
    """(model with zeros in its kernels, images)"""
    model, images = network(name)
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name.startswith("kernel") and "scale" not in weight.name and len(weight.shape) > 1:
            weight.assign(np.where(random.random(weight.shape) < sparsity, 0, np.asarray(weight.numpy())))
    return model, images
