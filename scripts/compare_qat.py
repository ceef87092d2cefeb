"""Quantization-aware training beside its peers: the same float network, widths, batches and rates in all of them.

Networks: "mnist", the study's network without dropout, and MLPerf Tiny's "resnet8" on CIFAR-10 (from JPEG files where
the data is those), with its batch normalizations folded. Each seed trains one float network (Adam, cosine rate); from
its weights every side goes on, with weights and maps of 2, 3, 4 and 8 bits, biases and pixels of 8, logits in float
(ours: 16). The first ranges have the least squared error on 512 training images. Adam with a cosine rate, three rates,
batches of 128 in the same order; of the epochs the best by validation accuracy is kept, of the rates the one with the
best mean over the seeds. Test images are looked at for that one alone.

    float                the float network, trained on as long
    ours                 ke.quantize_model, a learned power-of-two scale a tensor
    ours_per_channel     the same with a scale for each filter
    hgq2                 HGQ2, fixed widths, ranges that learn, a range a tensor
    hgq2_learned         a learned width for each weight, its beta held so that the weights have as many bits as ours
                         (what tells the widths is not counted); maps as in hgq2
    qkeras               qkeras-v3: kernels with alpha="auto_po2", a scale for each filter; maps with fixed ranges
    qkeras_float_scales  the same with alpha="auto"
    tfmot                tfmot on tf_keras: 8 bits alone, float scales, biases of 32 bits

HGQ2 and QKeras have environments of their own, since both install a package `qkeras`: `make peers`. What is not there,
and what a side cannot do, is named with the reason. With --time: processor time of a training step as a multiple of the
float network's, which takes turns with it in the process. Every finished run is written to results/compare_qat.json; a
later call goes on from there.

    python scripts/compare_qat.py --data-dir DIR [--network resnet8] [--sides ours,hgq2] [--bits 4] [--rates .004]
        [--epochs 60,10] [--images 40000,40000] [--time] [--quick]
"""

import argparse
import json
import sys
from functools import cached_property
from pathlib import Path

import numpy as np

from measuring.results import ROOT
from measuring.trainings import Ledger, integers, spread
from peers.qat_float import save_data, train_float
from peers.serving import ServingProcess

BITS, RATES = (2, 3, 4, 8), (1e-3, 4e-3, 1.6e-2)
# Epochs and images of the training in float, and of the quantized one
LENGTHS = {"mnist": ((12, 50_000), (6, 20_000)), "resnet8": ((60, 40_000), (10, 40_000))}
PACKAGES = {
    "ours": ("float", "ours", "ours_per_channel"),
    "hgq2": ("hgq2", "hgq2_learned"),
    "qkeras": ("qkeras", "qkeras_float_scales"),
    "tfmot": ("tfmot",),
}
SIDES = tuple(side for sides in PACKAGES.values() for side in sides)
OWN_BITS = {"float": (32,), "tfmot": (8,)}
REASONS = {"tfmot": "its quantize_model has 8 bits alone"}


class Packages:
    """A process for each package, made when it is first asked."""

    def __init__(self, data):
        self.data, self.processes = data, {}

    def ask(self, settings):
        """What the process of a side answers."""
        package = next(name for name, sides in PACKAGES.items() if settings["side"] in sides)
        own = ROOT / f".venv-{package}/bin/python"
        python = own if package in ("hgq2", "qkeras") else Path(sys.executable)
        if not python.exists():
            return {"failed": f"{package} is not installed: make peers"}
        if package not in self.processes:
            environment = {"TF_USE_LEGACY_KERAS": "1"} if package == "tfmot" else {}
            script = Path(__file__).parent / "peers" / "qat_process.py"
            self.processes[package] = ServingProcess(str(python), script, [package, str(self.data)], environment)
        return self.processes[package].ask(json.dumps(settings))

    def close(self):
        """End the processes; the versions of all packages that they used."""
        return {name: version for process in self.processes.values() for name, version in process.close().items()}


class Grid:
    """The runs of one network."""

    def __init__(self, arguments, ledger):
        self.network, self.seeds, self.ledger = arguments.network, arguments.seeds, ledger
        self.folder = Path(arguments.models).resolve() / ("quick" if arguments.quick else "") / self.network
        self.folder.mkdir(parents=True, exist_ok=True)
        lengths = ((1, 512), (2, 512)) if arguments.quick else LENGTHS[self.network]
        epochs, images = zip(*lengths, strict=True)
        self.start, lengths = zip(arguments.epochs or epochs, arguments.images or images, strict=True)
        self.rates = arguments.rates
        self.lengths = dict(zip(("epochs", "images"), lengths, strict=True))
        self.data_dir, self.checks = arguments.data_dir, 100 if arguments.quick else None
        widths = {side: OWN_BITS.get(side, arguments.bits) for side in arguments.sides}
        every = dict.fromkeys(bits for each in (arguments.bits, *widths.values()) for bits in each)
        self.pairs = [(side, bits) for bits in every for side in widths if bits in widths[side]]

    @cached_property
    def packages(self):
        return Packages(save_data(self.network, self.data_dir, self.checks, self.folder))

    def train(self):
        """Each side, seed and rate; a seed after the other, so that an unfinished grid has all sides."""
        for seed in self.seeds:
            self.float_start(seed)
            for side, bits in self.pairs:
                for rate in self.rates:
                    self.run(f"{side}/{bits}/{seed}/{rate}", self.settings("train", side, bits, seed, rate))

    def test(self):
        """Of each side and width the rate that validation chose, and its test accuracy."""
        for side, bits in self.pairs:
            if rate := self.chosen(side, bits):
                for seed in self.seeds:
                    self.run(f"{side}/{bits}/{seed}/test", self.settings("test", side, bits, seed, rate))

    def time(self):
        """A training step of each side at 4 bits, or at what it has."""
        for side, bits in self.pairs:
            if bits in (4, *OWN_BITS.get(side, ())):
                self.run(f"{side}/{bits}/0/time", self.settings("time", side, bits, 0, self.rates[0]))

    def settings(self, task, side, bits, seed, rate):
        return {"task": task, "side": side, "bits": bits, "seed": seed, "rate": rate, **self.lengths}

    def run(self, name, settings):
        """A run, unless an earlier call did it."""
        name = f"{self.network}/{name}"
        if "failed" in self.ledger.runs.get(name, {}):
            self.ledger.runs.pop(name)
        model = "{side}_{bits}_{seed}_{rate}.npz".format(**settings)
        places = {"start": str(self.start_path(settings["seed"])), "model": str(self.folder / model)}
        self.ledger.run(name, settings, lambda: self.packages.ask(settings | {"network": self.network} | places))

    def float_start(self, seed):
        epochs, images = self.start
        settings = {"seed": seed, "epochs": epochs, "images": images}
        path, name = self.start_path(seed), f"{self.network}/start/{seed}"
        if not path.exists():
            self.ledger.runs.pop(name, None)
        self.ledger.run(name, settings, lambda: train_float(self.network, self.packages.data, settings, path))

    def start_path(self, seed):
        return self.folder / f"start_{seed}.npz"

    def found(self, side, bits, last):
        """The runs of all seeds with this end of their names; None where one is missing or failed."""
        names = [f"{self.network}/{side}/{bits}/{seed}/{last}" for seed in self.seeds]
        runs = [self.ledger.runs.get(name, {"failed": "not run"}) for name in names]
        return None if any("failed" in run for run in runs) else runs

    def chosen(self, side, bits):
        """The rate with the best mean validation accuracy."""
        means = {}
        for rate in self.rates:
            if runs := self.found(side, bits, rate):
                means[rate] = np.mean([run["validation_accuracy"] for run in runs])
        return max(means, key=means.get) if means else None

    def summary(self):
        """{bits: {side: figures}}: accuracies over the seeds, and those of tests less ours of the same seed."""
        table = {}
        for side, bits in self.pairs:
            rate, tests = self.chosen(side, bits), self.found(side, bits, "test")
            if tests:
                runs = self.found(side, bits, rate)
                table.setdefault(str(bits), {})[side] = {
                    "rate": rate,
                    "validation": spread([run["validation_accuracy"] for run in runs]),
                    "test": spread([run["accuracy"] for run in tests]),
                    "weight_bytes": np.mean([run["weight_bits"] for run in runs]) / 8,
                    "cpu_seconds": spread([run["cpu_seconds"] for run in runs]),
                }
        for sides in table.values():
            for row in sides.values():
                if ours := sides.get("ours"):
                    pairs = zip(row["test"]["each"], ours["test"]["each"], strict=True)
                    row["less_ours"] = spread([a - b for a, b in pairs])
        return {self.network: table | {"failed": self.failed()}}

    def failed(self):
        """What did not run, with the reason, by side."""
        runs = [run for name, run in self.ledger.runs.items() if name.startswith(self.network) and "failed" in run]
        return REASONS | {run["settings"]["side"]: run["failed"] for run in runs}


def numbers(text):
    return [float(number) for number in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True, help="folder of MNIST and CIFAR-10")
    parser.add_argument("--network", choices=LENGTHS, default="mnist")
    parser.add_argument("--sides", type=lambda text: text.split(","), default=list(SIDES), help=", ".join(SIDES))
    parser.add_argument("--bits", type=integers, default=BITS, help="comma-separated")
    parser.add_argument("--seeds", type=integers, default=[0, 1, 2], help="comma-separated")
    parser.add_argument("--rates", type=numbers, default=RATES, help="comma-separated")
    parser.add_argument("--epochs", type=integers, help="in float and quantized, such as 60,10")
    parser.add_argument("--images", type=integers, help="in float and quantized, such as 40000,40000")
    parser.add_argument("--models", default=ROOT / "runs/compare_qat", help="folder for the trained models")
    parser.add_argument("--time", action="store_true", help="measure a step, too, on a machine without other work")
    parser.add_argument("--quick", action="store_true", help="one seed, 4 bits, 512 images, two epochs")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.sides) - set(SIDES)):
        parser.error(f"--sides knows {', '.join(SIDES)}. Received: {', '.join(unknown)}")
    if arguments.quick:
        arguments.seeds, arguments.bits = [0], [4]
    ledger = Ledger("compare_qat", arguments.quick)
    grid = Grid(arguments, ledger)
    grid.train()
    grid.test()
    if arguments.time:
        grid.time()
    found = grid.summary()
    earlier = ledger.summary.get(arguments.network, {}).get("versions", {})
    found[arguments.network]["versions"] = earlier | grid.packages.close()
    print(json.dumps(found, indent=2))
    print(ledger.write(found).name)


if __name__ == "__main__":
    main()
