"""The study's network on MNIST with short stages, through the command line.

Validation (10,000 of the training images, the study's split for seed 0) chooses; the test images
are looked at once for each run, at its end.

    python scripts/measure_mnist.py --data-dir DIR [--quick]
"""

import argparse
import json
import tempfile
from pathlib import Path

from measure_demo import run
from measuring.results import write_results

# trials, epochs, elastic copies, seed
RUNS = [("3,2,2", "20,20,20", 0, 0), ("3,2,2", "20,20,20", 0, 1), ("3,2,2", "12,6,6", 3, 0)]
QUICK = [("1,1,1", "1,1,1", 0, 0)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--quick", action="store_true", help="one trial of one epoch in each stage")
    arguments = parser.parse_args()
    data = ["--data-dir", arguments.data_dir] if arguments.data_dir else []
    figures = {"dataset": "mnist", "runs": []}
    with tempfile.TemporaryDirectory() as directory:
        for trials, epochs, augment, seed in QUICK if arguments.quick else RUNS:
            options = ["--dataset", "mnist", *data, "--trials", trials, "--epochs", epochs, "--augment", str(augment)]
            options += ["--engine", "keras"]  # as the record was made
            best = run(seed, Path(directory) / f"{epochs}-{augment}-{seed}", options)
            settings = {"trials": trials, "epochs": epochs, "augment": augment}
            figures["runs"].append({**settings, "minutes": round(best.pop("seconds") / 60, 1), **best})
            print(json.dumps(figures["runs"][-1]))
    write_results("mnist_short", figures, seeds=[0, 1], quick=arguments.quick)


if __name__ == "__main__":
    main()
