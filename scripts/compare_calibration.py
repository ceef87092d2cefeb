"""Accuracy after calibration alone, 8 bits, beside LiteRT's full int8 of the same float network.

Four small networks of `measuring/calibrated_networks.py`: convolutions with batch normalization (MNIST), a network as
MobileNetV3 with hard swish and squeeze-and-excite (CIFAR-10, from JPEG files where the data is those), one-dimensional
separable convolutions (spoken digits), and an autoencoder as U-Net that takes noise away (Fashion-MNIST). Each seed of
a network:

* float: Adam with a cosine rate; the weights of the epoch with the best validation loss.
* ours: `ke.quantize_model` with 8 bits, calibrated with 512 training inputs, scales as they are. Of 100 test inputs the
  integers are compared with Keras.
* litert: LiteRT int8, converted with the same 512 inputs.
* tuned: ours after two epochs in which scales learn, by the best validation loss.

The score, which the runs call accuracy, is that in percent, of the autoencoder the peak signal-to-noise ratio in
decibels. Test data is looked at for nothing else. Every finished step is written to results/compare_calibration.json; a
later call goes on from there.

    python scripts/compare_calibration.py --data-dir DIR [--parts mnist_cnn,speech] [--seeds 0,1,2] [--quick]
"""

import argparse
import json
import tempfile
from pathlib import Path

import keras

import keras_efficient as ke
from keras_efficient.export.litert_report import litert_outputs
from keras_efficient.export.reference import keras_logits
from measuring.calibrated_networks import NETWORKS
from measuring.results import ROOT
from measuring.trainings import Ledger, integers, spread

BATCH, CALIBRATION, COMPARED, TUNING = 64, 512, 100, 2
RATE, TUNING_RATE = 2e-3, 5e-4
KINDS = ("float", "ours", "litert", "tuned")


def fit(network, model, data, rate, epochs):
    """Adam with a cosine rate; leaves the weights of the epoch with the best validation loss in the model."""
    x, y, x_val, y_val, *_ = data
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-len(x) // BATCH))
    model.compile(keras.optimizers.Adam(schedule), network.loss())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "best.weights.h5"
        best = keras.callbacks.ModelCheckpoint(path, save_best_only=True, save_weights_only=True)
        model.fit(x, y, BATCH, epochs, validation_data=(x_val, y_val), callbacks=[best], verbose=0)
        model.load_weights(path)


class Series:
    """The steps of one network and one seed: each is done once; the float network lies in a file."""

    def __init__(self, name, seed, arguments, ledger):
        self.name, self.seed, self.ledger, self.network = name, seed, ledger, NETWORKS[name]
        self.path = Path(arguments.models) / f"{name}_{seed}.keras"
        samples, epochs, checks = (
            (256, 1, 100) if arguments.quick else (self.network.samples, self.network.epochs, None)
        )
        self.settings = {"seed": seed, "samples": samples, "epochs": epochs}
        self.data = lambda: self.network.load(arguments.data_dir, samples, checks)

    def run(self):
        if not self.path.exists():
            self.ledger.runs.pop(f"{self.name}/{self.seed}/float", None)
        for kind in KINDS:
            self.ledger.run(f"{self.name}/{self.seed}/{kind}", self.settings, getattr(self, kind))

    def float(self):
        keras.utils.set_random_seed(self.seed)
        model, data = self.network.make(), self.data()
        fit(self.network, model, data, RATE, self.settings["epochs"])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        model.save(self.path)
        return self.score(model, data) | {"parameters": model.count_params()}

    def ours(self):
        model, data = self.quantized("freeze_scales")
        numbers, price = ke.export.IntegerModel(model), ke.estimate_storage(model)
        codes = numbers.encode(data[4][:COMPARED])
        equal = (keras_logits(model, numbers, codes) == numbers.predict(codes)).all(axis=1)
        bytes_of = {"weight_bytes": price.weight_bytes, "arena_bytes": price.activation_bytes}
        exactness = {"equal": int(equal.sum()), "compared": len(codes), "inexact_layers": len(numbers.inexact_layers)}
        return self.score(model, data) | bytes_of | exactness

    def litert(self):
        data = self.data()
        content = ke.export.convert_litert(self.float_model(), data[0][:CALIBRATION])
        outputs = litert_outputs(content, data[4])
        return {"accuracy": self.network.score(outputs, data[5]), "model_bytes": len(content)}

    def tuned(self):
        keras.utils.set_random_seed(self.seed)
        model, data = self.quantized("learn_scales")
        fit(self.network, model, data, TUNING_RATE, TUNING)
        ke.set_mode(model, "freeze_scales")
        return self.score(model, data)

    def quantized(self, mode):
        data = self.data()
        return ke.quantize_model(self.float_model(), x=data[0][:CALIBRATION], mode=mode), data

    def float_model(self):
        return keras.saving.load_model(self.path, compile=False)

    def score(self, model, data):
        return {"accuracy": self.network.score(model.predict(data[4], batch_size=500, verbose=0), data[5])}


def summary(runs):
    """For each network the scores over its seeds, and ours less LiteRT's, before and after fine-tuning."""
    table = {}
    for name, network in NETWORKS.items():
        found = {kind: of_kind(runs, name, kind) for kind in KINDS}
        if found["float"] and all(each.keys() == found["float"].keys() for each in found.values()):
            scores = {kind: [run["accuracy"] for run in found[kind].values()] for kind in KINDS}
            table[name] = {kind: spread(values) for kind, values in scores.items()}
            for kind in ("ours", "tuned"):
                ahead = [a - b for a, b in zip(scores[kind], scores["litert"], strict=True)]
                table[name][f"{kind}_less_litert"] = spread(ahead)
            table[name]["unit"] = network.unit
    return table


def of_kind(runs, name, kind):
    """The runs of a network by seed."""
    return {key.split("/")[1]: run for key, run in sorted(runs.items()) if key.split("/")[::2] == [name, kind]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True, help="folder of MNIST, Fashion-MNIST, CIFAR-10, spoken_digits.npz")
    parser.add_argument("--parts", default=",".join(NETWORKS), help="names of networks, comma-separated")
    parser.add_argument("--seeds", type=integers, default=[0, 1, 2], help="comma-separated")
    parser.add_argument("--models", default=ROOT / "runs/compare_calibration", help="folder for the trained models")
    parser.add_argument("--quick", action="store_true", help="one seed of a part, 256 samples, one epoch, 100 tests")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.models, arguments.seeds = Path(arguments.models) / "quick", [0]
    ledger = Ledger("compare_calibration", arguments.quick)
    for seed in arguments.seeds:
        for name in arguments.parts.split(","):
            Series(name, seed, arguments, ledger).run()
    found = summary(ledger.runs)
    print(json.dumps(found, indent=2))
    print(ledger.write(found).name)


if __name__ == "__main__":
    main()
