"""CIFAR-10 with an ACDC network that two cores can train: weight decay, and training from scratch against distilled.

The network is WRN(10, 1) with all 3x3 convolutions of its blocks replaced by a depthwise one and a linear stack of
twelve ACDC layers, as in the research log. The log's own networks (WRN(28, 10), WRN(40, 2), 200 epochs) are not run.
A part of the training images, flipped and shifted anew in every epoch; AdamW with a cosine rate, the diagonals
at ten times the rate (`DiagonalRates`).

* weight_decay: that of the dense kernels, and the factor on it for the diagonals: 0, "compression" (the ratio of their
  number to that of a dense matrix, the log's rule) or 1. One seed, validation accuracy.
* distillation: the dense network; the ACDC network from scratch at the best decay; and with attention transfer from the
  dense one. Test images once for each, after the last epoch.

Every finished training is written to results/acdc_cifar.json at once; a later call with the same settings goes on.

    python scripts/acdc_cifar.py --data-dir DIR [--parts weight_decay,distillation] [--seeds 0,1,2]
        [--images 10000] [--epochs 10] [--quick]
"""

import argparse
import functools
import json
import time

import keras
import numpy as np

import keras_efficient as ke
from measuring.epochs import accuracy
from measuring.trainings import Ledger, integers, spread

BATCH, RATE, DIAGONALS = 128, 4e-3, 10.0
DECAYS = (0.0, 0.01, 0.1)
FACTORS = (0.0, "compression", 1.0)
MEAN, DEVIATION = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)  # of the channels


def network(kind, depth):
    """WRN(10, 1), "dense" or "acdc"; its output is logits."""
    convolution = ke.networks.acdc_convolution(depth) if kind == "acdc" else None
    return ke.networks.wide_resnet(10, 1, convolution=convolution, softmax=False)


def distorted(x, random):
    """Half of the images flipped, all shifted by up to four pixels; what comes in is zero."""
    padded = np.pad(ke.datasets.flipped(x, random), ((0, 0), (4, 4), (4, 4), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, x.shape[1:3], axis=(1, 2))
    rows, columns = random.integers(0, 9, (2, len(x)))
    return np.ascontiguousarray(np.moveaxis(windows[np.arange(len(x)), rows, columns], 1, -1))


def train(kind, settings, data, teacher=None):
    """(model, figures); with a teacher by attention transfer. The checked images are looked at after the last epoch."""
    x, y, x_check, y_check = data
    keras.utils.set_random_seed(settings["seed"])
    random = np.random.default_rng(settings["seed"])
    model = network(kind, settings.get("depth", 12))
    steps = len(x) // BATCH
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps * settings["epochs"] - steps // 2, warmup_target=RATE, warmup_steps=steps // 2
    )
    inner = keras.optimizers.AdamW(rate, settings["weight_decay"], clipnorm=1.0)
    trained = model if teacher is None else ke.training.AttentionTransfer(model, teacher)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = ke.DiagonalRates(inner, DIAGONALS, settings["factor"])
    trained.compile(optimizer, loss, jit_compile=keras.backend.backend() == "jax", steps_per_execution=min(steps, 20))
    started = time.perf_counter()
    for _ in range(settings["epochs"]):
        order = random.permutation(len(x))[: steps * BATCH]
        trained.fit(distorted(x[order], random), y[order], BATCH, shuffle=False, verbose=0)
    figures = {"seconds": round(time.perf_counter() - started, 1), "parameters": model.count_params()}
    return model, {"accuracy": accuracy(model, x_check, y_check), **figures}


def choose_weight_decay(ledger, data, base, decays):
    """(table, best settings): validation accuracy of the grid; 0 has no factor."""
    table = {}
    for decay in decays:
        for factor in FACTORS if decay else (0.0,):
            settings = {**base, "seed": 0, "weight_decay": decay, "factor": factor}
            name = f"weight_decay/{decay}, diagonals {factor}"
            found = ledger.run(name, settings, lambda settings=settings: train("acdc", settings, data)[1])
            table[f"{decay}, diagonals {factor}"] = {**settings, "accuracy": found}
    return table, max(table.values(), key=lambda row: row["accuracy"])


def compare_distillation(ledger, data, settings, seeds):
    """Test accuracy of the dense network, the ACDC network, and the same taught by the dense one."""
    table = {name: [] for name in ("dense", "scratch", "distilled")}
    for seed in seeds:
        run = {**settings, "seed": seed}
        teacher = functools.cache(lambda run=run: train("dense", run, data))
        runs = {
            "dense": lambda teacher=teacher: teacher()[1],
            "scratch": lambda run=run: train("acdc", run, data)[1],
            "distilled": lambda run=run, teacher=teacher: train("acdc", run, data, teacher()[0])[1],
        }
        for name, work in runs.items():
            table[name].append(ledger.run(f"distillation/{name}/{seed}", run, work))
    return {name: spread(accuracies) for name, accuracies in table.items()}


def load(data_dir, images):
    """(x, y, x_check, y_check) to judge settings by, and to test with; standardised channels."""
    x, y, x_val, y_val, x_test, y_test = ke.datasets.load_dataset("cifar10", data_dir).arrays()
    x, y = x[:images], y[:images]
    x, x_val, x_test = (((part * (256 / 255) - MEAN) / DEVIATION).astype("float32") for part in (x, x_val, x_test))
    return (x, y, x_val[:5000], y_val[:5000]), (x, y, x_test, y_test)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder of CIFAR-10; without it the data is downloaded")
    parser.add_argument("--parts", default="weight_decay,distillation", help="comma-separated")
    parser.add_argument("--seeds", type=integers, default=[0, 1, 2], help="of the comparison, comma-separated")
    parser.add_argument("--images", type=int, default=10_000, help="of the training set")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="two layers, 256 images, one epoch, one seed, one decay")
    arguments = parser.parse_args()
    images, epochs = (256, 1) if arguments.quick else (arguments.images, arguments.epochs)
    ledger = Ledger("acdc_cifar", arguments.quick)
    judged, tested = load(arguments.data_dir, images)
    if arguments.quick:
        judged, tested = ((*data[:2], data[2][:100], data[3][:100]) for data in (judged, tested))
    decays = DECAYS[:1] if arguments.quick else DECAYS
    base = {"images": images, "epochs": epochs, **({"depth": 2} if arguments.quick else {})}
    table, best = choose_weight_decay(ledger, judged, base, decays)
    summary = {"weight_decay": table, "chosen": {key: best[key] for key in ("weight_decay", "factor")}}
    if "distillation" in arguments.parts.split(","):
        settings = {key: value for key, value in best.items() if key != "accuracy"}
        seeds = [0] if arguments.quick else arguments.seeds
        summary["distillation"] = compare_distillation(ledger, tested, settings, seeds)
    print(json.dumps(summary, indent=2))
    print(ledger.write(summary).name)


if __name__ == "__main__":
    main()
