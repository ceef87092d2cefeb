"""MNIST accuracy against stored bytes for networks in fixed random bases, and the best one of at most 1,100 bytes.

Every kernel is theta0(seed) + basis(seed) z, so that seeds, coordinates z and biases are all that is stored. Bytes are
those of the flat file of `ke.export.write_coordinates`, headers and check sums included; accuracies those of a model
that was read back from it. Rounding is part of the training (straight-through); Adam in the coordinates, cosine rate,
averaged weights.

* curve: d = 250 ... 4000 coordinates, float, int8 and int4, for every seed; plain images. Validation accuracy only.
* small: candidates of at most 1,100 bytes are trained for a few epochs and compared on validation data, with distorted
  copies of the images: the first one at three learning rates, the others at the best of these. The best of all is
  trained in full for every seed and quantized (kernels of 8 bits, activations of 4; scales set on training images, no
  further training). Both see the test images once. The C of the seed that validates best is compared with Keras on all
  of them, and runs on a simulated ATmega328P and Cortex-M4 (AVR_IMAGES of them) where the tools are installed.
* firmware: that again of models/mnist_1kb, with today's C, in the record of "small"; nothing is trained.

Every training leaves a record in --out, so that a later call goes on.

    python scripts/random_bases_bytes.py --out DIR [--data-dir DIR] [--parts small,curve,firmware] [--network cnn]
        [--seeds 0,1,2] [--epochs 16] [--search-epochs 4] [--curve-epochs 6] [--keep] [--quick]

`--keep` puts the quantized network of the seed that validates best into models/mnist_1kb.
"""

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

import keras_efficient as ke
from keras_efficient.datasets import Affine
from keras_efficient.files import write_json
from measure_firmware import equality, on_arm, on_avr
from measuring.epochs import accuracy
from measuring.model_card import keep_network
from measuring.results import ROOT, record, typed_command, write_results
from measuring.trainings import integers, spread

LIMIT = 1_100
BATCH = 128
AFFINE = Affine(rotation=7.0, scale=0.07, shear=0.05, shift=1.0)
BIAS_BITS = 8
KERNEL_BITS, ACTIVATION_BITS, LAST_BITS = 8, 4, 8
CALIBRATION_IMAGES, AVR_IMAGES = 1_000, 20


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A network and how it is trained.

    Attributes:
        dimensions: Of the layers in order.
        bits: Of the coordinates; None is float.
        epochs: Passes over as many images as there are originals; a multiple of `copies + 1`.
        copies: Distorted copies of each image.
        samples: The first so many images only; None for all.
    """

    network: str
    dimensions: tuple[int, ...]
    bits: int | None
    epochs: int
    learning_rate: float
    copies: int
    filters: tuple[int, ...] = (16, 32, 32)
    samples: int | None = None

    def build(self, seed, quantized=False):
        """The model, for 28 x 28 images."""
        layers = keras.layers
        widths = {"coordinate_bits": self.bits, "bias_bits": self.bits and BIAS_BITS}
        if quantized:
            widths |= {"kernel_bits": KERNEL_BITS, "activation_bits": ACTIVATION_BITS}
        numbers = [{"dimensions": d, "seed": 10 * seed + i, **widths} for i, d in enumerate(self.dimensions)]
        pooling = ke.AveragePoolingQ(2, bits=ACTIVATION_BITS) if quantized else layers.AveragePooling2D(2)
        if self.network == "fc":
            hidden = ke.RandomBasisDense(128, activation="relu", **numbers[0])
            stack = [layers.Flatten(), hidden]
        else:
            convolutions = [
                ke.RandomBasisConv2D(filters, 3, activation="relu", **number)
                for filters, number in zip(self.filters, numbers, strict=False)
            ]
            stack = [pooling, *convolutions[:2], layers.MaxPooling2D(2), convolutions[2]]
            stack.append(layers.Flatten())
        last = numbers[-1] | ({"activation_bits": LAST_BITS} if quantized else {})
        return keras.Sequential([keras.Input((28, 28, 1)), *stack, ke.RandomBasisDense(10, **last)])


# Shares of the coordinates; the first convolution of the CNN has 144 weights only.
SHARES = {"fc": (0.8, 0.2), "cnn": (0.08, 0.33, 0.33, 0.26)}
MOST = {"fc": (100_352, 1_280), "cnn": (144, 4_608, 9_216, 2_880)}
CANDIDATES = {
    "int8": {"bits": 8, "dimensions": (100, 310, 310, 210)},
    "int4": {"bits": 4, "dimensions": (144, 600, 600, 500)},
    "int4, more in the last layer": {"bits": 4, "dimensions": (144, 500, 500, 700)},
    "int4, more filters": {"bits": 4, "dimensions": (144, 600, 560, 500), "filters": (16, 32, 48)},
    "int3": {"bits": 3, "dimensions": (144, 800, 800, 700)},
}
RATES = (0.01, 0.02, 0.04)


def split(network, total):
    """`total` coordinates shared by the layers."""
    return tuple(min(round(total * share), most) for share, most in zip(SHARES[network], MOST[network], strict=True))


def train(recipe, seed, data):
    """A trained model."""
    keras.utils.set_random_seed(seed)
    model, passes = recipe.build(seed), recipe.epochs // (recipe.copies + 1)
    x, y = data.x_train[: recipe.samples], data.y_train[: recipe.samples]
    x, y = ke.datasets.augment(x, y, recipe.copies, seed, affine=AFFINE)
    rate = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, passes * -(-len(x) // BATCH))
    optimizer = keras.optimizers.Adam(rate, use_ema=True, ema_momentum=0.995)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fast = {} if keras.backend.backend() == "torch" else {"steps_per_execution": 20}
    model.compile(optimizer, loss, jit_compile=keras.backend.backend() == "jax", **fast)
    model.fit(x, y, batch_size=BATCH, epochs=passes, verbose=0)
    return model


def stored(model, recipe, seed, path):
    """(bytes, model) of the file: written, and read into a new model."""
    size = ke.export.write_coordinates(model, path)
    again = recipe.build(seed)
    ke.export.load_coordinates(again, path)
    return size, again


def quantized(recipe, seed, coordinates, x):
    """The model of a file on grids, which C can compute: scales from the images x, no training."""
    model, source = recipe.build(seed, quantized=True), recipe.build(seed)
    ke.export.load_coordinates(source, coordinates)
    pairs = zip(*([layer for layer in each.layers if hasattr(layer, "z")] for each in (source, model)), strict=True)
    for old, new in pairs:
        new.z.assign(old.z)
        new.bias.assign(old.bias)
    ke.calibrate(model, model, x)
    ke.set_mode(model, "freeze_scales")
    return model


class Trainings:
    """Trainings with a record each in a folder."""

    def __init__(self, out, data, quick):
        self.out, self.data, self.quick = Path(out), data, quick

    def record(self, name, recipe, seed, test=False):
        """The record of an earlier call with these settings, or of a training now."""
        if self.quick:
            recipe = dataclasses.replace(recipe, epochs=recipe.copies + 1, samples=1_000)
        settings = json.loads(json.dumps({**dataclasses.asdict(recipe), "seed": seed, "test": test}))
        path = self.out / f"{name}-seed{seed}{'-quick' * self.quick}.json"
        record = json.loads(path.read_text()) if path.exists() else {}
        # The final networks may be kept: their coordinates must be there, too.
        if record.get("settings") != settings or (test and not path.with_suffix(".bin").exists()):
            record = {"settings": settings, **self._figures(recipe, seed, test, path.with_suffix(".bin"))}
            write_json(path, record)
        print(path.stem, record["stored_bytes"], record["validation"], record.get("test", ""), flush=True)
        return record

    def _figures(self, recipe, seed, test, coordinates):
        started = time.perf_counter()
        model = train(recipe, seed, self.data)
        seconds = time.perf_counter() - started
        size, model = stored(model, recipe, seed, coordinates)
        figures = {"stored_bytes": size, "seconds": seconds}
        figures["validation"] = accuracy(model, self.data.x_val, self.data.y_val)
        if test:
            figures["test"] = accuracy(model, self.data.x_test, self.data.y_test)
        return figures


def measure_curve(trainings, network, epochs, seeds):
    """Bytes and validation accuracy by coordinates and width."""
    rows = []
    for total in (250, 500, 1000, 2000, 4000):
        for bits in (None, 8, 4):
            recipe = Recipe(network, split(network, total), bits, epochs, RATES[1], copies=0)
            name = f"curve-{network}-{total}-{bits or 'float'}"
            records = [trainings.record(name, recipe, seed) for seed in seeds]
            row = {"network": network, "coordinates": sum(recipe.dimensions), "bits": bits}
            row |= {"stored_bytes": records[0]["stored_bytes"], "epochs": epochs}
            rows.append({**row, "validation": spread([record["validation"] for record in records])})
    return rows


def measure_small(trainings, search_epochs, epochs, seeds):
    """The best candidate of at most `LIMIT` bytes by validation, and its test accuracy."""
    tried = []

    def attempt(name, rate):
        recipe = Recipe("cnn", epochs=search_epochs, learning_rate=rate, copies=1, **CANDIDATES[name])
        record = trainings.record(f"search-{name.replace(' ', '_')}-{rate}", recipe, seed=0)
        if record["stored_bytes"] > LIMIT:
            raise ValueError(f"candidate '{name}' takes {record['stored_bytes']} bytes, more than {LIMIT}")
        tried.append({"candidate": name, "learning_rate": rate, "validation": record["validation"]})

    first, *others = CANDIDATES
    for rate in RATES:
        attempt(first, rate)
    rate = max(tried, key=lambda row: row["validation"])["learning_rate"]
    for name in others:
        attempt(name, rate)
    best = max(tried, key=lambda row: row["validation"])
    change = CANDIDATES[best["candidate"]]
    recipe = Recipe("cnn", epochs=epochs, learning_rate=best["learning_rate"], copies=3, **change)
    records = [trainings.record("small", recipe, seed, test=True) for seed in seeds]
    models, data = [small_model(trainings, recipe, seed) for seed in seeds], trainings.data
    parts = {"validation": (data.x_val, data.y_val), "test": (data.x_test, data.y_test)}
    rows = {name: [accuracy(model, *part) for model in models] for name, part in parts.items()}
    first = max(range(len(seeds)), key=rows["validation"].__getitem__)
    return {
        "search": tried,
        "chosen": best["candidate"],
        "recipe": dataclasses.asdict(recipe),
        "stored_bytes": records[0]["stored_bytes"],
        "limit_bytes": LIMIT,
        "validation": spread([record["validation"] for record in records]),
        "test": spread([record["test"] for record in records]),
        "seconds": statistics.median(record["seconds"] for record in records),
        "quantized": {name: spread(row) for name, row in rows.items()},
        "best_seed": seeds[first],
        "firmware": firmware(models[first], data.x_test, data.y_test),
    }


def small_model(trainings, recipe, seed):
    """The quantized network of a training."""
    suffix = "-quick" * trainings.quick
    path = trainings.out / f"small-seed{seed}{suffix}.bin"
    recipe = dataclasses.replace(recipe, epochs=recipe.copies + 1, samples=1_000) if trainings.quick else recipe
    return quantized(recipe, seed, path, trainings.data.x_train[:CALIBRATION_IMAGES])


def firmware(model, x, y):
    """What the C takes, and whether it computes what Keras does."""
    with tempfile.TemporaryDirectory() as exported:
        report = ke.export_c(model, exported)
        images = np.round(x * 256).astype(np.uint8)
        return {
            "weight_bytes": report.weight_bytes,
            "arena_bytes": report.arena_bytes,
            "equality": equality(model, exported, images, y),
            "atmega328p": {level: on_avr(exported, images[:AVR_IMAGES], level) for level in ("-Os", "-O3")},
            "cortex_m4": {level: on_arm(exported, images[:AVR_IMAGES], level, "cortex-m4") for level in ("-Os", "-O3")},
        }


def measured_again(data):
    """The figures of the record, with those of the C that the shipped network has today."""
    found = record("random_bases_small")
    model = keras.saving.load_model(ROOT / "models/mnist_1kb/mnist_1kb.keras", compile=False)
    return {**found["figures"], "firmware": firmware(model, data.x_test, data.y_test)}


def keep_small(out, figures, data):
    """models/mnist_1kb: the quantized network of the seed that validates best, its C and its card."""
    seed, stored_bytes = figures["best_seed"], figures["firmware"]["weight_bytes"]
    model = quantized(
        Recipe(**figures["recipe"]), seed, Path(out) / f"small-seed{seed}.bin", data.x_train[:CALIBRATION_IMAGES]
    )
    path = Path(out) / "mnist_1kb.keras"
    model.save(path)
    place = figures["quantized"]["validation"]["each"].index(max(figures["quantized"]["validation"]["each"]))
    avr = figures["firmware"]["atmega328p"]["-Os"]
    cycles = avr.get("mean_cycles", 0)
    facts = {
        "name": "mnist_1kb",
        "title": f"MNIST in {stored_bytes:,} bytes",
        "data": "mnist",
        "split": "Convolutions and a dense layer in fixed random bases: seeds, coordinates and biases are stored, and "
        "the C makes each weight anew in the loop over products, which takes time: an image takes "
        f"{cycles / 1e6:.0f} million cycles of an ATmega328P (simulated; mean of {AVR_IMAGES} test images), and the C "
        f"{avr.get('ram_bytes', 0):,} bytes of its RAM, with the stack. Of "
        f"{len(figures['quantized']['test']['each'])} seeds the one that validates best; all of them: "
        "`results/random_bases_small.json`.",
        "recipe": typed_command(),
        "seed": seed,
        "accuracy": {part: figures["quantized"][part]["each"][place] for part in ("validation", "test")},
    }
    keep_network(path, facts, data.x_test, data.y_test)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder of the records")
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--parts", default="small,curve", help="of small, curve, firmware")
    parser.add_argument("--network", default="cnn", choices=tuple(SHARES), help="of the curve")
    parser.add_argument("--seeds", type=integers, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=16, help="of the small network; a multiple of 4")
    parser.add_argument("--search-epochs", type=int, default=4, help="of its candidates; a multiple of 2")
    parser.add_argument("--curve-epochs", type=int, default=6)
    parser.add_argument("--keep", action="store_true", help="the small network goes into models/")
    parser.add_argument("--quick", action="store_true", help="1,000 images, one pass, one seed")
    return parser.parse_args()


def main():
    arguments = parse()
    seeds = [0] if arguments.quick else arguments.seeds
    data = ke.datasets.load_dataset("mnist", arguments.data_dir)
    trainings = Trainings(arguments.out, data, arguments.quick)
    for part in arguments.parts.split(","):
        if part == "firmware":
            figures, name = measured_again(data), "random_bases_small"
        elif part == "small":
            figures = measure_small(trainings, arguments.search_epochs, arguments.epochs, seeds)
            name = "random_bases_small"
            if arguments.keep and not arguments.quick:
                keep_small(arguments.out, figures, data)
        else:
            rows = measure_curve(trainings, arguments.network, arguments.curve_epochs, seeds)
            figures, name = {"rows": rows}, f"random_bases_bytes_{arguments.network}"
        print(json.dumps(figures, indent=1))
        write_results(name, figures, seeds=seeds, quick=arguments.quick, continued=part == "firmware")


if __name__ == "__main__":
    main()
