"""The protocol of Gural & Murmann (ICML 2019) in full on MNIST: 50 float, 10 learn_scales, 10 freeze_scales trials.

Epochs of 200,000 images (50,000 originals, each with three elastic copies): 50, 100 and 200 of them; learning
rate .005, times .95 per float epoch and .98 per quantized one, batches of 1,024. The score chooses on 10,000
validation images which trial the next stage starts from. The test accuracies of all trials are read afterwards,
to report their distribution: the study's ten final trials have .9908 +- .0005 (mean and standard deviation).

Other than there: our elastic distortion (`ke.datasets.elastic`), and no larger network filters the images.

    python scripts/mnist_protocol.py --data-dir DIR --out DIR [--seed 0] [--trials 50,10,10]
        [--epochs 50,100,200] [--workers 2] [--quick]

The run continues where it was stopped when the same command is given again.
"""

import argparse
import json
import statistics
from contextlib import nullcontext
from pathlib import Path

import keras_efficient as ke
from keras_efficient.networks import MNIST_2KB
from measuring.results import write_results
from mnist_2kb import MODES, numbers, test_accuracies

COPIES = 3
PUBLISHED = {"freeze_scales": {"mean": 0.9908, "sd": 0.0005, "trials": 10}}


def distribution(rows, mode):
    """How the trials of one stage did."""
    tests = [row["test_accuracy"] for row in rows if row["stage"] == mode]
    return {
        "trials": len(tests),
        "mean_test_accuracy": statistics.mean(tests),
        "sd_test_accuracy": statistics.stdev(tests) if len(tests) > 1 else None,
        "range_test_accuracy": [min(tests), max(tests)],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--out", required=True, help="folder of the run")
    parser.add_argument("--trials", type=numbers, default=(50, 10, 10))
    parser.add_argument("--epochs", type=numbers, default=(50, 100, 200), help="of all images and their copies")
    parser.add_argument("--workers", type=int, help="processes that run trials; default: only this one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one trial of one epoch in each stage, no copies")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.trials, arguments.epochs = (1, 1, 1), (1, 1, 1)
    data = ke.datasets.load_dataset("mnist", arguments.data_dir)
    x, y = ke.datasets.augment(data.x_train, data.y_train, 0 if arguments.quick else COPIES, arguments.seed)
    stages = [
        ke.Stage(mode, n, epochs, batch_size=1024)
        for mode, n, epochs in zip(MODES, arguments.trials, arguments.epochs, strict=True)
    ]
    directory = Path(arguments.out)
    arrays = (x, y, *data.arrays()[2:])
    with ke.training.process_pool(arguments.workers) if arguments.workers else nullcontext() as executor:
        ke.train_network(
            MNIST_2KB, arrays, stages, directory, executor, seed=arguments.seed, engine="compiled", verbose=False
        )
    result = json.loads((directory / "result.json").read_text())
    rows = test_accuracies(directory, stages, data)
    figures = {
        "stages": {mode: distribution(rows, mode) for mode in MODES},
        "published": PUBLISHED,
        "best": result["best"],
        "copies": COPIES,
        "train_minutes": round(sum(stage["train_seconds"] for stage in result["stages"]) / 60, 1),
        "trials": rows,
    }
    print(json.dumps(figures, indent=1))
    write_results("mnist_protocol", figures, seeds=[arguments.seed], quick=arguments.quick)


if __name__ == "__main__":
    main()
