"""How near `estimate_firmware` comes before training to the network after training: flash, RAM, time on four chips.

Six networks: the shipped ones of 4 bits that have C, and three of Keras's layers, trained here on the digits and
quantized with 8 bits. Each beside one of the same shape that is not trained.

    python scripts/measure_estimates.py [--quick]
"""

import argparse
import json

import keras
from _results import ROOT, write_results

import keras_efficient as ke
from keras_efficient.export.chips import CHIPS

L = keras.layers
SHAPE, SEED = (8, 8, 1), 0
SHIPPED = ("digits_1_5kb", "fashion_mnist_2kb", "mnist_2kb")


def convolutions():
    x = inputs = keras.Input(SHAPE)
    x = L.Conv2D(16, 3, 2, activation="relu")(L.Conv2D(8, 3, padding="same", activation="relu")(x))
    return keras.Model(inputs, L.Dense(10, "softmax")(L.Flatten()(x)))


def depthwise():
    x = inputs = keras.Input(SHAPE)
    for layer in (L.Conv2D(8, 3, padding="same"), L.DepthwiseConv2D(3), L.Conv2D(16, 1)):
        x = L.ReLU()(L.BatchNormalization()(layer(x)))
    return keras.Model(inputs, L.Dense(10, "softmax")(L.GlobalAveragePooling2D()(x)))


def residual():
    x = inputs = keras.Input(SHAPE)
    x = L.Conv2D(8, 3, padding="same", activation="relu")(x)
    y = L.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = L.ReLU()(L.Add()([x, L.Conv2D(8, 3, padding="same")(y)]))
    return keras.Model(inputs, L.Dense(10, "softmax")(L.Flatten()(x)))


def trained(make, data, epochs):
    """A network of Keras's layers, trained in float and quantized."""
    keras.utils.set_random_seed(SEED)
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(data.x_train, data.y_train, batch_size=32, epochs=epochs, verbose=0)
    small = ke.quantize_model(model, x=data.x_train[:256])
    small.compile("adam", "sparse_categorical_crossentropy")
    small.fit(data.x_train, data.y_train, batch_size=32, epochs=max(1, epochs // 8), verbose=0)
    return small


def pairs(epochs):
    """Name, trained model, and one that is not trained."""
    for name in SHIPPED:
        model = keras.saving.load_model(ROOT / f"models/{name}/{name}.keras", compile=False)
        keras.utils.set_random_seed(SEED)
        yield name, model, keras.models.clone_model(model)
    data = ke.datasets.load_dataset("digits")
    for make in (convolutions, depthwise, residual):
        model = trained(make, data, epochs)
        keras.utils.set_random_seed(SEED)
        yield make.__name__, model, make()


def compared(after, before, chip):
    """Both estimates, and by how much the one before training differs from the one after."""
    late, early = (ke.estimate_firmware(model, chip) for model in (after, before))
    row = {"after": late.to_dict(), "before": early.to_dict()}
    if "simulated" in late.how and "simulated" in early.how:
        times = [each.cycles or each.instructions for each in (early, late)]
        row |= {
            "flash_percent": 100 * (early.flash_bytes / late.flash_bytes - 1),
            "ram_bytes": early.ram_bytes - late.ram_bytes,
            "time_percent": 100 * (times[0] / times[1] - 1),
        }
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two chips, one epoch")
    quick = parser.parse_args().quick
    chips = list(CHIPS)[:2] if quick else list(CHIPS)
    networks = {
        name: {chip: compared(after, before, chip) for chip in chips}
        for name, after, before in pairs(1 if quick else 16)
    }
    rows = [row for network in networks.values() for row in network.values() if "ram_bytes" in row]
    spans = {
        key: [min(row[key] for row in rows), max(row[key] for row in rows)]
        for key in ("flash_percent", "ram_bytes", "time_percent")
        if rows
    }
    print(json.dumps(spans, indent=1))
    write_results("estimates", {"spans": spans, "networks": networks}, seeds=[SEED], quick=quick)


if __name__ == "__main__":
    main()
