"""MNIST with K layers of ACDC and no dense layer, at 2,352 parameters a layer.

    logits = the first 10 outputs of K times [ACDC of 784 inputs, bias, permutation], relu between

Standardised pixels; Adam with the gradient clipped to norm 1, warm-up over a tenth of the steps, then a cosine. Every
setting is judged on 10,000 of the 60,000 training images; the best of each depth is then trained on all 60,000 for
every seed and sees the test images once, after its last epoch.

    python scripts/acdc_mnist.py --data-dir DIR [--depths 8,32] [--seeds 0,1,2] [--choose] [--quick]

Every finished training is written to results/acdc_mnist.json at once; a later call with the same settings goes on.
"""

import argparse
import dataclasses
import functools
import json
import time

import keras
import numpy as np

import keras_efficient as ke
from keras_efficient.datasets import Affine
from measuring.trainings import Ledger, integers, spread

MEAN, DEVIATION = 0.1307, 0.3081  # of the pixels
_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
AFFINE = Affine(rotation=7.0, scale=0.07, shear=0.05, shift=1.0)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a stack is trained. With distorted copies, a pass over the pool is `copies` + 1 epochs."""

    epochs: int
    learning_rate: float = 0.06
    transform: str = "dct2d"
    permutation: str | None = "random"
    deviation: float = 0.06  # of the diagonals at the start, around 1
    copies: int = 0
    average: float | None = 0.998
    batch_size: int = 256

    def optimizer(self, steps):
        """Adam for so many steps."""
        warm_up = steps // 10
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps - warm_up, warmup_target=self.learning_rate, warmup_steps=warm_up
        )
        average = {} if self.average is None else {"use_ema": True, "ema_momentum": self.average}
        return keras.optimizers.Adam(rate, clipnorm=1.0, **average)


RECIPES = {
    8: {
        "plain": Recipe(20),
        "copies": Recipe(20, copies=3),
        "copies_faster": Recipe(20, 0.1, copies=3),
    },
    32: {
        "plain": Recipe(12),
        "copies": Recipe(12, copies=3),
        "copies_slower": Recipe(12, 0.03, copies=3),
    },
}


def network(depth, recipe, seed):
    """K layers; the last has no relu, and the first 10 outputs are the logits."""
    start = keras.initializers.RandomNormal(1.0, recipe.deviation, seed=seed)
    stack = ke.ACDCDense(
        10, depth, recipe.transform, recipe.permutation, seed=seed, diagonal_initializer=start, activation="relu"
    )
    return keras.Sequential([keras.Input((784,)), stack])


def train(depth, recipe, data, seed):
    """Train on (x, y), look at (x_check, y_check) after the last epoch only; the figures of the run."""
    x, y, x_check, y_check = data
    pool, labels = ke.datasets.augment(x, y, recipe.copies, seed, affine=AFFINE) if recipe.copies else (x, y)
    keras.utils.set_random_seed(seed)
    model = network(depth, recipe, seed)
    steps = len(pool) // recipe.batch_size
    passes = max(1, recipe.epochs // (recipe.copies + 1))
    model.compile(recipe.optimizer(passes * steps), _LOSS, steps_per_execution=min(steps, 64), jit_compile=True)
    started = time.perf_counter()
    model.fit(rows(pool), labels, recipe.batch_size, epochs=passes, verbose=0)
    seconds = time.perf_counter() - started
    correct = model.predict(rows(x_check), batch_size=1000, verbose=0).argmax(1) == y_check
    return {"accuracy": float(correct.mean()), "parameters": model.count_params(), "seconds": round(seconds, 1)}


def rows(images):
    """Standardised pixels, an image a row."""
    return (images.reshape(len(images), -1) * (256 / 255) - MEAN) / DEVIATION


def load(data_dir, quick):
    """(x, y, x_check, y_check) to judge recipes by, and to test with."""
    x, y, x_val, y_val, x_test, y_test = (
        part[: 2_000 if quick else None] for part in ke.datasets.load_dataset("mnist", data_dir).arrays()
    )
    return (x, y, x_val, y_val), (np.concatenate([x, x_val]), np.concatenate([y, y_val]), x_test, y_test)


def measure(ledger, part, depth, recipes, data, seeds):
    """Mean and deviation over the seeds of each recipe, on the checked images of `data`."""
    table = {}
    for name, recipe in recipes.items():
        accuracies = []
        for seed in seeds:
            settings = {"seed": seed, "images": len(data[0]), "depth": depth, **dataclasses.asdict(recipe)}
            work = functools.partial(train, depth, recipe, data, seed)
            accuracies.append(ledger.run(f"{part}/{depth}_layers/{name}/{seed}", settings, work))
        table[name] = spread(accuracies)
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--depths", type=integers, default=list(RECIPES), help="comma-separated")
    parser.add_argument("--seeds", type=integers, default=[0, 1, 2], help="of the final trainings, comma-separated")
    parser.add_argument("--choose", action="store_true", help="stop before the test images are looked at")
    parser.add_argument("--quick", action="store_true", help="8 layers, two recipes, 2,000 images, one epoch, one seed")
    arguments = parser.parse_args()
    seeds = [0] if arguments.quick else arguments.seeds
    ledger = Ledger("acdc_mnist", arguments.quick)
    judged, tested = load(arguments.data_dir, arguments.quick)
    summary = {}
    for depth in arguments.depths[:1] if arguments.quick else arguments.depths:
        recipes = RECIPES[depth]
        if arguments.quick:
            recipes = {name: dataclasses.replace(recipes[name], epochs=1) for name in list(recipes)[:2]}
        table = measure(ledger, "validation", depth, recipes, judged, seeds[:1])
        chosen = max(table, key=lambda name, table=table: table[name]["mean"])
        summary[f"{depth}_layers"] = {"parameters": 2352 * depth, "validation": table, "chosen": chosen}
        if not arguments.choose:
            test = measure(ledger, "test", depth, {chosen: recipes[chosen]}, tested, seeds)
            summary[f"{depth}_layers"]["test"] = test
    print(json.dumps(summary, indent=2))
    print(ledger.write(summary).name)


if __name__ == "__main__":
    main()
