"""How near `estimate_firmware` comes before training to the network after training: flash, RAM, time on four chips.

Six networks: the shipped ones of 4 bits that have C, and three of Keras's layers, trained here on the digits and
quantized with 8 bits. Each beside five of the same shape that are not trained.

    python scripts/measure_estimates.py [--quick]
"""

import argparse
import json
from functools import partial

import keras

import keras_efficient as ke
from keras_efficient.export.chips import CHIPS
from measuring.results import ROOT, write_results

L = keras.layers
SHAPE, SEEDS = (8, 8, 1), (0, 1, 2, 3, 4)
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
    keras.utils.set_random_seed(SEEDS[0])
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(data.x_train, data.y_train, batch_size=32, epochs=epochs, verbose=0)
    small = ke.quantize_model(model, x=data.x_train[:256])
    small.compile("adam", "sparse_categorical_crossentropy")
    small.fit(data.x_train, data.y_train, batch_size=32, epochs=max(1, epochs // 8), verbose=0)
    return small


def pairs(epochs):
    """Name, trained model, and a function that makes one that is not trained."""
    for name in SHIPPED:
        model = keras.saving.load_model(ROOT / f"models/{name}/{name}.keras", compile=False)
        yield name, model, partial(keras.models.clone_model, model)
    data = ke.datasets.load_dataset("digits")
    for make in (convolutions, depthwise, residual):
        yield make.__name__, trained(make, data, epochs), make


def untrained(make, seed):
    keras.utils.set_random_seed(seed)
    return make()


def compared(model, make, chip, seeds):
    """The estimate after training, and for each seed by how much the one before training differs from it."""
    after = ke.estimate_firmware(model, chip)
    before = [ke.estimate_firmware(untrained(make, seed), chip) for seed in seeds]
    if not all("simulated" in each.how for each in (after, *before)):
        return {"after": after.to_dict(), "differences": []}
    return {"after": after.to_dict(), "differences": [difference(each, after) for each in before]}


def difference(before, after):
    times = [each.cycles or each.instructions for each in (before, after)]
    return {
        "flash_percent": 100 * (before.flash_bytes / after.flash_bytes - 1),
        "ram_bytes": before.ram_bytes - after.ram_bytes,
        "time_percent": 100 * (times[0] / times[1] - 1),
    }


def summary(networks):
    """How many comparisons there are, the extremes, and the comparisons with a flash that is off by more than 5 %."""
    rows = [row for network in networks.values() for chip in network.values() for row in chip["differences"]]
    off = [abs(row["flash_percent"]) > 5 for row in rows]
    usual = [row for row, is_off in zip(rows, off, strict=True) if not is_off]
    spans = {key: [min(row[key] for row in usual), max(row[key] for row in usual)] for key in (usual or [{}])[0]}
    odd = [row for row, is_off in zip(rows, off, strict=True) if is_off]
    return {"comparisons": len(rows), "flash_within_5_percent": len(usual), "spans_of_these": spans, "others": odd}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two chips, one epoch, one seed")
    quick = parser.parse_args().quick
    chips, seeds = (list(CHIPS)[:2], SEEDS[:1]) if quick else (list(CHIPS), SEEDS)
    networks = {
        name: {chip: compared(model, make, chip, seeds) for chip in chips}
        for name, model, make in pairs(epochs=1 if quick else 16)
    }
    print(json.dumps(summary(networks), indent=1))
    write_results("estimates", {"summary": summary(networks), "networks": networks}, seeds=seeds, quick=quick)


if __name__ == "__main__":
    main()
