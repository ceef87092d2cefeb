"""The 2 KB MNIST network of 2019 side by side with LiteRT (TensorFlow Lite) int8 of the same network.

LiteRT converts after training: 1,000 training images show it the ranges, its input and output are int8, its batch is
1, its network ends at the logits. "litert_int8" starts from the float checkpoint; "litert_int8_rounded" from the
weights that the quantized checkpoint rounds to 4 bits. Ours is the quantized checkpoint. Accuracy is on the 10,000
test images.

A .tflite file holds the names of the layers, so that its size is given for Keras's names and for one-letter names.

The arena is the RAM for tensors. With `pip install tflite-micro` it is what TensorFlow Lite for Microcontrollers takes
on this machine: its total holds structures with pointers, which are smaller on a 32-bit chip; its activation part does
not. Without that package there is no total, and the activation part is the largest sum of tensors alive at once.

    python scripts/compare_litert.py --data-dir DIR --checkpoints DIR [--quick]
"""

import argparse
import dataclasses
import json
import string
import tempfile
from pathlib import Path

import keras
import numpy as np

import keras_efficient as ke
from keras_efficient.export.litert_report import litert_outputs
from measuring.results import write_results
from peers.litert import arena

FLOAT, QUANTIZED = "modelFL_best.h5", "modelQL_0.h5"
REPRESENTATIVE_IMAGES = 1_000


def plain_network(model, short_names=False):
    """A network of ours up to the logits, in Keras's own layers; weights are rounded as the model's mode says."""
    keras.backend.clear_session()  # else the names of the layers, and with them the file, grow with every network
    x = inputs = keras.Input(model.input_shape[1:], batch_size=1, name="I" if short_names else None)
    for letter, layer in zip(string.ascii_lowercase, model.layers, strict=False):
        plain = plain_layer(layer, letter if short_names else None)
        if plain is None:
            continue
        x = plain(x)
        if plain.weights:
            quantizers = (layer.kernel_quantizer, layer.bias_quantizer)
            plain.set_weights([keras.ops.convert_to_numpy(layer.quantize_weight(each)) for each in quantizers])
    return keras.Model(inputs, x, name="M" if short_names else None)


def plain_layer(layer, name):
    """The Keras layer that computes what `layer` does in float mode; None where it does nothing to the logits."""
    if isinstance(layer, ke.AveragePoolingQ):
        return keras.layers.AveragePooling2D(layer.pool_size, layer.strides, layer.padding, name=name)
    if isinstance(layer, ke.ConvQ):
        activation, size = layer.activation, layer.kernel_size
        return keras.layers.Conv2D(layer.filters, size, layer.strides, layer.padding, activation=activation, name=name)
    if isinstance(layer, ke.DenseQ):
        return keras.layers.Dense(layer.units, layer.activation, name=name)
    if isinstance(layer, keras.layers.MaxPooling2D | keras.layers.Flatten):
        return type(layer).from_config({**layer.get_config(), "name": name})
    if isinstance(layer, keras.layers.InputLayer | keras.layers.Dropout | keras.layers.Activation):
        return None
    raise ValueError(f"No plain layer for {layer.name!r} ({type(layer).__name__})")


def measure(model, data, images=None):
    """What LiteRT makes of a network of ours: bytes of the file and of the arena, and test accuracy."""
    content = ke.export.convert_litert(plain_network(model), images)
    return {
        "model_bytes": len(content),
        "model_bytes_short_names": len(ke.export.convert_litert(plain_network(model, short_names=True), images)),
        **arena(content),
        "test_accuracy": accuracy(litert_outputs(content, data.x_test), data.y_test),
    }


def ours(model, data):
    """The bytes of the C code of a network, and the test accuracy of the Keras model and of the C code's integers."""
    figures = {"test_accuracy": accuracy(model.predict(data.x_test, batch_size=1_000, verbose=0), data.y_test)}
    with tempfile.TemporaryDirectory() as directory:
        report = ke.export_c(model, directory)
    logits = ke.export.IntegerModel(model).predict(np.round(data.x_test * 256).astype(np.uint8))
    return {
        "weight_bytes": report.weight_bytes,
        "arena_bytes": report.arena_bytes,
        "static_bytes": report.static_bytes,
        **figures,
        "integer_test_accuracy": accuracy(logits, data.y_test),
    }


def accuracy(scores, labels):
    return float(np.mean(np.argmax(scores, axis=1) == labels))


def ratios(litert, ours):
    """How many times as many bytes LiteRT needs; the total of its arena against all of our static RAM."""
    pairs = {
        "model": (litert["model_bytes"], ours["weight_bytes"]),
        "model_short_names": (litert["model_bytes_short_names"], ours["weight_bytes"]),
        "arena_activation": (litert["arena_activation_bytes"], ours["arena_bytes"]),
        "arena_total": (litert["arena_bytes"], ours["arena_bytes"] + ours["static_bytes"]),
    }
    return {name: round(theirs / own, 2) for name, (theirs, own) in pairs.items() if theirs and own}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--checkpoints", required=True, type=Path, help=f"folder with {FLOAT} and {QUANTIZED}")
    parser.add_argument("--quick", action="store_true", help="200 test images")
    arguments = parser.parse_args()
    data = ke.datasets.load_dataset("mnist", arguments.data_dir)
    if arguments.quick:
        data = dataclasses.replace(data, x_test=data.x_test[:200], y_test=data.y_test[:200])
    float_model, quantized_model = (ke.compat.load_2019(arguments.checkpoints / name) for name in (FLOAT, QUANTIZED))
    images = data.x_train[:REPRESENTATIVE_IMAGES]
    figures = {
        "dataset": "mnist",
        "checkpoints": {"float": FLOAT, "quantized": QUANTIZED},
        "representative_images": len(images),
        "float_test_accuracy": accuracy(float_model.predict(data.x_test, 1_000, verbose=0), data.y_test),
        "litert_float32": measure(float_model, data),
        "litert_int8": measure(float_model, data, images),
        "litert_int8_rounded": measure(quantized_model, data, images),
        "keras_efficient": ours(quantized_model, data),
    }
    figures["ratios"] = ratios(figures["litert_int8"], figures["keras_efficient"])
    print(json.dumps(figures, indent=2))
    write_results("compare_litert", figures, seeds=[0], quick=arguments.quick)


if __name__ == "__main__":
    main()
