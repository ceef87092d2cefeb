"""The study's network on full MNIST: 1,947 bytes, chosen on validation data only, kept with its C code.

The protocol of Gural & Murmann (ICML 2019) in a form for one evening on two cores: stages float,
learn_scales, freeze_scales; in each, trials that differ in their seed only; the score chooses one, which
the next stage starts from. Affine and elastic copies, of which every epoch draws 50,000; cosine learning
rate. Test images are looked at once a run, for the network chosen at the end, and by this script afterwards for
every trial's checkpoint, to report them all.

    python scripts/mnist_2kb.py --data-dir DIR --out DIR [--trials 8,6,6] [--epochs 200,300,800]
        [--distillation 0.5] [--teacher 2,60] [--within BYTES] [--name NAME] [--workers 2] [--quick]

With `--within 1024` the network is the best one within so many bytes that `measure_search.py` found, by validation.

The run continues where it was stopped when the same command is given again.
"""

import argparse
import json
from contextlib import nullcontext
from pathlib import Path

import keras
import numpy as np

import keras_efficient as ke
from keras_efficient.datasets import Affine
from keras_efficient.networks import MNIST_2KB
from measuring.model_card import keep_network
from measuring.results import figures, typed_command, write_results

MODES = ("float", "learn_scales", "freeze_scales")
DRAWN = 50_000
COPIES = 6
AFFINE = {"rotation": 7.0, "scale": 0.07, "shear": 0.05, "shift": 1.0}


# Networks that teach only: nothing of them is kept. They see the full 28 x 28 image, which the study's network halves.
TEACHER = [
    ["C", 16, 3, 3, 1, 1, 4, 8, 4],
    ["M", 2, 4],
    ["C", 32, 3, 3, 1, 1, 4, 8, 4],
    ["C", 48, 3, 3, 1, 1, 4, 8, 4],
    ["M", 3, 4],
    ["D", 0.3, 4],
    ["S", 10, 4, 8, 8],
]
COMMON = {"learning_rate": 0.005, "schedule": "cosine", "batch_size": 1024}


def make_stages(trials, epochs, drawn, distillation, teachers=None):
    """The three stages with the settings of this script.

    Without `teachers` the float trials teach the quantized ones; with them these files teach all three stages.
    """
    shares = (distillation if teachers else None, distillation, distillation)
    return [
        ke.Stage(mode, n, e, distillation=share, teachers=teachers, samples_per_epoch=drawn, **COMMON)
        for mode, n, e, share in zip(MODES, trials, epochs, shares, strict=True)
    ]


def train_teachers(arrays, directory, executor, settings):
    """The Keras files of the float trials of `TEACHER`."""
    stages = [ke.Stage("float", *settings["size"], samples_per_epoch=settings["drawn"], **COMMON)]
    ke.train_network(
        TEACHER, arrays, stages, directory, executor, seed=settings["seed"], engine=settings["engine"], verbose=False
    )
    return sorted(directory.glob("stages/0_float/trial_*/min_val_loss.keras"))


def training_pool(data, copies, seed):
    """Originals and distorted copies."""
    return ke.datasets.augment(data.x_train, data.y_train, copies, seed, affine=Affine(**AFFINE))


def test_accuracies(directory, stages, data):
    """Test accuracy of every trial's lowest-loss checkpoint: reported, never chosen by."""
    rows = []
    for number, stage in enumerate(stages):
        for path in sorted((directory / "stages" / f"{number}_{stage.mode}").glob("trial_*/min_val_loss.keras")):
            model = keras.saving.load_model(path, compile=False)
            right = model.predict(data.x_test, batch_size=1000, verbose=0).argmax(axis=1) == data.y_test
            record = json.loads((path.parent / "trial.json").read_text())
            kept = {key: record[key] for key in ("trial", "epoch", "val_loss", "val_accuracy")}
            rows.append({"stage": stage.mode, **kept, "test_accuracy": float(right.mean())})
    return rows


STUDY = (
    "The network of Gural & Murmann (ICML 2019). Chosen on 10,000 images of the training set; the test images were "
    "looked at once a run, after the choice. Two recipes were run, this one when the test accuracy of the other was "
    "known (`results/mnist_2kb_float_teachers.json`)."
)
SEARCHED = (
    "The best network within {:,} bytes of `results/search.json`. It and its trials were chosen on 10,000 images of "
    "the training set; the test images were looked at once, after the choice."
)


def network_within(limit):
    """(the network, its name, how it was chosen): the study's, or the best within `limit` bytes of the search."""
    if limit is None:
        return MNIST_2KB, "mnist_2kb", STUDY
    found = figures("search")["search"]["best_within"]
    network = next(each["network"] for each in found if each["bytes"] == limit)
    return network, f"mnist_within_{limit}", SEARCHED.format(limit)


def card(name, choice, found, seed):
    """The facts of its card in models/."""
    best = found["best"]
    return {
        "name": name,
        "title": f"MNIST in {best['total_bytes']:,.0f} bytes",
        "data": "mnist",
        "split": f"{choice} All trials: `results/{name}.json`.",
        "recipe": typed_command(),
        "seed": seed,
        "accuracy": {"validation": best["val_accuracy"], "test": best["test_accuracy"]},
    }


def numbers(text):
    return tuple(int(part) for part in text.split(","))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--out", required=True, help="folder of the run")
    parser.add_argument("--trials", type=numbers, default=(8, 6, 6))
    parser.add_argument("--epochs", type=numbers, default=(200, 300, 800))
    parser.add_argument("--copies", type=int, default=COPIES, help="distorted copies of each image")
    parser.add_argument("--distillation", type=float, help="weight of the teachers' answers in the labels, 0 to 1")
    parser.add_argument(
        "--teacher", type=numbers, help="trials,epochs of a larger network that teaches all stages; default: none"
    )
    parser.add_argument(
        "--within", type=int, help="bytes; 512, 1024 or 2048 of the search; default: the study's network"
    )
    parser.add_argument("--name", help="of a record beside the shipped network's; keeps no model")
    parser.add_argument("--engine", default="compiled", help="compiled or keras")
    parser.add_argument("--workers", type=int, help="processes that run trials; default: only this one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one trial and epoch a stage, little data; keeps nothing")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.trials, arguments.epochs, arguments.copies = (1, 1, 1), (1, 1, 1), 1
    network, name, choice = network_within(arguments.within)
    data = ke.datasets.load_dataset("mnist", arguments.data_dir)
    drawn = 5_000 if arguments.quick else DRAWN
    x, y = training_pool(data, arguments.copies, arguments.seed)
    arrays = (x, y, *data.arrays()[2:])
    directory = Path(arguments.out) / "network"
    with ke.training.process_pool(arguments.workers) if arguments.workers else nullcontext() as executor:
        teachers = None
        if arguments.teacher:
            settings = {"size": arguments.teacher, "drawn": drawn, "seed": arguments.seed, "engine": arguments.engine}
            teachers = train_teachers(arrays, Path(arguments.out) / "teacher", executor, settings)
        stages = make_stages(arguments.trials, arguments.epochs, drawn, arguments.distillation, teachers)
        ke.train_network(
            network, arrays, stages, directory, executor, seed=arguments.seed, engine=arguments.engine, verbose=False
        )
    model = keras.saving.load_model(directory / "best.keras", compile=False)
    logits = ke.export.IntegerModel(model).predict(np.round(data.x_test * 256).astype(np.uint8))
    result = json.loads((directory / "result.json").read_text())
    found = {
        # Of all trials together, so with workers more than has passed: each trial has a share of the cores.
        "train_minutes": round(sum(stage["train_seconds"] for stage in result["stages"]) / 60, 1),
        "copies": arguments.copies,
        "samples_per_epoch": stages[0].samples_per_epoch,
        "engine": result["engine"],
        "best": result["best"],
        "integer_test_accuracy": float((logits.argmax(axis=1) == data.y_test).mean()),
        "trials": test_accuracies(directory, stages, data),
    }
    print(json.dumps(found, indent=1))
    if not (arguments.quick or arguments.name):
        keep_network(directory / "best.keras", card(name, choice, found, arguments.seed), data.x_test, data.y_test)
    write_results(arguments.name or name, found, seeds=[arguments.seed], quick=arguments.quick)


if __name__ == "__main__":
    main()
