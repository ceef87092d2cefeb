"""tinyBIG's 9,330-parameter network on MNIST, with its own recipe and with a better one; and a Kronecker-sum network.

Each recipe is trained on 50,000 images for every seed and judged on the other 10,000 of the training set; `--choose`
does only this. The recipe with the best mean of each network, and tinyBIG's own beside it, is then trained
on all 60,000 images and sees the test images once, after its last epoch. No number here chooses by test accuracy.
`--ablation` adds the improved recipe without each of its parts. `--bits 8,4` also trains the chosen recipe through the
three stages of quantization, with so many bits in the factors and 8 in biases and activations. The networks
tinybig_rank_1, _2, _3 and _8 are for the sweep over ranks: `--networks tinybig_rank_1,tinybig_rank_2 --choose`.

Every finished training is written to results/mnist_lphm.json at once; a later call with the same settings goes on.

    python scripts/mnist_lphm.py --data-dir DIR [--seeds 0,1,2] [--networks tinybig,kronecker_sum ...]
        [--ablation] [--bits 8,4] [--choose] [--quick]
"""

import argparse
import dataclasses
import functools
import json
import time
import warnings

import keras
import numpy as np

import keras_efficient as ke
from keras_efficient.compat import tinybig
from measuring.trainings import Ledger, integers, one_hot, spread

BATCH = 64
MEAN, DEVIATION = 0.1307, 0.3081  # of the pixels, as tinyBIG subtracts and divides


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a network is trained. `warm_up` is a share of all steps, `average` the momentum of the averaged weights."""

    epochs: int
    learning_rate: float
    weight_decay: float
    cosine: bool = False  # else the rate falls to 90 % after every epoch
    warm_up: float = 0.05
    label_smoothing: float = 0.0
    average: float | None = None
    normalize_first: bool = False  # a LayerNorm over the features of the first layer, too

    def schedule(self, steps):
        """The learning rate over `steps` steps an epoch."""
        if not self.cosine:
            return keras.optimizers.schedules.ExponentialDecay(self.learning_rate, steps, 0.9, staircase=True)
        total = self.epochs * steps
        start = round(self.warm_up * total)
        return keras.optimizers.schedules.CosineDecay(
            0.0, total - start, warmup_target=self.learning_rate, warmup_steps=start
        )

    def optimizer(self, steps):
        """AdamW; its epsilon is torch's, as the gradients of the small first weights are near it."""
        average = {} if self.average is None else {"use_ema": True, "ema_momentum": self.average}
        return keras.optimizers.AdamW(self.schedule(steps), self.weight_decay, epsilon=1e-8, **average)


SEED_RECIPE = Recipe(20, 2e-3, 2e-4)
IMPROVED = Recipe(10, 4e-3, 0.01, True, 0.05, 0.05, 0.998, True)
SUM_RECIPE = Recipe(14, 6e-3, 0.01, True, 0.05, 0.0, 0.998)
ABLATION = {
    "improved_without_cosine": {"cosine": False},
    "improved_without_label_smoothing": {"label_smoothing": 0.0},
    "improved_without_average": {"average": None},
    "improved_without_first_layer_norm": {"normalize_first": False},
    "improved_with_the_seeds_weight_decay": {"weight_decay": 2e-4},
    "improved_with_the_seeds_learning_rate": {"learning_rate": 2e-3},
    "improved_20_epochs": {"epochs": 20},
}
SUM_RECIPES = {
    "sum": SUM_RECIPE,
    "sum_label_smoothing": dataclasses.replace(SUM_RECIPE, label_smoothing=0.05),
    "sum_longer": dataclasses.replace(SUM_RECIPE, label_smoothing=0.05, epochs=20),
    "sum_longer_faster": dataclasses.replace(SUM_RECIPE, label_smoothing=0.05, epochs=20, learning_rate=0.01),
    "sum_30_epochs": dataclasses.replace(SUM_RECIPE, label_smoothing=0.05, epochs=30, learning_rate=0.015),
}
RECIPES = {
    "tinybig": {"seed": SEED_RECIPE, "improved": IMPROVED},
    "kronecker_sum": SUM_RECIPES,
    "kronecker_sum_inner_norm": SUM_RECIPES,
}


def tinybig_network(recipe, rank=5, **bits):
    """The seed's three layers, with parameters drawn as tinyBIG draws them: 9,330 at rank 5."""
    sizes = ((784, 64, 8, recipe.normalize_first), (64, 64, 8, True), (64, 10, 2, True))
    layers = []
    for inputs, units, p, normalize in sizes:
        layer = ke.TaylorDualLPHM(units, rank, p, inputs, normalize=normalize, **bits)
        layer.build((None, inputs))
        tinybig.draw_parameters(layer)
        layers.append(layer)
    return keras.Sequential([keras.Input((784,)), *layers])


def kronecker_sum_network(recipe, inner_norm=False, **bits):
    """Sums of Kronecker products along rows and columns, no expansion: 8,778 parameters.

    A LayerNorm without parameters stands before each layer, or with `inner_norm` before the first and each relu.
    """
    layers = [keras.Input((784,))]
    for number, (units, terms, p, q) in enumerate(((256, 5, 16, 28), (256, 4, 16, 16), (64, 4, 8, 16))):
        if number == 0 or not inner_norm:
            layers.append(keras.layers.LayerNormalization(center=False, scale=False))
        layers.append(ke.PHMDense(units, terms, p, q, activation=None if inner_norm else "relu", **bits))
        if inner_norm:
            layers += [keras.layers.LayerNormalization(center=False, scale=False), keras.layers.Activation("relu")]
    return keras.Sequential([*layers, ke.DenseQ(10, **bits) if bits else keras.layers.Dense(10)])


MAIN_NETWORKS = "tinybig,kronecker_sum,kronecker_sum_inner_norm"
NETWORKS = {
    "tinybig": tinybig_network,
    "kronecker_sum": kronecker_sum_network,
    "kronecker_sum_inner_norm": functools.partial(kronecker_sum_network, inner_norm=True),
}
for _rank in (1, 2, 3, 8):
    NETWORKS[f"tinybig_rank_{_rank}"] = functools.partial(tinybig_network, rank=_rank)
    RECIPES[f"tinybig_rank_{_rank}"] = {"improved": IMPROVED}


def train(network, recipe, data, seed, bits=None):
    """Train on (x, y), look at (x_check, y_check) after the last epoch only; the figures of the run."""
    x, y, x_check, y_check = data
    keras.utils.set_random_seed(seed)
    widths = {"kernel_bits": bits, "bias_bits": 8, "activation_bits": 8} if bits else {}
    model = NETWORKS[network](recipe, **widths)
    started = time.perf_counter()
    fit(model, recipe, x, y)
    if bits:
        quantize(model, recipe, x, y)
    seconds = time.perf_counter() - started
    correct = model.predict(x_check, batch_size=1000, verbose=0).argmax(1) == y_check
    storage = ke.estimate_storage(model)
    sizes = {"parameters": storage.parameters, "weight_bytes": storage.weight_bytes}
    return {"accuracy": float(correct.mean()), **sizes, "seconds": round(seconds, 1)}


def fit(model, recipe, x, y):
    """One stage of training."""
    steps = -(-len(x) // BATCH)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing)
    model.compile(recipe.optimizer(steps), loss, steps_per_execution=min(steps, 64))
    model.fit(x, one_hot(y), batch_size=BATCH, epochs=recipe.epochs, verbose=0)


def quantize(model, recipe, x, y):
    """Stages two and three: a third of the epochs each, at a fifth of the learning rate."""
    ke.calibrate(model, model, x[:1024], percentile=0.1)
    short = {"epochs": max(1, recipe.epochs // 3), "learning_rate": recipe.learning_rate / 5}
    for mode in ("learn_scales", "freeze_scales"):
        if mode == "freeze_scales":
            ke.quantization.round_scales(model)
        ke.set_mode(model, mode)
        # Averages of weights and scales belong to different grids: none here.
        fit(model, dataclasses.replace(recipe, **short, average=None), x, y)


def load(data_dir, quick):
    """(x, y, x_check, y_check) to judge recipes by, and to test with; images as tinyBIG scales them."""
    parts = ke.datasets.load_dataset("mnist", data_dir).arrays()
    parts = [part[: 3_000 if quick else None] for part in parts]
    x, x_val, x_test = ((part.reshape(len(part), -1) * (256 / 255) - MEAN) / DEVIATION for part in parts[::2])
    y, y_val, y_test = parts[1::2]
    return (x, y, x_val, y_val), (np.concatenate([x, x_val]), np.concatenate([y, y_val]), x_test, y_test)


def measure(ledger, part, network, recipes, data, seeds, bits=None):
    """Mean and deviation over the seeds of each recipe, on the checked images of `data`."""
    table = {}
    for name, recipe in recipes.items():
        accuracies = []
        for seed in seeds:
            settings = {"seed": seed, "images": len(data[0]), "bits": bits, **dataclasses.asdict(recipe)}
            work = functools.partial(train, network, recipe, data, seed, bits)
            accuracies.append(ledger.run(f"{part}/{network}/{name}/{seed}", settings, work))
        table[name] = spread(accuracies)
    return table


def recipes_of(network, arguments):
    """The recipes to compare, by name; short ones for a quick run."""
    recipes = dict(RECIPES[network])
    if arguments.ablation and network == "tinybig":
        recipes |= {name: dataclasses.replace(IMPROVED, **change) for name, change in ABLATION.items()}
    if arguments.quick:
        recipes = {name: dataclasses.replace(recipe, epochs=1) for name, recipe in recipes.items()}
    return recipes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--seeds", type=integers, default=[0, 1, 2], help="comma-separated")
    parser.add_argument("--networks", default=MAIN_NETWORKS, help=f"of {', '.join(NETWORKS)}")
    parser.add_argument("--ablation", action="store_true", help="the improved recipe without each of its parts")
    parser.add_argument("--bits", type=integers, default=[], help="of the quantized factors, comma-separated")
    parser.add_argument("--choose", action="store_true", help="stop before the test images are looked at")
    parser.add_argument("--quick", action="store_true", help="3,000 images of each part, one epoch, one seed")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*is wasted on")
    seeds = [0] if arguments.quick else arguments.seeds
    ledger = Ledger("mnist_lphm", arguments.quick)
    judged, tested = load(arguments.data_dir, arguments.quick)
    summary = {}
    for network in arguments.networks.split(","):
        recipes = recipes_of(network, arguments)
        table = measure(ledger, "validation", network, recipes, judged, seeds)
        chosen = max(table, key=lambda name, table=table: table[name]["mean"])
        summary[network] = {"validation": table, "chosen": chosen}
        if not arguments.choose:
            final = {name: recipes[name] for name in dict.fromkeys((next(iter(recipes)), chosen))}
            summary[network]["test"] = measure(ledger, "test", network, final, tested, seeds)
            for bits in arguments.bits:
                settings = (network, {chosen: recipes[chosen]}, tested, seeds, bits)
                summary[network][f"test_{bits}_bits"] = measure(ledger, f"test_{bits}_bits", *settings)
    print(json.dumps(summary, indent=2))
    print(ledger.write(summary).name)


if __name__ == "__main__":
    main()
