"""What compare_qat.py begins with: the data in a file, and the float network, trained, its normalizations folded."""

from types import SimpleNamespace

import keras
import numpy as np

import keras_efficient as ke
from peers.qat_start import NETWORKS, Start
from peers.tiny_networks import keras_model

DATA = {"mnist": ("mnist", "mnist.npz"), "resnet8": ("cifar10", "cifar10_jpeg.npz")}
BATCH, RATE, MOVED = 128, 5e-3, 4  # pixels that augmentation moves at most
NAMES = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")


def save_data(network, data_dir, checks, folder):
    """The file of the images, as bytes, and their classes; with `checks` it has so few that are not for training."""
    x, y, *others = ke.datasets.load_dataset(DATA[network][0], data_dir).arrays()
    arrays = (x, y, *(each[:checks] for each in others))
    path = folder / "data.npz"
    np.savez(path, **{name: bytes_of(each) for name, each in zip(NAMES, arrays, strict=True)})
    return path


def bytes_of(values):
    return np.round(values * 256).astype("uint8") if values.dtype == "float32" else values


def train_float(network, data, settings, path):
    """Leaves the weights in a file. {"validation_accuracy": ...}."""
    keras.utils.set_random_seed(settings["seed"])
    with np.load(data) as found:
        x, y, x_val, y_val = (found[name] for name in NAMES[:4])
    shape = NETWORKS[network]()
    model = keras_model(shape, normalizing(network == "resnet8"))
    restart(model, settings["seed"])
    rate = keras.optimizers.schedules.CosineDecay(RATE, settings["epochs"] * -(-settings["images"] // BATCH))
    model.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    random = np.random.default_rng(settings["seed"])
    for _ in range(settings["epochs"]):
        order = random.permutation(len(x))[: settings["images"]]
        images = moved(x[order], random) if network == "resnet8" else x[order]
        model.fit(images.astype("float32") / 256, y[order], BATCH, shuffle=False, verbose=0)
    logits = model.predict(x_val.astype("float32") / 256, batch_size=1_000, verbose=0)
    np.savez(path, **folded(model, Start.kernels(shape)))
    return {"validation_accuracy": float(np.mean(logits.argmax(axis=1) == y_val))}


def normalizing(normalized):
    """Keras, its convolutions with a batch normalization after each."""

    def convolution(*sizes, name, **settings):
        first = keras.layers.Conv2D(*sizes, name=name, **settings)
        second = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")
        return lambda x: second(first(x))

    kinds = ("Add", "AveragePooling2D", "MaxPooling2D", "Conv2D", "Dense", "Flatten", "ReLU")
    layers = {kind: getattr(keras.layers, kind) for kind in kinds} | ({"Conv2D": convolution} if normalized else {})
    return SimpleNamespace(Input=keras.Input, Model=keras.Model, layers=SimpleNamespace(**layers))


def restart(model, seed):
    """Glorot's kernels and no biases: `keras_model` gives each network the same weights."""
    for place, layer in enumerate(layer for layer in model.layers if hasattr(layer, "kernel")):
        random = keras.initializers.GlorotUniform(seed=1_000 * seed + place)
        layer.kernel.assign(random(layer.kernel.shape))
        layer.bias.assign(np.zeros(layer.bias.shape))


def moved(images, random):
    """Each image shifted by up to MOVED pixels, zeros moving in, half of them mirrored."""
    padded = np.pad(images, ((0, 0), (MOVED, MOVED), (MOVED, MOVED), (0, 0)))
    rows, columns = random.integers(0, 2 * MOVED + 1, (2, len(images)))
    height, width = images.shape[1:3]
    made = np.stack([each[r : r + height, c : c + width] for each, r, c in zip(padded, rows, columns, strict=True)])
    mirrored = random.random(len(images)) < 0.5
    made[mirrored] = made[mirrored, :, ::-1]
    return made


def folded(model, names):
    """{"NAME/kernel": ..., "NAME/bias": ...} without the batch normalizations after them."""
    found = {}
    for name in names:
        kernel, bias = (np.asarray(each) for each in model.get_layer(name).get_weights())
        if norm := next((layer for layer in model.layers if layer.name == f"{name}_norm"), None):
            scale, shift, mean, variance = norm.get_weights()
            factor = scale / np.sqrt(variance + norm.epsilon)
            kernel, bias = kernel * factor, (bias - mean) * factor + shift
        found |= {f"{name}/kernel": kernel, f"{name}/bias": bias}
    return found
