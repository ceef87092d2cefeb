"""Each compact layer in C: a small MNIST network with it, beside plain ones of equal bytes and of equal accuracy.

The networks: `measuring/compact_networks.py`. Each is trained in float at two learning rates; the one that validates
better trains every seed: float, then quantized with scales that learn. Beside a family stand the same network with a
plain layer (`DenseQ`, `ConvQ`) whose width gives the nearest weight bytes, and the smallest of all plain ones here
that validates as well as it on average, within one standard error of the difference. Of the widths 20 and 11 were added
when a first table without them was known.

Test images are looked at when all of that is done, by the networks of the table alone. Of each the seed that validates
best is exported: its C runs on all test images with sanitizers, and its logits are compared with Keras's quantized
outputs. What it takes on the chips is `ke.estimate_firmware`'s, of the trained network.

Every finished step is written to results/compact_layers_in_c.json, its model to --models; a later call goes on from
there.

    python scripts/compact_layers_in_c.py [--data-dir DIR] [--families phm,monarch] [--seeds 0,1,2] [--quick]
"""

import argparse
import dataclasses
import functools
import statistics
import tempfile
from pathlib import Path

import keras

import keras_efficient as ke
from measure_firmware import equality
from measuring.compact_networks import FAMILIES, bytes_of, plain, width_of_equal_bytes
from measuring.epochs import accuracy
from measuring.results import ROOT
from measuring.trainings import Ledger, Models, integers, spread

RATES, BATCH, IMAGES, EPOCHS, CALIBRATION = (0.01, 0.03), 256, 20_000, (14, 5), 512
QUANTIZED_RATE = 1 / 3  # of the learning rate in float
LADDERS = {False: (8, 16, 20, 24, 56), True: (4, 8, 11, 32)}  # more widths of plain layers: dense, convolutions
CHIPS = ("atmega328p", "cortex-m4")
QUICK_FAMILIES = "low_rank,phm_conv"
_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def fit(model, network, data, settings, rate, epochs):
    """Adam; the learning rate falls as a cosine."""
    steps = settings["images"] // BATCH
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate * network.rate, epochs * steps))
    optimizer = ke.DiagonalRates(optimizer) if network.diagonals else optimizer
    fast = {} if keras.backend.backend() == "torch" else {"steps_per_execution": min(steps, 39)}
    model.compile(optimizer, _LOSS, jit_compile=False, **fast)
    x, y = data.x_train[: steps * BATCH], data.y_train[: steps * BATCH]
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)
    return model, accuracy(model, data.x_val, data.y_val)


def train_float(network, data, settings):
    """(model, validation accuracy)."""
    keras.utils.set_random_seed(settings["seed"])
    return fit(network.model(), network, data, settings, settings["rate"], settings["epochs"][0])


def train_quantized(network, data, settings, model):
    """(quantized copy of a float network, validation accuracy), its scales rounded and frozen."""
    keras.utils.set_random_seed(settings["seed"])
    small = network.quantized(model, data.x_train[:CALIBRATION])
    fit(small, network, data, settings, settings["rate"] * QUANTIZED_RATE, settings["epochs"][1])
    ke.quantization.round_scales(small)
    ke.set_mode(small, "freeze_scales")
    return small, accuracy(small, data.x_val, data.y_val)


def test_figures(model, data):
    """Test accuracy of the integers."""
    numbers = ke.export.IntegerModel(model)
    logits = numbers.predict(numbers.encode(data.x_test))
    return {"accuracy": float((logits.argmax(axis=1) == data.y_test).mean())}


def firmware_figures(model, data):
    """Whether the C gives Keras's logits, and what it takes."""
    with tempfile.TemporaryDirectory() as folder:
        ke.export_c(model, folder)
        codes = ke.export.IntegerModel(model).encode(data.x_test)
        equal = equality(model, folder, codes, data.y_test)
    price = ke.estimate_storage(model)
    return {
        "accuracy": equal.pop("test_accuracy"),
        "equality": equal,
        "weight_bytes": bytes_of(model),
        "mult_adds": price.mult_adds,
        **{chip: ke.estimate_firmware(model, chip).to_dict() for chip in CHIPS},
    }


class Trained(Models):
    """A network, trained for every seed.

    validation: spread of the validation accuracies. best: the seed that validates best.
    """

    def __init__(self, name, network, arguments, ledger):
        super().__init__(arguments.models, ledger)
        self.name, self.network, self.seeds = name, network, arguments.seeds
        self.data = lambda: load(arguments.data_dir, arguments.quick)
        quick = {"images": 2 * BATCH, "epochs": [1, 1]}
        settings = quick if arguments.quick else {"images": IMAGES, "epochs": list(EPOCHS)}
        self.settings = {**settings, "layer": network.shown, "kernel_bits": network.kernel_bits}
        self.rate = max(arguments.rates, key=lambda rate: self.train_float(self.seeds[0], rate))
        self.validation = spread([self.train_quantized(seed) for seed in self.seeds])
        self.best = max(zip(self.validation["each"], self.seeds, strict=True), key=lambda pair: pair[0])[1]

    def train_float(self, seed, rate):
        settings = {**self.settings, "seed": seed, "rate": rate}
        make = functools.partial(train_float, self.network, settings=settings)
        return self.train(self.step(seed, f"float_{rate}"), settings, lambda: make(data=self.data()))

    def train_quantized(self, seed):
        if seed != self.seeds[0]:
            self.train_float(seed, self.rate)
        settings, source = {**self.settings, "seed": seed, "rate": self.rate}, self.step(seed, f"float_{self.rate}")
        make = functools.partial(train_quantized, self.network, settings=settings)
        name = self.step(seed, "quantized")
        return self.train(name, settings, lambda: make(data=self.data(), model=self.load(source)))

    def weight_bytes(self):
        return bytes_of(self.load(self.step(self.best, "quantized")))

    def row(self):
        """What the table says of it; test images are read."""
        test = spread([self.check(seed, "test", test_figures) for seed in self.seeds])
        self.check(self.best, "c", firmware_figures)
        found = self.ledger.runs[self.step(self.best, "c")]
        return {
            "layer": self.network.shown,
            "kernel_bits": self.network.kernel_bits,
            "learning_rate": self.rate * self.network.rate,
            "validation": self.validation,
            "test": test,
            "seed": self.best,
            **{key: value for key, value in found.items() if key not in ("settings", "accuracy")},
        }

    def check(self, seed, kind, figures):
        """A step that looks at the quantized network of a seed."""
        settings, source = {**self.settings, "seed": seed, "rate": self.rate}, self.step(seed, "quantized")
        return self.ledger.run(self.step(seed, kind), settings, lambda: figures(self.load(source), self.data()))

    def step(self, seed, kind):
        return f"{self.name}/{seed}/{kind}"


def of_equal_accuracy(trained, ladder):
    """The first of a ladder, the narrowest first, that validates as well as a network; None without such a one."""
    return next((each for each in ladder if reaches(each.validation, trained.validation)), None)


def reaches(one, other):
    """Whether a mean is at least another, within one standard error of the difference."""
    count = len(one["each"])
    variances = [statistics.variance(spread["each"]) / count if count > 1 else 0.0 for spread in (one, other)]
    return one["mean"] >= other["mean"] - sum(variances) ** 0.5


def summary(arguments, ledger):
    """Of each family its network and the plain ones beside it; all are trained before one sees a test image."""
    families = {name: Trained(name, FAMILIES[name], arguments, ledger) for name in arguments.families}
    kinds = {name: family.network.is_conv for name, family in families.items()}
    widths = {name: width_of_equal_bytes(kinds[name], family.weight_bytes()) for name, family in families.items()}
    ladders = {}
    for is_conv in dict.fromkeys(kinds.values()):
        wanted = {*arguments.ladders[is_conv], *(width for name, width in widths.items() if kinds[name] == is_conv)}
        ladders[is_conv] = {width: plain_trained(is_conv, width, arguments, ledger) for width in sorted(wanted)}
    return {
        name: {
            "family": family.row(),
            "equal_bytes": ladders[kinds[name]][widths[name]].row(),
            "equal_accuracy": row_of(of_equal_accuracy(family, ladders[kinds[name]].values())),
        }
        for name, family in families.items()
    }


def plain_trained(is_conv, width, arguments, ledger):
    """The network with a plain layer, trained."""
    return Trained(f"{'conv' if is_conv else 'dense'}_{width}", plain(is_conv, width), arguments, ledger)


def row_of(trained):
    return None if trained is None else trained.row()


@functools.cache
def load(data_dir, quick):
    """MNIST, a part of its training images."""
    data = ke.datasets.load_dataset("mnist", data_dir)
    sizes = {"train": 2 * BATCH, "val": 200, "test": 200} if quick else {}
    short = {f"{axis}_{part}": getattr(data, f"{axis}_{part}")[:size] for part, size in sizes.items() for axis in "xy"}
    return dataclasses.replace(data, **short)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--families", help=f"comma-separated, of {', '.join(FAMILIES)}")
    parser.add_argument("--seeds", type=integers, default=[0, 1, 2], help="comma-separated")
    parser.add_argument("--models", default=ROOT / "runs/compact_layers_in_c", help="folder for the trained models")
    parser.add_argument(
        "--quick", action="store_true", help="512 images, one epoch of each kind, one seed, two families"
    )
    arguments = parser.parse_args()
    arguments.rates, arguments.ladders = RATES, LADDERS
    if arguments.quick:
        arguments.models = Path(arguments.models) / "quick"
        arguments.seeds, arguments.rates, arguments.ladders = arguments.seeds[:1], RATES[:1], {False: (), True: ()}
    chosen = (arguments.families or (QUICK_FAMILIES if arguments.quick else ",".join(FAMILIES))).split(",")
    if unknown := set(chosen) - FAMILIES.keys():
        parser.error(f"--families must be of {', '.join(FAMILIES)}. Received: {', '.join(sorted(unknown))}")
    arguments.families = chosen
    return arguments


def main():
    arguments = parse()
    ledger = Ledger("compact_layers_in_c", arguments.quick)
    print(ledger.write(summary(arguments, ledger)).name)


if __name__ == "__main__":
    main()
