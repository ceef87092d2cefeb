"""A process of compare_qat.py, in the environment of one package: trains and tests its sides on request.

    python peers/qat_process.py PACKAGE DATA.npz    packages: ours, hgq2, qkeras, tfmot

A line on standard input is a task in JSON, {"task": "train", ...}; the answer is its figures, or {"failed": reason}.
"""

import importlib.metadata
import json
import statistics
import sys
import time

import numpy as np

from peers.qat_start import CALIBRATION, Start

PEERS = ("hgq2", "quantizers", "qkeras-v3", "tensorflow-model-optimization", "tf_keras")
DISTRIBUTIONS = ("keras", "tensorflow", *PEERS)
BATCH, ROUNDS, TIMED = 128, 7, 1_280  # images of a turn


class Tasks:
    """What a package does with the data."""

    def __init__(self, package, path):
        self.package = importlib.import_module(f"peers.qat_{package}")
        self.library = getattr(self.package, "library", None) or importlib.import_module("keras")
        with np.load(path) as found:
            self.data = {name: found[name] for name in found.files}
        for name in ("x_train", "x_val", "x_test"):
            self.data[name] = self.data[name].astype("float32") / 256

    def run(self, settings):
        self.library.backend.clear_session()
        self.library.utils.set_random_seed(settings["seed"])
        start = Start(settings["network"], settings["start"], self.data["x_train"][:CALIBRATION], self.library)
        return getattr(self, settings["task"])(start, settings)

    def train(self, start, settings):
        """Trains; of the epochs with at most the bits of the width the best by validation accuracy is kept."""
        side, best, began = self.made(start, settings), {"validation_accuracy": -1.0}, time.process_time()
        self.compile(side.model, settings)
        for epoch in range(settings["epochs"]):
            self.fit(side, self.order(epoch, settings), settings)
            found = {"validation_accuracy": self.accuracy(side.model, "val"), "weight_bits": side.weight_bits()}
            if found["weight_bits"] <= side.allowed and found["validation_accuracy"] > best["validation_accuracy"]:
                best, weights = found | {"epoch": epoch + 1}, side.model.get_weights()
        if "epoch" not in best:
            raise ValueError(f"no epoch ended with at most {side.allowed} bits")
        np.savez(settings["model"], **{str(place): each for place, each in enumerate(weights)})
        return best | {"cpu_seconds": round(time.process_time() - began, 1)}

    def test(self, start, settings):
        """The test accuracy of the weights that `train` kept."""
        model = self.made(start, settings).model
        with np.load(settings["model"]) as found:
            model.set_weights([found[str(place)] for place in range(len(found.files))])
        return {"accuracy": self.accuracy(model, "test")}

    def time(self, start, settings):
        """Processor time of a training step as a multiple of that of the float network, which takes turns with it."""
        sides, taken = {"float": start.model, "side": self.made(start, settings).model}, {"float": [], "side": []}
        x, y = self.data["x_train"][:TIMED], self.data["y_train"][:TIMED]
        for model in sides.values():
            self.compile(model, settings)
        for _ in range(ROUNDS + 1):
            for name, model in sides.items():
                started = time.process_time()
                model.fit(x, y, BATCH, shuffle=False, verbose=0)
                taken[name].append(time.process_time() - started)
        ratios = [a / b for a, b in zip(taken["side"][1:], taken["float"][1:], strict=True)]
        return {"times_float": round(statistics.median(ratios), 2), "range": [round(f(ratios), 2) for f in (min, max)]}

    def made(self, start, settings):
        return self.package.make(settings["side"], start, settings)

    def order(self, epoch, settings):
        """Places of the images of an epoch: the same for all sides of a seed."""
        random = np.random.default_rng([settings["seed"], epoch])
        return random.permutation(len(self.data["x_train"]))[: settings["images"]]

    def compile(self, model, settings):
        steps = settings["epochs"] * -(-settings["images"] // BATCH)
        optimizers, losses = self.library.optimizers, self.library.losses
        rate = optimizers.schedules.CosineDecay(settings["rate"], steps)
        model.compile(optimizers.Adam(rate), losses.SparseCategoricalCrossentropy(from_logits=True))

    def fit(self, side, order, settings):
        x, y = self.data["x_train"][order], self.data["y_train"][order]
        side.model.fit(x, y, BATCH, shuffle=False, callbacks=side.callbacks, verbose=0)

    def accuracy(self, model, part):
        logits = model.predict(self.data[f"x_{part}"], batch_size=1_000, verbose=0)
        return float(np.mean(logits.argmax(axis=1) == self.data[f"y_{part}"]))


def versions():
    """Of the packages that compute."""
    found = {each.metadata["Name"].lower(): each.version for each in importlib.metadata.distributions()}
    return {name: found[name] for name in DISTRIBUTIONS if name in found}


def main():
    package, path = sys.argv[1:]
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    try:
        tasks = Tasks(package, path)
    except ImportError as error:
        tasks, reason = None, str(error)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        try:
            answer = tasks.run(json.loads(line)) if tasks else {"failed": reason}
        except Exception as error:  # whatever a peer raises is its result
            answer = {"failed": f"{type(error).__name__}: {error}".strip().splitlines()[-1].strip()}
        print(json.dumps(answer), file=answers, flush=True)
    print(json.dumps(versions()), file=answers, flush=True)


if __name__ == "__main__":
    main()
