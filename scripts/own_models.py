"""Bring your own model: plain Keras networks trained in float, quantized to 8 and to 4 bits, priced, exported and run.

Four small networks (batch normalization, residual, depthwise, signals) and MLPerf Tiny's ResNet-8, from
`measuring/own_networks.py`; MNIST, CIFAR-10, and signals of 16 bits that `measuring/signals.py` makes up. Each seed of
a network:

* float: Adam with a cosine rate on a part of the training samples. float_longer: trained on from there as long, and
  with the same rates, as the quantized ones: what they would gain without quantization.
* int8, int4: `ke.quantize_model` of it with that many bits for kernels and activations, then plain `fit`: two epochs
  in which scales learn, one with frozen scales.

Of all epochs the weights with the best validation accuracy are kept; test samples are looked at once, for them, through
the integer model. The generated C runs on this computer on every test sample, and on some of them with sanitizers.
Beside its arena stand the price (`ke.estimate_storage`) and the arena of a greedy planner that runs the layers in their
order, moves nothing and writes nothing in place.

* litert (ResNet-8): the float network as LiteRT int8, converted after training; its interpreter's arena and accuracy.

Every finished step is written to results/own_models.json, its model to --models; a later call goes on from there.

    python scripts/own_models.py --data-dir DIR [--parts batch_norm_cnn,resnet8] [--seeds 0,1] [--quick]
"""

import argparse
import json
import tempfile
from pathlib import Path

import keras
import numpy as np

import keras_efficient as ke
from keras_efficient.export.litert_report import litert_outputs
from keras_efficient.export.verify import run_on_host
from keras_efficient.reading.network import read_network
from keras_efficient.storage.graphs.reading import read_graph
from measuring.own_networks import NETWORKS, load
from measuring.results import ROOT
from measuring.trainings import Ledger, Models, integers, spread
from peers.greedy_arena import greedy_arena
from peers.litert import arena, computed_arena

BITS = (8, 4)
TARGETS = {8: 0.01, 4: 0.02}  # accuracy below float, at most
FLOAT_RATE, STAGES = 2e-3, (("learn_scales", 1e-3), ("freeze_scales", 2e-4))
BATCH, CALIBRATION, SANITIZED = 64, 512, 50
FLOATS = ("float", "float_longer")
LITERT_PART = ("resnet8",)


class BestWeights(keras.callbacks.Callback):
    """Remembers the weights of the epoch with the best validation accuracy."""

    def __init__(self):
        super().__init__()
        self.accuracy, self.weights = -1.0, None

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_accuracy"] > self.accuracy:
            self.accuracy, self.weights = logs["val_accuracy"], self.model.get_weights()


def fit(model, data, rate, epochs, best):
    """Adam with a cosine rate; leaves the best weights of this and earlier calls in the model."""
    x, y, x_val, y_val, *_ = data
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-len(x) // BATCH))
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, BATCH, epochs, validation_data=(x_val, y_val), callbacks=[best], verbose=0)
    model.set_weights(best.weights)


def train_float(plain, settings, data):
    """(model, validation accuracy) of a network as it was brought."""
    keras.utils.set_random_seed(settings["seed"])
    model, best = plain.make(), BestWeights()
    fit(model, data, FLOAT_RATE, settings["epochs"], best)
    return model, best.accuracy


def train_longer(settings, data, model):
    """(`model`, validation accuracy) after the epochs of the fine-tuning, in float."""
    keras.utils.set_random_seed(settings["seed"])
    best = BestWeights()
    for (_, rate), epochs in zip(STAGES, settings["fine_tuning"], strict=True):
        fit(model, data, rate, epochs, best)
    return model, best.accuracy


def train_quantized(plain, settings, data, model):
    """(quantized copy of `model`, validation accuracy), fine-tuned."""
    keras.utils.set_random_seed(settings["seed"])
    bits = settings["bits"]
    small = ke.quantize_model(model, bits, activation_bits=bits, x=data[0][:CALIBRATION], input_bits=plain.input_bits)
    best = BestWeights()
    for (mode, rate), epochs in zip(STAGES, settings["fine_tuning"], strict=True):
        if mode == "freeze_scales":
            ke.quantization.round_scales(small)
            best.weights = small.get_weights()
        ke.set_mode(small, mode)
        fit(small, data, rate, epochs, best)
    return small, best.accuracy


def accuracy(scores, labels):
    return float(np.mean(np.argmax(scores, axis=1) == labels))


def float_figures(model, data):
    scores = model.predict(data[4], batch_size=500, verbose=0)
    return {"accuracy": accuracy(scores, data[5]), "parameters": model.count_params()}


def integer_figures(model, data):
    """Test accuracy of the integers, and the bytes of the C beside the price."""
    numbers = ke.export.IntegerModel(model)
    logits = numbers.predict(numbers.encode(data[4]))
    with tempfile.TemporaryDirectory() as folder:
        report = ke.export_c(model, folder)
    network = read_network(model)
    graph = read_graph(network, [entry.shape for entry in network.entries], numbers.input.codes.bits)
    price = ke.estimate_storage(model)
    return {
        "accuracy": accuracy(logits, data[5]),
        "weight_bytes": report.weight_bytes,
        "arena_bytes": report.arena_bytes,
        "priced_bytes": price.activation_bytes,
        "greedy_bytes": greedy_arena(graph.inputs, graph.nodes),
        "ram_bytes": report.ram_bytes,
        "mult_adds": price.mult_adds,
    }


def firmware_figures(model, data):
    """Test accuracy of the C, and for how many samples it gives the logits of the integers."""
    numbers = ke.export.IntegerModel(model)
    codes = numbers.encode(data[4])
    with tempfile.TemporaryDirectory() as folder:
        ke.export_c(model, folder)
        verified = ke.export.verify_c(model, folder, codes[:SANITIZED])
        run = run_on_host(folder, codes, optimization="-O3", sanitize=False, seconds=36_000)
    return {
        "accuracy": accuracy(run.logits, data[5]),
        "samples": len(codes),
        "samples_equal_in_c": int((run.logits == numbers.predict(codes)).all(axis=1).sum()),
        "verified": verified.passed,
        "comparisons": [str(each) for each in verified.comparisons],
    }


def litert_figures(model, data):
    """The float model as LiteRT int8, calibrated as ours is; without its softmax where that is a layer of its own."""
    ends_in_softmax = isinstance(model.layers[-1], (keras.layers.Activation, keras.layers.Softmax))
    logits = keras.Model(model.inputs, model.layers[-2].output) if ends_in_softmax else model
    content = ke.export.convert_litert(logits, data[0][:CALIBRATION])
    computed = computed_arena(content)["arena_activation_bytes"]
    found = {"model_bytes": len(content), **arena(content), "arena_computed_bytes": computed}
    return {"accuracy": accuracy(litert_outputs(content, data[4]), data[5]), "samples": len(data[5]), **found}


class Series(Models):
    """The steps of one network and one seed: each is done once, its model lies in a file."""

    def __init__(self, name, seed, arguments, ledger):
        super().__init__(arguments.models, ledger)
        self.name, self.seed, self.plain = name, seed, NETWORKS[name]
        images, epochs = (256, 1) if arguments.quick else (self.plain.images, self.plain.epochs)
        self.settings = {"seed": seed, "images": images, "epochs": epochs}
        self.fine_tuning = [1, 1] if arguments.quick else [2, 1]
        checks = 100 if arguments.quick else None
        self.data = lambda: load(self.plain.data, arguments.data_dir, images, checks)

    def run(self):
        self.make("float", self.settings, lambda: train_float(self.plain, self.settings, self.data()), float_figures)
        longer = {**self.settings, "fine_tuning": self.fine_tuning}
        self.make("float_longer", longer, lambda: train_longer(longer, self.data(), self.float_model()), float_figures)
        for bits in BITS:
            settings = {**longer, "bits": bits}
            self.make(f"int{bits}", settings, lambda settings=settings: self.quantized(settings), integer_figures)
            self.check(f"int{bits}", "c", settings, firmware_figures)
        if self.name in LITERT_PART:
            self.check("float", "litert", self.settings, litert_figures)

    def quantized(self, settings):
        return train_quantized(self.plain, settings, self.data(), self.float_model())

    def make(self, kind, settings, make, figures):
        """The step that makes a model."""
        self.train(self.step(kind), settings, make, lambda model: figures(model, self.data()))

    def check(self, kind, check, settings, figures):
        """A step that looks at a model of an earlier one."""
        name = self.step(f"{kind}_{check}")
        self.ledger.run(name, settings, lambda: figures(self.load(self.step(kind)), self.data()))

    def float_model(self):
        return self.load(self.step("float"))

    def step(self, kind):
        return f"{self.name}/{self.seed}/{kind}"


def summary(runs):
    """For each network the accuracies over its seeds, what was lost, whether the targets are met, and the bytes."""
    table = {}
    for name in NETWORKS:
        found = {kind: of_kind(runs, name, kind) for kind in (*FLOATS, *(f"int{bits}" for bits in BITS))}
        if found["float"] and all(each.keys() == found["float"].keys() for each in found.values()):
            table[name] = {kind: spread([run["accuracy"] for run in found[kind].values()]) for kind in FLOATS}
            for bits in BITS:
                checks = of_kind(runs, name, f"int{bits}_c")
                table[name][f"int{bits}"] = quantized_summary(found, found[f"int{bits}"], checks, TARGETS[bits])
            for run in of_kind(runs, name, "float_litert").values():
                table[name]["litert"] = {key: value for key, value in run.items() if key != "settings"}
    return table


def of_kind(runs, name, kind):
    """The runs of a network by seed."""
    return {key.split("/")[1]: run for key, run in sorted(runs.items()) if key.split("/")[::2] == [name, kind]}


def quantized_summary(floats, runs, checks, target):
    lost, lost_to_longer = (
        [floats[kind][seed]["accuracy"] - run["accuracy"] for seed, run in runs.items()] for kind in FLOATS
    )
    first = next(iter(runs.values()))
    return {
        **spread([run["accuracy"] for run in runs.values()]),
        "lost": spread(lost),
        "lost_to_longer": spread(lost_to_longer),
        "target": target,
        "met": max(lost) <= target,
        "met_against_longer": max(lost_to_longer) <= target,
        "samples_in_c": sum(run["samples"] for run in checks.values()),
        "samples_equal_in_c": sum(run["samples_equal_in_c"] for run in checks.values()),
        "verified": bool(checks) and all(run["verified"] for run in checks.values()),
        **{key: first[key] for key in first if key.endswith("_bytes")},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder of MNIST and CIFAR-10; without it they are downloaded")
    parser.add_argument("--parts", default=",".join(NETWORKS), help="names of networks, comma-separated")
    parser.add_argument("--seeds", type=integers, default=[0], help="comma-separated")
    parser.add_argument("--models", default=ROOT / "runs/own_models", help="folder for the trained models")
    parser.add_argument("--quick", action="store_true", help="256 samples, one epoch of each kind, 100 test samples")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.models = Path(arguments.models) / "quick"
    ledger = Ledger("own_models", arguments.quick)
    for seed in arguments.seeds:
        for name in arguments.parts.split(","):
            Series(name, seed, arguments, ledger).run()
    found = summary(ledger.runs)
    print(json.dumps(found, indent=2))
    print(ledger.write(found).name)


if __name__ == "__main__":
    main()
